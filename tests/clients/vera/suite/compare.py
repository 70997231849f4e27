"""Stock Vera against Vera on Rootstock: ``run compare [--rounds N] [--only TEXT] [--output FILE]``.

Each program is compiled twice, by the stock compiler and by the patched one. Time is the processor
time of the call of `main` only, taken in one process in which the versions take turns; what counts
is the ratio within a turn, of the quickest runs. Memory is taken in a process of its own for each
version: the size of linear memory after the run, and by how much the process grew while `main` ran,
which is what the host's own objects and touched pages need.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import vera
import vera.codegen
import wasmtime
from vera.runtime import runtime_export
from vera.runtime.traps import WasmTrapError

from rootstock_vera import Adapter, install
from rootstock_vera.abi import REPOSITORY

from .cases import Case, from_files, generated
from .compiling import allow_deep_recursion, build

VERSIONS = ("stock", "instantiated", "merged")
_PAGE = REPOSITORY / "docs" / "vera.md"
#: A version's turn ends after so many runs, or when they took so many seconds.
_RUNS, _ENOUGH = 20, 0.25
_BEGIN, _END = "<!-- table: written by `run compare` -->", "<!-- end of the table -->"


class MainCall:
    """Watches calls from the host into wasm: the longest one that no other contains is `main`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.grown = 0
        self._depth = 0

    def watch(self) -> None:
        """Puts itself into every call from here on."""
        original = wasmtime.Func.__call__

        def call(func: wasmtime.Func, store: Any, *arguments: Any) -> Any:
            if self._depth:
                return original(func, store, *arguments)
            self._depth += 1
            before = _reset_peak()
            start = time.thread_time()
            try:
                return original(func, store, *arguments)
            finally:
                seconds = time.thread_time() - start
                self._depth -= 1
                if seconds > self.seconds:
                    self.seconds, self.grown = seconds, _status("VmHWM") - before

        wasmtime.Func.__call__ = call  # type: ignore[method-assign]


def _status(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found.group(1)) * 1024


def _reset_peak() -> int:
    """Forgets the process's peak so far; what it needs now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _compile(case: Case, versions: tuple[str, ...]) -> tuple[Adapter, dict[str, Any]]:
    """The program by each compiler, and the adapter that runs them all."""
    built = {}
    if "stock" in versions:
        built["stock"] = build(case.name, case.source(), checked=case.checked)
    adapter = install()
    adapter.audited = False
    if versions != ("stock",):
        built["instantiated"] = build(case.name, case.source(), checked=case.checked)
    if "merged" in versions:
        built["merged"] = adapter.merge_result(built["instantiated"])
    return adapter, built


def _execute(result: Any, watch: MainCall) -> dict[str, Any]:
    watch.seconds, watch.grown = 0.0, 0
    try:
        value = vera.codegen.execute(result).value
    except WasmTrapError as error:
        return {"error": f"trap: {error.kind}"}
    except wasmtime.WasmtimeError as error:
        return {"error": "cannot be instantiated: " + str(error).strip().splitlines()[-1].strip()}
    except wasmtime.Trap as error:
        return {"error": f"cannot be instantiated: {error.trap_code.name.lower().replace('_', ' ')}"}
    return {"value": value, "seconds": watch.seconds, "grown": watch.grown}


def _best(result: Any, watch: MainCall) -> dict[str, Any]:
    """The quickest of the runs of one turn: a short program has several."""
    found, spent = [_execute(result, watch)], 0.0
    while "error" not in found[-1] and len(found) < _RUNS:
        spent += found[-1]["seconds"]
        if spent > _ENOUGH:
            break
        found.append(_execute(result, watch))
    return min(found, key=lambda run: run.get("seconds", 0.0))


def worker(case: Case, versions: tuple[str, ...], rounds: int) -> list[dict[str, Any]]:
    """What each version did in each round, as dictionaries by version."""
    adapter, built = _compile(case, versions)
    watch = MainCall()
    watch.watch()
    found = []
    for number in range(rounds):
        turn = versions[number % len(versions):] + versions[:number % len(versions)]
        outcomes = {}
        for name in turn:
            outcomes[name] = _best(built[name], watch)
            memory = adapter.last_run and adapter.last_run.memory_bytes(runtime_export("memory"))
            outcomes[name]["memory"] = memory or 0
        found.append(outcomes)
    return found


def _measure(case: Case, versions: tuple[str, ...], rounds: int) -> list[dict[str, Any]]:
    """A worker in a process of its own."""
    done = subprocess.run([sys.executable, "-m", "suite.compare", "--worker", case.name,
                           "--rounds", str(rounds), "--versions", ",".join(versions)],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{case.name} ({', '.join(versions)}): {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def _outcome(found: dict[str, Any], case: Case) -> str:
    if "error" in found:
        return found["error"]
    return "ok" if found["value"] == case.result else f"**wrong**: {found['value']}"


def _ratio(rounds: list[dict[str, Any]], version: str) -> str:
    """The time of a version as a multiple of stock's: median (least to greatest)."""
    if any("error" in found for outcomes in rounds for found in outcomes.values()):
        return "–"
    ratios = [outcomes[version]["seconds"] / outcomes["stock"]["seconds"] for outcomes in rounds]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


