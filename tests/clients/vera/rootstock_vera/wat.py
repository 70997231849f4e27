"""Turns the WAT that Vera assembles into a program that links with Rootstock.

Before::

    (module
      (import "vera" ...)
      (memory (export "vera.memory") 1)
      (data (i32.const 0) "...")                   active, from address 0
      (global $heap_ptr ...) (global $gc_sp ...)   the inline collector's state
      (func $alloc ...) (func $gc_collect ...)     the inline collector
      ...

After::

    (module
      (import "runtime" "memory" (memory ...))     the same names, so that no function body changes
      (import "runtime" "alloc" (func $alloc ...))
      (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
      (import "vera" ...)
      ...
      (export "vera.alloc" (func $alloc))          what Vera's hosts look for, re-exported
      (data $rootstock_static "...")               passive
      (func $rootstock_start ...) (start ...)      gc_init(static_end), then memory.init

Every line that is taken out must be there exactly as often as expected: another version of Vera
ends in an error, never in a module that is subtly wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .abi import MODULE, AbiError

#: Globals of the inline collector, and of its table of host handles.
_COLLECTOR_GLOBALS = (
    "heap_ptr", "gc_sp", "gc_stack_base", "gc_stack_limit", "gc_heap_start", "gc_worklist_end",
    "gc_free_head", "gc_bm_base", "gc_rs_lo", "gc_rs_off", "gc_rs_hi", "gc_rs_stop",
    "gc_rs_stop_off", "gc_rs_below",
)
_TABLE_GLOBALS = ("gc_wrap_base", "gc_wrap_ptr", "gc_wrap_end")

#: What the adapter's own host asks the runtime, through re-exports of the program. They work the
#: same whether the program was instantiated beside the runtime or merged with it.
_HOST_EXPORTS = {
    "gc_abi_version": "(result i32)",
    "gc_configure": "(param i32 i32) (result i32)",
    "gc_stat": "(param i32) (result i64)",
    "gc_collect": "",
    "gc_verify": "(result i32)",
    "gc_shutdown": "",
    "gc_last_error": "(result i32)",
    "gc_last_error_arg": "(result i32)",
}

_ESCAPES = {code: f"\\{code:02x}" for code in range(256)
            if not 32 <= code < 127 or code in b'"\\'}


@dataclass(frozen=True)
class StaticData:
    """The string literals of a program: ``bytes`` from ``start``, and ``end`` of what is reserved."""

    start: int
    end: int
    bytes: bytes

    @classmethod
    def from_pool(cls, pool: object, start: int) -> "StaticData":
        """Reads a ``StringPool``; what it reserved without a value stays zero."""
        data = bytearray()
        for value, offset, _length in pool.entries():
            if offset < start + len(data):
                raise AbiError(f"a string literal at {offset:#x} overlaps what lies below it")
            data.extend(bytes(offset - start - len(data)))
            data += value.encode("utf-8")
        return cls(start, pool.heap_offset, bytes(data))


def _take(wat: str, pattern: str, what: str, times: int = 1) -> str:
    """``wat`` without the whole lines that match."""
    wat, found = re.subn(rf"^  {pattern}\n", "", wat, flags=re.MULTILINE)
    if found != times:
        raise AbiError(f"Vera's module has {what} {found} times, expected {times}: "
                       "this adapter was written for another version of the compiler")
    return wat


def rewrite(wat: str, static: StaticData, prefix: str, *, allocates: bool, wraps: bool) -> str:
    """The program that imports the runtime, from an assembled module without literals.

    ``prefix`` is what Vera puts before the names of the runtime's exports. ``allocates`` and
    ``wraps`` say which parts of its collector Vera would have put in.
    """
    memory = rf'\(memory \(export "{re.escape(prefix)}memory"\) 1\)'
    if not re.search(rf"^  {memory}$", wat, re.MULTILINE):
        if allocates or static.bytes:
            raise AbiError("Vera's module allocates but defines no memory of its own")
        return wat  # numbers only: there is nothing to link

    wat = _take(wat, memory, "its memory")
    imports = [("memory", "(memory $rootstock.memory 1)"),
               ("gc_init", "(func $rootstock.gc_init (param i32))"),
               ("gc_program_base", "(global $rootstock.gc_program_base i32)")]
    exports = [("memory", "(memory $rootstock.memory)")]
    for name, signature in _HOST_EXPORTS.items():
        imports.append((name, f"(func $rootstock.{name} {signature})"))
        exports.append((name, f"(func $rootstock.{name})"))
    if allocates:
        for name in _COLLECTOR_GLOBALS:
            wat = _take(wat, rf"\(global \${name} .*\)", f"the global ${name}")
        wat = _take(wat, rf'\(export "{re.escape(prefix)}alloc" \(func \$alloc\)\)',
                    "the export of $alloc")
        imports += [("alloc", "(func $alloc (param i32) (result i32))"),
                    ("gc_sp", "(global $gc_sp (mut i32))"),
                    ("gc_stack_limit", "(global $gc_stack_limit i32)")]
        exports += [("alloc", "(func $alloc)"), ("gc_sp", "(global $gc_sp)"),
                    ("gc_stack_limit", "(global $gc_stack_limit)")]
    if wraps:
        for name in _TABLE_GLOBALS:
            wat = _take(wat, rf"\(global \${name} .*\)", f"the global ${name}")
        wat = _take(wat, rf'\(export "{re.escape(prefix)}register_wrapper" '
                         r"\(func \$register_wrapper\)\)", "the export of $register_wrapper")
        # The runtime calls the host itself.
        wat = _take(wat, r'\(import "vera" "host_decref_handle" .*\)', "host_decref_handle")
        imports.append(("register_wrapper", "(func $register_wrapper (param i32 i32 i32))"))
        exports.append(("register_wrapper", "(func $register_wrapper)"))
    return _assemble(wat, imports, [(prefix + name, item) for name, item in exports], static)


def _assemble(wat: str, imports: list[tuple[str, str]], exports: list[tuple[str, str]],
              static: StaticData) -> str:
    """Imports first, as wasm has it; exports, static data and the start function last."""
    head, tail = "(module\n", ")"
    if not wat.startswith(head) or not wat.endswith(tail):
        raise AbiError("Vera's module is not one (module ...)")
    if "(start " in wat:
        raise AbiError("Vera's module has a start function already")
    lines = ["(module"]
    lines += [f'  (import "{MODULE}" "{name}" {item})' for name, item in imports]
    lines.append(wat[len(head):-len(tail)].rstrip("\n"))
    lines += [f'  (export "{name}" {item})' for name, item in exports]
    # Active segments would depend on the initial size of a memory that the runtime owns.
    if static.bytes:
        text = static.bytes.decode("latin-1").translate(_ESCAPES)
        lines.append(f'  (data $rootstock_static "{text}")')
    # The addresses of the literals are in the code: another memory map would be overwritten.
    lines += ["  (func $rootstock_wrong_program_base unreachable)",
              "  (func $rootstock_start",
              "    global.get $rootstock.gc_program_base",
              f"    i32.const {static.start}",
              "    i32.ne",
              "    if",
              "      call $rootstock_wrong_program_base",
              "    end",
              f"    i32.const {static.end}",
              "    call $rootstock.gc_init"]
    if static.bytes:
        lines += [f"    i32.const {static.start}",
                  "    i32.const 0",
                  f"    i32.const {len(static.bytes)}",
                  "    memory.init $rootstock_static"]
    lines += ["  )", "  (start $rootstock_start)", ")"]
    return "\n".join(lines)
