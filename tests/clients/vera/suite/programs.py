"""Every program in every configuration."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import vera
import vera.codegen
import wasmtime

from rootstock_vera import Adapter

from .cases import Case, disagreement
from .compiling import build
from .report import Report, check

#: Finds missing roots: collect all the time, make what was freed unusable, check the whole heap.
HARD = {"POISON": 1, "VERIFY": 1}

_BROWSER_HOST = Path(vera.__file__).parent / "browser" / "runtime.mjs"
_NODE_SCRIPT = Path(__file__).with_name("node_host.mjs")


def derivations(report: Report, cases: list[Case]) -> None:
    """The expected results are those that were worked out without Vera."""
    for case in cases:
        name = f"{case.name} [derivation]"
        if report.wants(name):
            with report.test(name):
                check(not disagreement(case), lambda case=case: str(disagreement(case)))


def on_rootstock(report: Report, adapter: Adapter, cases: list[Case], *,
                 quick: bool) -> dict[str, Any]:
    """Each program beside the runtime and merged with it, relaxed and hard; the merged modules."""
    merged_modules = {}
    for case in cases:
        configurations = [("instantiated", 0), ("merged", 0)]
        eager = case.eager_quick if quick else case.eager
        if eager:
            configurations += [(f"instantiated, eager {eager}", eager),
                               (f"merged, eager {eager}", eager)]
        wanted = [(f"{case.name} [{text}]", text.startswith("merged"), every)
                  for text, every in configurations]
        hosts = [f"{case.name} [{host}]" for host in ("Vera's own host", "node")]
        if not any(map(report.wants, [*(name for name, _, _ in wanted), *hosts])):
            continue
        built: list[Any] = []
        with report.test(f"{case.name} [compiles and merges]"):
            program = build(case.name, case.source(), checked=case.checked)
            merged = adapter.merge_result(program)
            check_imports(merged.wasm_bytes)
            built = [program, merged]
        if not built:
            continue
        merged_modules[case.name] = built[1]
        for name, is_merged, every in wanted:
            if report.wants(name):
                with report.test(name):
                    adapter.options = {**HARD, "EAGER": every} if every else {}
                    _run(adapter, case, built[is_merged],
                         "merged" if is_merged else "instantiated")
    adapter.options = {}
    return merged_modules


def check_imports(module: bytes) -> None:
    """A merged module imports nothing but what Vera's hosts give."""
    config = wasmtime.Config()
    config.wasm_exceptions = True
    left = {f"{item.module}.{item.name}"
            for item in wasmtime.Module(wasmtime.Engine(config), module).imports
            if item.module != "vera"}
    check(not left, lambda: f"the merged module imports {', '.join(sorted(left))}")


def _run(adapter: Adapter, case: Case, result: Any, linked: str) -> None:
    outcome = vera.codegen.execute(result)
    run = adapter.last_run
    assert run is not None
    check(run.linked == linked, lambda: f"linked as {run.linked!r}, not {linked!r}")
    check(outcome.value == case.result,
          lambda: f"result {outcome.value!r}, expected {case.result!r}")
    left = len(run.decimals)
    if case.most_handles is not None:
        check(left <= case.most_handles,
              f"{left} host values are left, allowed {case.most_handles}")
    most = run.stat("WRAPPERS_PEAK")
    check(most >= case.least_wrappers,
          f"at most {most} wrappers were alive at once, expected {case.least_wrappers}")
    eager = adapter.options.get("EAGER", 0)
    if eager:
        due = run.stat("ALLOCATED_OBJECTS") // eager
        check(run.stat("COLLECTIONS") >= due,
              f"{run.stat('COLLECTIONS')} collections, eager mode should have made {due}")
    faults = run.audit()
    check(not faults, "; ".join(faults))


def in_veras_host(report: Report, cases: list[Case], merged: dict[str, Any]) -> None:
    """The merged modules in Vera's host without any patch: it cannot tell them from its own."""
    for case in cases:
        name = f"{case.name} [Vera's own host]"
        if case.name in merged and report.wants(name):
            with report.test(name):
                result = merged[case.name]
                outcome = vera.codegen.execute(replace(result, wat=result.wasm_bytes))
                check(outcome.value == case.result,
                      lambda: f"result {outcome.value!r}, expected {case.result!r}")


def in_node(report: Report, cases: list[Case], merged: dict[str, Any]) -> None:
    """The merged modules in node, in the browser's host that Vera ships."""
    exceptions = _node_knows_exceptions()
    lacking = {"DOMParser"} if exceptions else {"DOMParser", "exceptions"}
    for case in cases:
        name = f"{case.name} [node]"
        if case.name not in merged or not report.wants(name):
            continue
        if case.needs in lacking:
            report.skip(name, f"this node has no {case.needs}")
            continue
        with report.test(name):
            found = _node(merged[case.name].wasm_bytes, isinstance(case.result, str))
            check(str(found) == str(case.result),
                  lambda: f"result {found!r}, expected {case.result!r}")


def _node(module: bytes, is_string: bool) -> object:
    with tempfile.NamedTemporaryFile(suffix=".wasm") as file:
        file.write(module)
        file.flush()
        # The stack is the one of the Python host; its default differs between engines.
        done = subprocess.run(
            ["node", "--stack-size=3900", _NODE_SCRIPT, _BROWSER_HOST, file.name,
             "string" if is_string else "number"],
            capture_output=True, text=True, check=False)
    check(done.returncode == 0, lambda: f"node: {(done.stderr or done.stdout).strip()}")
    return json.loads(done.stdout)["value"]


def _node_knows_exceptions() -> bool:
    """Whether node validates `try_table`, which Vera's handlers of exceptions compile to."""
    module = bytes(wasmtime.wat2wasm("(module (func (block (try_table (catch_all 0)))))"))
    script = f"process.exit(WebAssembly.validate(new Uint8Array({list(module)})) ? 0 : 1)"
    return subprocess.run(["node", "-e", script], check=False).returncode == 0


def on_stock(report: Report, cases: list[Case]) -> None:
    """The expected results are stock Vera's too, wherever it gets that far."""
    for case in cases:
        name = f"{case.name} [stock Vera]"
        if case.stock and report.wants(name):
            with report.test(name):
                result = build(case.name, case.source(), checked=case.checked)
                check("$gc_collect" in result.wat, "this compiler is still patched")
                outcome = vera.codegen.execute(result)
                check(outcome.value == case.result,
                      lambda: f"result {outcome.value!r}, expected {case.result!r}")
