"""The host's side of one execution: linking, options, statistics, handles, and readable traps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

import wasmtime
from vera.runtime import runtime_export
from vera.runtime.traps import WasmTrapError

from .abi import MODULE, AbiError, error_info, error_named, option_number, stat_number
from .link import RuntimeModule, check_version

#: The callback of the runtime, as Vera calls it too.
DECREF = "host_decref_handle"
#: The kind of the handles that stand for decimals.
DECIMAL = 3

#: The execution that this thread is in.
CURRENT: ContextVar["Run | None"] = ContextVar("rootstock_run", default=None)

# What Vera calls the failures that it knows of too; every other one is `unreachable`.
_VERA_KINDS = {"HEAP_EXHAUSTED": "heap_exhausted", "SIZE_TOO_LARGE": "heap_exhausted"}


class HandleError(Exception):
    """The runtime told the host about a handle that is not there, or that it told about before."""


class Run:
    """One execution of a module: which runtime it is linked with, and what became of its handles."""

    def __init__(self, runtime: RuntimeModule, options: Mapping[str, int], audited: bool) -> None:
        self._runtime = runtime
        self._options = dict(options)
        self._audited = audited
        self._store: wasmtime.Store | None = None
        self._exports: Mapping[str, Any] = {}
        self._decref: Callable[..., None] | None = None
        #: The host's decimals: what Vera keeps behind handles of kind 3.
        self.decimals: dict[int, object] = {}
        #: How often the runtime told about each handle, by (kind, handle).
        self.told: dict[tuple[int, int], int] = {}
        self._stack_base = 0
        #: How the module was linked: "instantiated", "merged", or "" without the runtime.
        self.linked = ""

    # --- before the program runs ---

    def bind(self, env: Any) -> None:
        """Puts an audit before Vera's own callback, and takes note of its store of decimals."""
        signature, vera_decref = env.own[DECREF]
        self._decref = vera_decref
        self.decimals = env.decimal_store
        if not self._audited:
            return

        def decref(caller: Any, kind: int, handle: int) -> None:
            times = self.told.get((kind, handle), 0) + 1
            self.told[kind, handle] = times
            if times > 1:
                raise HandleError(f"handle {handle} of kind {kind} was told about {times} times")
            if kind == DECIMAL and handle not in self.decimals:
                raise HandleError(f"handle {handle} of kind {kind} was never made")
            vera_decref(caller, kind, handle)

        env.own[DECREF] = (signature, decref)
        self._decref = decref

    def instantiate(self, linker: wasmtime.Linker, store: wasmtime.Store, module: wasmtime.Module,
                    program: Callable[[], wasmtime.Instance]) -> wasmtime.Instance:
        """Gives the module what it imports of the runtime, instantiates it, and sets the options."""
        wanted = {item.name for item in module.imports if item.module == MODULE}
        if wanted:
            i32 = wasmtime.ValType.i32()
            decref = wasmtime.Func(store, wasmtime.FuncType([i32, i32], []), self._decref,
                                   access_caller=True)
            runtime = wasmtime.Instance(store, self._runtime.module(linker.engine), [decref])
            exports = runtime.exports(store)
            for name in wanted:
                if name not in exports:
                    raise AbiError(f"the program imports {MODULE}.{name}, "
                                   f"which {self._runtime.path} does not export")
                linker.define(store, MODULE, name, exports[name])
        instance = program()
        self._store, self._exports = store, instance.exports(store)
        if runtime_export("gc_abi_version") in self._exports:
            self.linked = "instantiated" if wanted else "merged"
            self._stack_base = self._global("gc_sp") or 0
            check_version(self._call("gc_abi_version"), "the runtime in the module")
            for option, value in self._options.items():
                if self._call("gc_configure", option_number(option), value) < 0:
                    raise AbiError(f"the runtime does not take the value {value} for {option}")
        return instance

    # --- while and after it runs ---

    def _call(self, name: str, *arguments: int) -> int:
        return self._exports[runtime_export(name)](self._store, *arguments)

    def _global(self, name: str) -> int | None:
        item = self._exports.get(runtime_export(name))
        return item.value(self._store) if isinstance(item, wasmtime.Global) else None

    def stat(self, name: str) -> int:
        """A statistic of the runtime by its name."""
        return self._call("gc_stat", stat_number(name))

    def memory_bytes(self, name: str) -> int:
        """The size of a memory that the module exports, also of stock Vera's; 0 without it."""
        memory = self._exports.get(name)
        return memory.data_len(self._store) if isinstance(memory, wasmtime.Memory) else 0

    def audit(self, unregistered: int = 0) -> list[str]:
        """What is wrong after the run: with the heap, or with the count of handles.

        ``unregistered`` handles of the host were never given to the runtime, because it trapped.
        The program cannot go on after it: its handles are told about as if all of it were dead.
        """
        if not self.linked:
            return []
        faults = []
        broken = self._call("gc_verify")
        if broken:
            faults.append(f"gc_verify found broken invariant {broken}")
        known = self.stat("WRAPPERS") + self.stat("DEAD_QUEUED")
        if known != len(self.decimals) - unregistered:
            faults.append(f"the runtime knows {known} handles, the host {len(self.decimals)}")
        self._call("gc_shutdown")
        if len(self.decimals) != unregistered:
            faults.append(f"{len(self.decimals)} handles were never told about")
        registered, told = self.stat("WRAPPERS_REGISTERED"), self.stat("WRAPPERS_TOLD")
        if not registered == told == len(self.told):
            faults.append(f"{registered} handles registered, {told} told about, "
                          f"{len(self.told)} heard of")
        return faults

    def unwind(self) -> None:
        """Forgets the roots of the frames that a trap left behind."""
        item = self._exports.get(runtime_export("gc_sp"))
        if self.linked and isinstance(item, wasmtime.Global):
            item.set_value(self._store, self._stack_base)

    def explain(self, error: WasmTrapError) -> WasmTrapError:
        """The same trap with the name of the runtime's error, if the runtime trapped."""
        code = self._call("gc_last_error") if self.linked else 0
        argument = self._call("gc_last_error_arg") if code else 0
        if not code:
            # Vera's pushes are inline, and so is their check: a bare `unreachable` without a code.
            sp, limit = self._global("gc_sp"), self._global("gc_stack_limit")
            if error.kind != "unreachable" or sp is None or limit is None or sp + 4 <= limit:
                return error
            code, argument = error_named("SHADOW_STACK_OVERFLOW").code, sp
        info = error_info(code)
        return WasmTrapError(
            f"Rootstock {info.name}: {info.meaning} ({info.argument}: {argument & 0xFFFF_FFFF})",
            stdout=error.stdout, stderr=error.stderr,
            kind=_VERA_KINDS.get(info.name, "unreachable"), frames=error.frames,
            fix=f"{info.advice[0].upper()}{info.advice[1:]}.")


class Linker(wasmtime.Linker):
    """A linker that lets the current run link the runtime in."""

    def instantiate(self, store: wasmtime.Store, module: wasmtime.Module) -> wasmtime.Instance:
        run = CURRENT.get()
        program = super().instantiate
        if run is None:
            return program(store, module)
        return run.instantiate(self, store, module, lambda: program(store, module))
