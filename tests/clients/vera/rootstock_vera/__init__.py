"""Makes the installed Vera compiler use Rootstock as its collector.

``install()`` patches the package in memory; nothing on disk changes, and ``uninstall()`` puts the
original back. README.md lists each patch.
"""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

import vera
import vera.codegen
import vera.codegen.api
import vera.codegen.assembly
import vera.codegen.core
import vera.codegen.wasi
import vera.wasm.helpers
import wasmtime
from vera.envflags import flag_enabled
from vera.runtime import RUNTIME_EXPORT_PREFIX
from vera.runtime.traps import WasmTrapError

from . import component, host
from .abi import MODULE, AbiError, option_number
from .link import LinkError, RuntimeModule, default_runtime, merge
from .wat import StaticData, rewrite

__all__ = ["AbiError", "Adapter", "LinkError", "install"]

#: The one version of the compiler that the patches fit.
VERA_VERSION = "0.2.5"


class _Shadow(ModuleType):
    """A module with some names replaced, for one importer of it only."""

    def __init__(self, module: ModuleType, **names: object) -> None:
        super().__init__(module.__name__, module.__doc__)
        self._module = module
        self.__dict__.update(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


class Adapter:
    """The patches, and what they work with."""

    def __init__(self, runtime: RuntimeModule, *, merged: bool) -> None:
        self.runtime = runtime
        #: Whether compiling yields one module that contains the runtime.
        self.merged = merged
        #: Options of the runtime for the executions that follow, by name.
        self.options: dict[str, int] = {}
        #: Whether handles are counted: how often each was told about, and how many never.
        self.audited = True
        #: The execution that ended last.
        self.last_run: host.Run | None = None
        self._undo: list[Callable[[], None]] = []

    def _patch(self, owner: object, name: str, value: object) -> None:
        original = getattr(owner, name)
        setattr(owner, name, value)
        self._undo.append(lambda: setattr(owner, name, original))

    def _install(self) -> None:
        self._patch_static_data()
        self._patch_assembly()
        self._patch_binary()
        self._patch_execution()
        self._patch_wasi()

    def uninstall(self) -> None:
        """Puts the compiler back as it was."""
        while self._undo:
            self._undo.pop()()

    def _patch_static_data(self) -> None:
        """String literals are placed from PROGRAM_BASE on, not from address 0."""
        pool, runtime = vera.wasm.helpers.StringPool, self.runtime
        original = pool.__init__

        @wraps(original)
        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            if self._offset == 0:
                self._offset = runtime.program_base

        self._patch(pool, "__init__", init)

    def _patch_assembly(self) -> None:
        """No inline collector; the assembled module is rewritten to import ours."""
        mixin, runtime = vera.codegen.assembly.AssemblyMixin, self.runtime
        for name in ("_emit_alloc", "_emit_register_wrapper", "_emit_gc_collect",
                     "_emit_gc_base_bitmap_helpers"):
            self._patch(mixin, name, lambda self: "")
        original = mixin._assemble_module

        @wraps(original)
        def assemble(self: Any, functions: list[str]) -> str:
            pool = self.string_pool
            # The literals become one passive segment; the original is not to write active ones.
            self.string_pool = copy.copy(pool)
            self.string_pool.entries = lambda: []
            try:
                wat = original(self, functions)
            finally:
                self.string_pool = pool
            static = StaticData.from_pool(pool, runtime.program_base)
            return rewrite(wat, static, RUNTIME_EXPORT_PREFIX,
                           allocates=self._needs_alloc, wraps=self._needs_wrap_table)

        self._patch(mixin, "_assemble_module", assemble)

    def _patch_binary(self) -> None:
        """Merges the binary that the compiler writes, if asked to."""
        def wat2wasm(wat: str) -> bytes:
            program = bytes(wasmtime.wat2wasm(wat))
            return self.link(program) if self.merged else program

        self._patch(vera.codegen.core, "wasmtime", _Shadow(wasmtime, wat2wasm=wat2wasm))

    def _patch_execution(self) -> None:
        """Links at instantiation, and names the runtime's errors."""
        api = vera.codegen.api
        self._patch(api, "wasmtime", _Shadow(wasmtime, Linker=host.Linker))

        bind_original = api.bind_host_imports

        @wraps(bind_original)
        def bind(linker: Any, imports: Any, env: Any) -> None:
            run = host.CURRENT.get()
            if run is not None:
                run.bind(env)
            bind_original(linker, imports, env)

        self._patch(api, "bind_host_imports", bind)

        original = api.execute

        @wraps(original)
        def execute(result: Any, *args: Any, **kwargs: Any) -> Any:
            run = host.Run(self.runtime, {**_environment_options(), **self.options},
                           self.audited)
            token = host.CURRENT.set(run)
            try:
                # The binary, not its text, is what may have been merged.
                outcome = original(replace(result, wat=result.wasm_bytes or result.wat),
                                   *args, **kwargs)
            except WasmTrapError as error:
                named = run.explain(error)
                run.unwind()
                if named is error:
                    raise
                raise named from error.__cause__
            finally:
                host.CURRENT.reset(token)
                self.last_run = run
            if run.linked:
                outcome.peak_heap_bytes = run.stat("PEAK_BYTES")
            return outcome

        for module in list(sys.modules.values()):
            if (getattr(module, "__name__", "").split(".")[0] == "vera"
                    and getattr(module, "execute", None) is original):
                self._patch(module, "execute", execute)

    def _patch_wasi(self) -> None:
        """A component's main module is merged with the runtime when the component is assembled."""
        wasi = vera.codegen.wasi
        for name in ("_transform_main", "_transform_main_server"):
            self._patch(wasi, name, component.transform(getattr(wasi, name), self._numbered_options))
        original = wasmtime.wat2wasm

        @wraps(original)
        def wat2wasm(wat: Any) -> bytes:
            binary = bytes(original(wat))
            return component.link(binary, self._merge_main) if component.is_component(binary) else binary

        # The command line and the host of components import the package where they use it.
        self._patch(wasmtime, "wat2wasm", wat2wasm)

    def _numbered_options(self) -> dict[int, int]:
        options = {**_environment_options(), **self.options}
        return {option_number(name): value for name, value in options.items()}

    def _merge_main(self, module: bytes) -> bytes:
        return self.link(module, component.DECREF)

    def link(self, program: bytes, decref: str | None = None) -> bytes:
        """The program merged with the runtime; itself if it imports nothing of it.

        ``decref`` names an export that the runtime calls in place of Vera's host.
        """
        module = wasmtime.Module(wasmtime.Engine(_config()), program)
        if any(item.module == MODULE for item in module.imports):
            return merge(program, self.runtime, decref)
        return program

    def merge_result(self, result: Any) -> Any:
        """A compiled program in its merged form."""
        return replace(result, wasm_bytes=self.link(result.wasm_bytes))


def _config() -> wasmtime.Config:
    config = wasmtime.Config()
    config.wasm_exceptions = True
    return config


def _environment_options() -> Mapping[str, int]:
    """Options by ``ROOTSTOCK_OPTIONS=EAGER=1,POISON=1``, and Vera's own switch for eager mode."""
    options = {"EAGER": 1} if flag_enabled("VERA_EAGER_GC") else {}
    for part in filter(None, os.environ.get("ROOTSTOCK_OPTIONS", "").split(",")):
        name, _, value = part.partition("=")
        if not value.isdecimal():
            raise AbiError(f"ROOTSTOCK_OPTIONS: expected NAME=NUMBER, got {part!r}")
        options[name.strip()] = int(value)
    return options


def install(runtime: Path | str | None = None, *, merged: bool = False) -> Adapter:
    """Patches the installed compiler to use a build of the runtime."""
    if vera.__version__ != VERA_VERSION:
        raise AbiError(f"the installed veralang is {vera.__version__}, "
                       f"the adapter fits {VERA_VERSION} only")
    adapter = Adapter(RuntimeModule(Path(runtime) if runtime else default_runtime()),
                      merged=merged)
    adapter._install()
    return adapter
