"""What the adapter knows of the ABI: names, numbers and texts, from their one copy.

The runtime keeps its errors, options and statistics in three tables of its Rust sources, in the
order of their numbers. They are read from there, so no name or text stands twice in the project.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

#: The version of the ABI that this adapter speaks.
ABI_VERSION = 1

#: The module that programs import the runtime from.
MODULE = "runtime"

REPOSITORY = Path(__file__).resolve().parents[4]
_SOURCES = REPOSITORY / "runtime"

# A string literal of Rust without escapes other than of one character, or the end of a row.
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|(;)')


class AbiError(Exception):
    """The runtime, or what is known of it, is not what this adapter was written for."""


@dataclass(frozen=True)
class ErrorInfo:
    """One row of the error table."""

    code: int
    name: str
    meaning: str
    argument: str
    advice: str


def _rows(file: str, macro: str, columns: int) -> list[list[str]]:
    """The string literals of each row of the table that ``macro! { ... }`` declares in ``file``."""
    found = sorted(_SOURCES.rglob(f"src/{file}"))
    if len(found) != 1:
        raise AbiError(f"expected one {file} with a table of the runtime in {_SOURCES}, "
                       f"found {len(found)}")
    path = found[0]
    source = path.read_text(encoding="utf-8")
    table = re.search(rf"^{macro}! \{{\n(.*?)^\}}", source, re.MULTILINE | re.DOTALL)
    if table is None:
        raise AbiError(f"{path} has no table `{macro}! {{ ... }}`")
    rows: list[list[str]] = [[]]
    for text, end in _TOKEN.findall(table.group(1)):
        if end:
            rows.append([])
        else:
            rows[-1].append(text)
    if rows.pop() or any(len(row) != columns for row in rows):
        raise AbiError(f"{path}: a row of `{macro}!` has not {columns} texts")
    return rows


#: Errors by code.
ERRORS = [ErrorInfo(code, *row) for code, row in enumerate(_rows("error.rs", "errors", 4))]
#: The number of each option by its name.
OPTIONS = {row[0]: number for number, row in enumerate(_rows("options.rs", "options", 2))}
#: The number of each statistic by its name.
STATS = {row[0]: number for number, row in enumerate(_rows("stats.rs", "stats", 3))}


def error_info(code: int) -> ErrorInfo:
    """The row of an error code, also of one that is newer than this table."""
    if 0 <= code < len(ERRORS):
        return ERRORS[code]
    return ErrorInfo(code, f"ERROR_{code}", "an error that this adapter does not know",
                     "the argument", "rebuild the runtime and the adapter from one version")


def error_named(name: str) -> ErrorInfo:
    """The row of an error by its name."""
    for row in ERRORS:
        if row.name == name:
            return row
    raise AbiError(f"the runtime has no error {name}")


def option_number(name: str) -> int:
    """The number of an option."""
    try:
        return OPTIONS[name]
    except KeyError:
        raise AbiError(f"no option {name}; there are {', '.join(OPTIONS)}") from None


def stat_number(name: str) -> int:
    """The number of a statistic."""
    try:
        return STATS[name]
    except KeyError:
        raise AbiError(f"no statistic {name}; there are {', '.join(STATS)}") from None
