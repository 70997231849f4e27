"""The checks in wasmtime, by its package of PyPI: `in_wasmtime.py FOLDER` prints the outcomes as JSON."""

import pathlib
import sys

from wasmtime import Engine, Func, FuncType, Instance, Module, Store, ValType

from host import Host


def run(engine, check, path):
    """The results of one check: a module in an instance of its own, and calls of it in turn."""
    store, host = Store(engine), Host()
    i32, i64 = ValType.i32(), ValType.i64()
    functions = {
        "handle_new": Func(store, FuncType([i32, i64], [i32]), host.handle_new),
        "handle_value": Func(store, FuncType([i32], [i64]), host.handle_value),
        "host_decref_handle": Func(store, FuncType([i32, i32], []), host.host_decref_handle),
    }
    module = Module.from_file(engine, str(path))
    given = functions if check.get("host") else {}
    instance = Instance(store, module, [given[wanted.name] for wanted in module.imports])
    exports = instance.exports(store)
    return host.steps(check, lambda name, args: exports[name](store, *args))


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    shared = Engine()
    Host.main(folder, lambda check, path: run(shared, check, path))
