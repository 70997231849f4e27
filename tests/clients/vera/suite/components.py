"""Vera's WASI target on Rootstock: the component runs in Vera's own WASI host, as stock Vera's does."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import wasmtime
from vera.codegen.wasi import emit_wasi_component
from vera.runtime.wasi_host import execute_wasi_p2
from wasmtime.component import Component

from rootstock_vera import Adapter

from .cases import Case
from .compiling import build
from .programs import HARD
from .report import Report, check

# What WASI hands over passes through the arena and is copied into the heap.
_TALKS = r"""
private fn said(@Option<String> -> @String)
  requires(true) ensures(true) effects(pure)
{ match @Option<String>.0 { Some(@String) -> @String.0, None -> "nothing" } }

private fn text(@Result<String, String> -> @String)
  requires(true) ensures(true) effects(pure)
{ match @Result<String, String>.0 { Ok(@String) -> @String.0, Err(@String) -> "no file" } }

public fn main(@Unit -> @Unit)
  requires(true) ensures(true) effects(<IO>)
{
  IO.print(string_join(IO.args(()), ", "));
  IO.print(said(IO.get_env("ROOTSTOCK_SAYS")));
  IO.print(said(IO.get_env("ROOTSTOCK_IS_SILENT")));
  let @String = text(IO.read_file("input.txt"));
  IO.print(string_reverse(@String.0));
  IO.print(text(IO.read_file("missing.txt")))
}
"""
_ARGUMENTS = [f"argument {number}" for number in range(300)]
_INPUT = "abc " * 3000
_TALKED = ", ".join(_ARGUMENTS) + "hellonothing" + _INPUT[::-1] + "no file"

_SERVES = """
public fn handle(@Request -> @Response)
  requires(true) ensures(true) effects(pure)
{ match @Request.0 {
    Request(@String, @String, @Map<String, String>, @String) -> Response(200, map_new(), @String.0)
} }
"""


def run(report: Report, adapter: Adapter, cases: list[Case], *, quick: bool) -> None:
    """The programs that this target takes: it refuses host values, such as decimals."""
    for case in cases:
        # A main that returns a string is not exported as such.
        if isinstance(case.result, str) or not report.wants(f"{case.name} [component]"):
            continue
        result = build(case.name, case.source(), checked=case.checked)
        adapter.options = {}
        try:
            emit_wasi_component(result)
        except ValueError as refused:
            check("host famil" in str(refused), str(refused))
            continue
        every = case.eager_quick if quick else case.eager
        for name, options in (("component", {}),
                              (f"component, eager {every}", {**HARD, "EAGER": every})):
            if every or not options:
                with report.test(f"{case.name} [{name}]"):
                    adapter.options = options
                    value = execute_wasi_p2(result).value
                    check(value == case.result, lambda: f"result {value!r}, expected {case.result!r}")
    adapter.options = {}


def talking(report: Report, adapter: Adapter) -> None:
    """Arguments, environment and files, with a collection at each allocation."""
    result = build("talks", _TALKS, checked=True)
    for name, options in (("talks", {}), ("talks, eager 1", {**HARD, "EAGER": 1})):
        with report.test(f"{name} [component]"), _surroundings():
            adapter.options = options
            printed = execute_wasi_p2(result, cli_args=_ARGUMENTS).stdout
            check(printed == _TALKED, lambda: f"{len(printed)} characters: {printed[-40:]!r}")
    adapter.options = {}
    with report.test("serves [component, compiled]"):
        served = emit_wasi_component(build("serves", _SERVES, checked=True, entry="handle"), world="server")
        _compile(bytes(wasmtime.wat2wasm(served)))


@contextlib.contextmanager
def _surroundings() -> Iterator[Any]:
    before = os.getcwd()
    with (tempfile.TemporaryDirectory(prefix="rootstock-vera-") as folder,
          mock.patch.dict(os.environ, {"ROOTSTOCK_SAYS": "hello"})):
        (Path(folder) / "input.txt").write_text(_INPUT, encoding="utf-8")
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def _compile(component: bytes) -> None:
    config = wasmtime.Config()
    config.wasm_exceptions = True
    Component(wasmtime.Engine(config), component)
