"""Takes the inline collector out of a module that Vera compiled.

    extract.py MODULE.wat > vera.wat

Keeps the memory, the collector's globals, `$alloc`, `$register_wrapper` and `$gc_collect` with all that they call, and
exports them under the names that guests import. Nothing of their text changes but the import of the host.
"""

import re
import sys

EXPORTS = {"alloc": "alloc", "register_wrapper": "register_wrapper", "gc_collect": "gc_collect"}
#: Reports a trap to Vera's host before the `unreachable` that follows it.
TRAP = '(func $vera.trap (param i32 i32 i32))'


def functions(lines: list[str]) -> dict[str, list[str]]:
    """The module's functions by name: each starts and ends at the second level of indentation."""
    found, name = {}, None
    for line in lines:
        start = re.match(r"  \(func (\$\S+)", line)
        if start:
            name = start[1]
            found[name] = []
        if name:
            found[name].append(line)
        if line == "  )":
            name = None
    return found


def main(path: str) -> None:
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    known = functions(lines)
    needed, waiting = [], ["$" + name for name in EXPORTS]
    while waiting:
        name = waiting.pop()
        if name in needed or name in ("$vera.trap", "$vera.host_decref_handle"):
            continue
        if name not in known:
            sys.exit(f"extract.py: the module has no function {name}: another version of Vera?")
        needed.append(name)
        waiting += re.findall(r"call (\$\S+)", "\n".join(known[name]))
    print("(module")
    print('  (import "host" "host_decref_handle" (func $vera.host_decref_handle (param i32 i32)))')
    print('  (memory (export "memory") 1)')
    for line in lines:
        if line.startswith("  (global "):
            print(re.sub(r'\(export "vera\.', '(export "', line))
    for name in needed:
        print("\n".join(known[name]))
    for name, export in EXPORTS.items():
        print(f'  (export "{export}" (func ${name}))')
    print(f"  {TRAP}")
    print(")")


if __name__ == "__main__":
    main(sys.argv[1])
