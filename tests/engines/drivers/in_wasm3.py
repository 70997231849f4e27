"""The checks in wasm3, by the package pywasm3 of PyPI: `in_wasm3.py FOLDER` prints the outcomes as JSON."""

import pathlib
import sys

from wasm3 import Environment

from host import Host

# Bytes of wasm3's own stack.
STACK = 1 << 20


def run(check, path):
    """The results of one check: a module in an instance of its own, and calls of it in turn."""
    environment, host = Environment(), Host()
    runtime = environment.new_runtime(STACK)
    module = environment.parse_module(path.read_bytes())
    runtime.load(module)
    functions = {
        "handle_new": ("i(iI)", host.handle_new),
        "handle_value": ("I(i)", host.handle_value),
        "host_decref_handle": ("v(ii)", host.host_decref_handle),
    }
    if check.get("host"):
        for name, (signature, function) in functions.items():
            try:
                module.link_function("host", name, signature, function)
            except RuntimeError as error:
                # what the module does not import
                if "function lookup failed" not in str(error):
                    raise
    return host.steps(check, lambda name, args: runtime.find_function(name)(*args))


if __name__ == "__main__":
    Host.main(pathlib.Path(sys.argv[1]), run)
