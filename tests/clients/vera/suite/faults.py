"""What goes wrong is said by its name: traps, other builds of the runtime, other compilers."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import vera
import vera.codegen
import wasmtime
from vera.codegen.wasi import emit_wasi_component
from vera.runtime.traps import WasmTrapError

from rootstock_vera import AbiError, Adapter, install
from rootstock_vera.host import DECIMAL, HandleError, Run
from rootstock_vera.link import RuntimeModule
from rootstock_vera.wat import StaticData, rewrite

from .cases import Case
from .compiling import build
from .programs import check_imports
from .report import Report, check

_HELLO = """
public fn main(@Unit -> @Unit)
  requires(true) ensures(true) effects(<IO>)
{ IO.print("Grüße\\n") }
"""

_NUMBERS = """
public fn main(@Unit -> @Int)
  requires(true) ensures(true) effects(pure)
{ 6 * 7 }
"""

_TEXT_ARGUMENT = """
public fn main(@String -> @String)
  requires(true) ensures(true) effects(pure)
{ string_reverse(@String.0) }
"""

_DECIMALS = """
public fn main(@Unit -> @Bool)
  requires(true) ensures(true) effects(pure)
{ decimal_eq(decimal_from_int(1), decimal_from_int(1)) }
"""

_ASSERTION = """
public fn main(@Unit -> @Int)
  requires(true) ensures(true) effects(pure)
{ let @Array<Int> = array_range(0, 10); assert(array_length(@Array<Int>.0) > 10); 1 }
"""

# 40 roots a frame and more: 5,000 frames do not fit a shadow stack of 131,072 roots.
_WIDE_FRAMES = f"""
private data L {{ Nil, Cons(Int, L) }}
private fn wide(@Int -> @Int)
  requires(true) ensures(true) effects(<Diverge>)
{{
  {"let @L = Cons(@Int.0, Nil);" * 40}
  if @Int.0 <= 0 then {{ 0 }} else {{ 1 + wide(@Int.0 - 1) }}
}}
public fn main(@Unit -> @Int)
  requires(true) ensures(true) effects(<Diverge>)
{{ wide(5000) }}
"""


def _expect(error: type[Exception], action: Callable[[], object], *texts: str) -> Exception:
    """The action fails in this way, with these words."""
    try:
        action()
    except error as caught:
        for text in texts:
            check(text in str(caught), lambda: f"{text!r} is not in {str(caught)!r}")
        return caught
    raise AssertionError(f"expected {error.__name__}, nothing was raised")


def traps(report: Report, adapter: Adapter, cases: dict[str, Case]) -> None:
    """A trap of the runtime carries its name, its argument and advice, however it was linked."""
    decimals, long = cases["40_live_decimals_5000"], cases["04_list_100k"]
    tests = [
        ("wrap-table limit", decimals.source(), True, {"WRAP_LIMIT": 4096}, "unreachable",
         ["Rootstock WRAP_TABLE_FULL", "4096"]),
        ("heap limit", long.source(), False, {"HEAP_LIMIT": 1 << 20}, "heap_exhausted",
         ["Rootstock HEAP_EXHAUSTED"]),
        ("shadow stack", _WIDE_FRAMES, True, {}, "unreachable",
         ["Rootstock SHADOW_STACK_OVERFLOW"]),
        ("Vera's own assertion", _ASSERTION, True, {}, "assertion_failed", []),
    ]
    for name, source, checked, options, kind, texts in tests:
        program: Any = None
        for linked in ("instantiated", "merged"):
            title = f"trap: {name} [{linked}]"
            if not report.wants(title):
                continue
            with report.test(title):
                program = program or build(name, source, checked=checked)
                result = adapter.merge_result(program) if linked == "merged" else program
                adapter.options = options
                error = _expect(WasmTrapError, lambda result=result: vera.codegen.execute(result),
                                *texts)
                check(error.kind == kind, f"kind {error.kind!r}, expected {kind!r}")
                check(error.frames or not texts, "the trap has no backtrace")
                check(("Rootstock" in str(error)) == bool(texts),
                      f"the wrong side was blamed: {error}")
                run = adapter.last_run
                assert run is not None
                check(run.linked == linked, f"linked as {run.linked!r}")
                # The handle whose registration trapped is the host's to forget.
                faults = run.audit(unregistered=int(name == "wrap-table limit"))
                check(not faults, f"after the trap: {'; '.join(faults)}")
    adapter.options = {}


def shapes(report: Report, adapter: Adapter) -> None:
    """Programs that need only a part of the runtime, or none."""
    with report.test("static text without a heap"):
        result = build("hello", _HELLO, checked=True)
        check("(func $alloc" not in result.wat, "nothing here allocates")
        for program in (result, adapter.merge_result(result)):
            check(vera.codegen.execute(program).stdout == "Grüße\n", "the text is not there")
    with report.test("numbers only: no runtime at all"):
        result = build("numbers", _NUMBERS, checked=True)
        check('"runtime"' not in result.wat, "there is nothing to link")
        check(adapter.link(result.wasm_bytes) == result.wasm_bytes, "there is nothing to merge")
        check(vera.codegen.execute(result).value == 42, "wrong result")
    with report.test("the host allocates an argument"):
        result = build("argument", _TEXT_ARGUMENT, checked=True)
        for program in (result, adapter.merge_result(result)):
            value = vera.codegen.execute(program, raw_args=["stressed"]).value
            check(value == "desserts", f"got {value!r}")
    with report.test("static data has no gaps and no overlaps"):
        pool = vera.wasm.helpers.StringPool()
        start, _ = pool.intern("one")
        gap = pool.reserve(5)
        pool.intern("two")
        data = StaticData.from_pool(pool, start)
        check(start == adapter.runtime.program_base, f"literals start at {start:#x}")
        check(data.bytes == b"one\0\0\0\0\0two" and gap == start + 3, f"got {data.bytes!r}")
        pool._strings["three"] = (start + 1, 5)  # noqa: SLF001
        _expect(AbiError, lambda: StaticData.from_pool(pool, start), "overlaps")


def builds(report: Report, adapter: Adapter) -> None:
    """Other builds of the runtime, and other compilers, are refused before anything runs."""
    runtime = adapter.runtime
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "other.wasm"

        def load(content: bytes | str) -> Callable[[], object]:
            binary = bytes(wasmtime.wat2wasm(content)) if isinstance(content, str) else content
            path.write_bytes(binary)
            return lambda: RuntimeModule(path)

        with report.test("a runtime of another ABI version"):
            _expect(AbiError, load(_other_version(runtime.bytes)), "version 7", "1", str(path))
        with report.test("a module that is not the runtime"):
            _expect(AbiError, load("(module)"), "does not export", "register_wrapper", str(path))
        with report.test("a file that is not wasm"):
            _expect(AbiError, load(b"not wasm at all"), "not a wasm module", str(path))
        with report.test("a file that is not there"):
            _expect(AbiError, lambda: RuntimeModule(path.with_name("none")), "cannot read", "none")
    with report.test("a runtime with another memory map"):
        base = runtime.program_base
        runtime.program_base = base + 0x10000
        result = build("hello", _HELLO, checked=True)
        runtime.program_base = base
        for program in (result, adapter.merge_result(result)):
            _expect(wasmtime.Trap, lambda program=program: vera.codegen.execute(program),
                    "rootstock_wrong_program_base")
    with report.test("an option that is not there"):
        adapter.options = {"EGER": 1}
        result = build("argument", _TEXT_ARGUMENT, checked=True)
        _expect(AbiError, lambda: vera.codegen.execute(result, raw_args=["x"]), "EGER", "EAGER")
    with report.test("an option out of its range"):
        adapter.options = {"POISON": 2}
        _expect(AbiError, lambda: vera.codegen.execute(result, raw_args=["x"]), "POISON", "2")
    adapter.options = {}
    with report.test("another version of Vera"):
        version, vera.__version__ = vera.__version__, "0.2.6"
        try:
            _expect(AbiError, lambda: install(runtime.path), "0.2.6", "0.2.5")
        finally:
            vera.__version__ = version
    with report.test("a module that another version of Vera assembled"):
        wat = '(module\n  (memory (export "vera.memory") 1)\n  (global $heap_ptr i32 (i32.const 0))\n)'
        _expect(AbiError, lambda: rewrite(wat, StaticData(0, 0, b""), "vera.", allocates=True,
                                          wraps=False), "$gc_sp", "another version")
    with report.test("host values in a component"):
        decimals = build("decimals", _DECIMALS, checked=True)
        _expect(ValueError, lambda: emit_wasi_component(decimals), "host family", "decimal")


def _other_version(module: bytes) -> bytes:
    """The runtime with an ABI version of 7."""
    # The body of gc_abi_version: no locals, i32.const 1, end.
    body = bytes([4, 0, 0x41, 1, 0x0B])
    check(module.count(body) == 1, "cannot find gc_abi_version in the runtime")
    return module.replace(body, bytes([4, 0, 0x41, 7, 0x0B]))


def audits(report: Report, adapter: Adapter, cases: dict[str, Case]) -> None:
    """The audit of handles sees what it is there to see."""
    result = build("decimals", cases["40_live_decimals_5000"].source(), checked=True)

    def run() -> Run:
        vera.codegen.execute(result)
        assert adapter.last_run is not None
        return adapter.last_run

    with report.test("audit: a handle that was told about twice"):
        done = run()
        check(not done.audit(), "the run itself was at fault")
        kind, handle = next(iter(done.told))
        _expect(HandleError, lambda: done._decref(None, kind, handle), "2 times")  # noqa: SLF001
    with report.test("audit: a handle that was never made"):
        done = run()
        _expect(HandleError, lambda: done._decref(None, DECIMAL, 10**6), "never made")  # noqa: SLF001
    with report.test("audit: a handle that was never told about"):
        done = run()
        done.decimals[10**6] = object()
        faults = "; ".join(done.audit())
        check("the runtime knows" in faults and "never told" in faults, f"found {faults!r}")


def command_line(report: Report, runtime: Path) -> None:
    """Vera's own command line through the adapter, in a process of its own."""
    environment = {**os.environ, "ROOTSTOCK_WASM": str(runtime)}

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "rootstock_vera", *arguments],
                              cwd=Path(__file__).resolve().parents[1], env=environment,
                              capture_output=True, text=True, check=False)

    with report.test("command: run"):
        for merged in ([], ["--merged"]):
            done = command(*merged, "run", "programs/20_decimal_ledger.vera")
            check(done.returncode == 0 and done.stdout.strip() == "-48.26 54311758.75",
                  done.stdout + done.stderr)
    with report.test("command: compile to one module"), tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.wasm"
        done = command("--merged", "compile", "-o", str(out), "programs/01_decimal_loop_20k.vera")
        check(done.returncode == 0, done.stdout + done.stderr)
        check_imports(out.read_bytes())
    with report.test("command: no runtime"):
        environment["ROOTSTOCK_WASM"] = "/nowhere/runtime.wasm"
        done = command("run", "programs/30_queens.vera")
        check(done.returncode == 2 and "/nowhere/runtime.wasm" in done.stderr
              and "Traceback" not in done.stderr, done.stdout + done.stderr)


def untouched(report: Report) -> None:
    """The installed package is byte for byte what pip installed."""
    with report.test("the installed compiler is unmodified"):
        package = distribution("veralang")
        record = package.read_text("RECORD")
        check(record is not None, "veralang has no RECORD")
        checked = 0
        for name, digest, _size in csv.reader((record or "").splitlines()):
            if not digest or not name.startswith("vera/"):
                continue
            content = Path(str(package.locate_file(name))).read_bytes()
            found = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            check(digest == f"sha256={found.decode()}", f"{name} was changed")
            checked += 1
        check(checked > 100, f"only {checked} files were checked")


def uninstalled(report: Report, adapter: Adapter) -> None:
    """Without the adapter the compiler is itself again."""
    with report.test("uninstalling"):
        adapter.uninstall()
        result = build("hello", _HELLO, checked=True)
        check("runtime" not in {item.module for item in wasmtime.Module(
            wasmtime.Engine(), result.wasm_bytes).imports}, "still linked with the runtime")
        check(vera.codegen.execute(replace(result)).stdout == "Grüße\n", "wrong output")
