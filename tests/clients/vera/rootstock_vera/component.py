"""Vera's WASI target on Rootstock: a component whose core module is linked with the runtime.

Vera writes a component as text. Its main module is the program, and beside it stands an adapter that calls
WASI. For what WASI hands over, the emitter sets an arena of 64 KiB apart between static data and heap, and
``cabi_realloc`` gives out that and nothing else: it never allocates, so no collection can run where a component
may not call out.

Two things change. The arena lies where static data end, and ``gc_init`` is told its end. And the binary's main
module, which imports the runtime, is replaced by what ``rootstock link`` makes of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .abi import AbiError

#: The export that the runtime would notify of dead handles. Vera's components have none: it refuses host values there.
DECREF = "rootstock.no_handles"
#: How the rewritten program tells the runtime where its static data end.
_INIT = re.compile(r"^    i32\.const (\d+)\n    call \$rootstock\.gc_init$", re.MULTILINE)
#: What a host of a core module asks, and a host of a component never can.
_HOST_ONLY = re.compile(
    r'^  \((?:import "runtime"|export) "(?:[a-z]+\.)?gc_(?:abi_version|stat|collect|verify|shutdown'
    r'|last_error|last_error_arg)" .*\n', re.MULTILINE)
#: What the emitter looks for in a program with Vera's own collector.
_MARKERS = ('(memory (export "vera.memory")', "(global $heap_ptr ", "(global $gc_heap_start ")


def transform(original: Callable[..., Any], options: Callable[[], dict[int, int]]) -> Callable[..., Any]:
    """The emitter's ``_transform_main``, for a program that imports the runtime.

    ``options`` are set in the program's start function: nobody can set them from outside.
    """
    def transformed(wat: str, used: Any) -> Any:
        found = _INIT.search(wat)
        if found is None:
            return original(wat, used)  # numbers only: there is no heap
        static_end = found[1]
        wat = _HOST_ONLY.sub("", wat)
        markers = ['  (memory (export "vera.memory") 1)',
                   f'  (global $heap_ptr (export "vera.heap_ptr") (mut i32) (i32.const {static_end}))',
                   f"  (global $gc_heap_start i32 (i32.const {static_end}))"]
        fields, layout = original("\n".join(["(module", *markers, *wat.split("\n")[1:]]), used)
        fields = [field for field in fields if not field.strip().startswith(_MARKERS)]
        at = fields.index("    call $rootstock.gc_init")
        if fields[at - 1] != f"    i32.const {static_end}":
            raise AbiError("the end of static data is not where the emitter left it")
        fields[at - 1] = f"    i32.const {layout.arena_end}"
        fields.append(f'  (func (export "{DECREF}") (param i32 i32) unreachable)')
        for option, value in options().items():
            fields[at + 1:at + 1] = [f"    i32.const {option}", f"    i32.const {value}",
                                     "    call $rootstock.gc_configure", "    drop"]
        return fields, layout

    return transformed


def link(component: bytes, merge: Callable[[bytes], bytes]) -> bytes:
    """The component with its first core module merged, if that imports the runtime."""
    at = 8  # magic and version
    while at < len(component):
        kind, start = component[at], at
        size, at = _number(component, at + 1)
        if kind == 1:  # a core module
            merged = merge(component[at:at + size])
            return (component[:start] + b"\x01" + _encoded(len(merged)) + merged
                    + component[at + size:])
        at += size
    raise AbiError("the component has no core module")


def is_component(binary: bytes) -> bool:
    """Whether a binary is a component, not a module."""
    return binary[:8] == b"\0asm\x0d\0\x01\0"


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number in LEB128, and where the bytes behind it begin."""
    value, shift = 0, 0
    while True:
        byte, at = data[at], at + 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
