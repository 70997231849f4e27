"""From a program's text to a module, as the command line does it."""

from __future__ import annotations

from typing import Any

import wasmtime
from vera.checker import typecheck_with_artifacts
from vera.codegen import compile as generate
from vera.parser import parse
from vera.transform import transform

#: What wasm may use of the native stack: room for 10,000 frames. The engine takes no more.
WASM_STACK = 2_000_000


class CompileError(Exception):
    """A program that should compile does not."""


class DeepConfig(wasmtime.Config):
    """The engine's configuration with room for deep recursion."""

    def __init__(self) -> None:
        super().__init__()
        self.max_wasm_stack = WASM_STACK


def allow_deep_recursion() -> None:
    """Lets every engine of this process, stock or not, recurse as deep as it can."""
    wasmtime.Config = DeepConfig  # type: ignore[misc]


def build(name: str, source: str, *, checked: bool, entry: str = "main") -> Any:
    """A compiled program, ready to be executed."""
    tables: dict[str, Any] = {}
    try:
        program = transform(parse(source, file=name))
        if checked:
            diagnostics, artifacts = typecheck_with_artifacts(program, source, file=name)
            _refuse(diagnostics)
            tables = {"expr_semantic_types": artifacts.expr_semantic_types,
                      "expr_target_types": artifacts.expr_target_types}
        result = generate(program, source=source, file=name, **tables)
    except RecursionError as error:
        raise CompileError(f"{name}: the compiler recursed too deep") from error
    _refuse(result.diagnostics)
    if entry not in result.exports:
        raise CompileError(f"{name}: {entry} was not compiled: "
                           + "; ".join(str(item.description) for item in result.diagnostics))
    return result


def _refuse(diagnostics: list[Any]) -> None:
    errors = [item for item in diagnostics if item.severity == "error"]
    if errors:
        raise CompileError(str(errors[0].description))