def _milliseconds(rounds: list[dict[str, Any]], version: str) -> str:
    times = [outcomes[version]["seconds"] for outcomes in rounds if version in outcomes
             and "error" not in outcomes[version]]
    if not times:
        return "–"
    milliseconds = statistics.median(times) * 1e3
    return f"{milliseconds:,.0f}" if milliseconds >= 10 else f"{milliseconds:.1f}"


def _mebibytes(found: dict[str, Any], field: str) -> str:
    return "–" if "error" in found else f"{found[field] / 2**20:.1f}"


def row(case: Case, rounds: int) -> str:
    """One line of the table."""
    memory = {version: _measure(case, (version,), 1)[0][version] for version in ("stock", "merged")}
    stock_works = "error" not in memory["stock"]
    # What stock Vera cannot run is not worth more than one turn.
    turns = _measure(case, VERSIONS if stock_works else ("merged",), rounds if stock_works else 3)
    if not stock_works:
        turns = [{**turn, "stock": memory["stock"]} for turn in turns]
    columns = [
        f"`{case.name}`",
        _outcome(memory["stock"], case), _outcome(memory["merged"], case),
        _milliseconds(turns, "stock"), _milliseconds(turns, "merged"),
        _ratio(turns, "merged"), _ratio(turns, "instantiated") if stock_works else "–",
        *(_mebibytes(memory[version], field) for field in ("memory", "grown")
          for version in ("stock", "merged")),
    ]
    return "| " + " | ".join(columns) + " |"


_HEAD = """\
| program | stock | Rootstock | stock, ms | Rootstock, ms | merged : stock | two modules : stock \
| linear memory, MiB: stock | Rootstock | grown, MiB: stock | Rootstock |
| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""


def write(page: Path, rows: list[str], rounds: int) -> None:
    """Puts the table between its marks."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise SystemExit(f"{page} has no marks for the table: {_BEGIN} ... {_END}")
    table = "\n".join([_HEAD, *rows])
    note = f"{rounds} rounds, veralang {vera.__version__}, wasmtime {metadata.version('wasmtime')}."
    page.write_text(f"{before}{_BEGIN}\n\n{table}\n\n{note}\n\n{_END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="run compare", description="Stock Vera and Rootstock.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", metavar="TEXT")
    parser.add_argument("--output", type=Path, default=_PAGE)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--versions", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    allow_deep_recursion()
    cases = {case.name: case for case in [*from_files(), *generated()]}
    if arguments.worker:
        versions = tuple(arguments.versions.split(","))
        print(json.dumps(worker(cases[arguments.worker], versions, arguments.rounds)))
        return
    rows = []
    for case in cases.values():
        if arguments.only in case.name:
            rows.append(row(case, arguments.rounds))
            print(rows[-1], flush=True)
    if not arguments.only:
        write(arguments.output, rows, arguments.rounds)


if __name__ == "__main__":
    main()
