"""Merging a program and the runtime into one .wasm, and where both come from."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import wasmtime
from vera.runtime import RUNTIME_EXPORT_PREFIX

from .abi import ABI_VERSION, MODULE, REPOSITORY, AbiError

_TARGET = REPOSITORY / "target"
#: Exports of the runtime without which no program of this client links.
_NEEDED = ("memory", "alloc", "register_wrapper", "gc_init", "gc_sp", "gc_stack_limit",
           "gc_program_base", "gc_abi_version", "gc_configure", "gc_stat", "gc_collect",
           "gc_verify", "gc_shutdown", "gc_last_error", "gc_last_error_arg")


class LinkError(Exception):
    """A program could not be merged with the runtime."""


class RuntimeModule:
    """A build of the runtime, checked once: it exports what is needed and speaks our ABI."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.bytes = path.read_bytes()
        except OSError as error:
            raise AbiError(f"cannot read the runtime {path}: {error.strerror}") from error
        engine = wasmtime.Engine()
        try:
            module = wasmtime.Module(engine, self.bytes)
        except wasmtime.WasmtimeError as error:
            reason = str(error).splitlines()[0]
            raise AbiError(f"{path} is not a wasm module: {reason}") from error
        exported = {export.name for export in module.exports}
        missing = [name for name in _NEEDED if name not in exported]
        if missing:
            raise AbiError(f"{path} is not Rootstock's runtime: it does not export "
                           f"{', '.join(missing)}")
        store = wasmtime.Store(engine)
        imports = [wasmtime.Func(store, item.type, lambda *_: None) for item in module.imports]
        exports = wasmtime.Instance(store, module, imports).exports(store)
        check_version(exports["gc_abi_version"](store), str(path))
        #: Where a program's static data starts.
        self.program_base = exports["gc_program_base"].value(store)

    def module(self, engine: wasmtime.Engine) -> wasmtime.Module:
        """The runtime compiled for an engine."""
        return wasmtime.Module(engine, self.bytes)


def check_version(found: int, what: str) -> None:
    """Refuses a runtime that speaks another ABI."""
    if found != ABI_VERSION:
        raise AbiError(f"{what} speaks version {found} of the ABI, this adapter {ABI_VERSION}")


def default_runtime() -> Path:
    """The runtime that ``ROOTSTOCK_WASM`` names, or the one that cargo built."""
    named = os.environ.get("ROOTSTOCK_WASM")
    if named:
        return Path(named)
    return _TARGET / "wasm32-unknown-unknown" / "release" / "runtime.wasm"


def merge(program: bytes, runtime: RuntimeModule, decref: str | None = None) -> bytes:
    """One module that needs no other: what ``rootstock link`` makes of a program.

    With ``decref`` it is for a component, which no host asks anything: the runtime's exports are left out, and its
    notifications go to the export of that name.
    """
    with tempfile.TemporaryDirectory(prefix="rootstock-vera-") as name:
        folder = Path(name)
        source, merged = folder / "program.wasm", folder / "merged.wasm"
        source.write_bytes(program)
        command = _linker(source, runtime.path, merged, decref)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = done.stderr.strip() or done.stdout.strip()
            raise LinkError(f"{Path(command[0]).name} could not merge the program: {reason}")
        module = merged.read_bytes()
        return module if decref else _for_vera_hosts(module)


def _for_vera_hosts(module: bytes) -> bytes:
    """The runtime's one import under the name that Vera's hosts know it by.

    Vera's hosts give ``vera.host_decref_handle``, with the signature and the meaning of the
    runtime's ``host.host_decref_handle``. The names are of one length, so the module is edited in
    place. A program that holds no host values may have been merged without the import.
    """
    ours, theirs = (bytes([4]) + name + bytes([18]) + b"host_decref_handle"
                    for name in (b"host", b"vera"))
    start, end = _import_section(module)
    imports = module[start:end]
    if imports.count(ours) > 1:
        raise LinkError("the merged module imports host.host_decref_handle more than once")
    return module[:start] + imports.replace(ours, theirs) + module[end:]


def _import_section(module: bytes) -> tuple[int, int]:
    """Where the contents of the import section lie."""
    at = 8  # magic and version
    while at < len(module):
        kind, at = module[at], at + 1
        size, shift = 0, 0
        while True:  # LEB128
            byte, at = module[at], at + 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        if kind == 2:
            return at, at + size
        at += size
    return at, at


def _linker(program: Path, runtime: Path, merged: Path, decref: str | None) -> list[str]:
    """The command that merges: ``rootstock link``."""
    command = Path(os.environ.get("ROOTSTOCK_COMMAND") or _TARGET / "debug" / "rootstock")
    if not command.exists():
        raise LinkError(f"there is no {command} to merge the program with; "
                        "cargo build -p rootstock makes it")
    how = ["--decref", decref] if decref else ["--prefix", RUNTIME_EXPORT_PREFIX]
    return [str(command), "link", str(program), "--runtime", str(runtime), *how, "-o", str(merged)]
