"""The programs: those in files, with `expected.json`, and those that are too large to keep."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import derived

PROGRAMS = Path(__file__).resolve().parents[1] / "programs"


@dataclass(frozen=True)
class Case:
    """A program, what it must print, and how it is run."""

    name: str
    #: Makes the source text.
    source: Callable[[], str]
    result: int | str
    #: Whether Vera's type checker accepts it; the older shared programs lack `decreases` clauses.
    checked: bool = True
    #: In the hard configurations a collection runs at every so manieth allocation; 0: not run so.
    eager: int = 1
    #: The same for a quick run.
    eager_quick: int = 1
    #: Whether stock Vera runs it.
    stock: bool = True
    #: Whether a quick run has it.
    quick: bool = True
    #: The most host values that may be left when the program is done.
    most_handles: int | None = None
    #: How many wrappers must have been alive at once.
    least_wrappers: int = 0
    #: What not every node has: "exceptions", or "DOMParser".
    needs: str = ""


def from_files() -> list[Case]:
    """The programs beside this package, each with its row of `expected.json`."""
    table = json.loads((PROGRAMS / "expected.json").read_text(encoding="utf-8"))
    files = {path.stem: path for path in sorted(PROGRAMS.glob("*.vera"))}
    if files.keys() != table.keys():
        raise ValueError("programs and expected.json differ: "
                         + ", ".join(sorted(files.keys() ^ table.keys())))
    return [Case(name, lambda path=path: path.read_text(encoding="utf-8"), **table[name])
            for name, path in files.items()]


def generated() -> list[Case]:
    """What Vera's own collector cannot do."""
    deep = PROGRAMS / "06_deep_rec_1200.vera"
    long = PROGRAMS / "04_list_100k.vera"
    return [
        Case("40_live_decimals_5000", lambda: _live_decimals(5_000), _decimal_probe(5_000),
             stock=False, eager=17, eager_quick=199, least_wrappers=5_000),
        Case("41_live_decimals_500000", lambda: _live_decimals(500_000), _decimal_probe(500_000),
             stock=False, eager=0, quick=False, least_wrappers=500_000),
        Case("42_deep_rec_10000", lambda: deep.read_text(encoding="utf-8").replace("1200", "10000"),
             10_000, stock=False, checked=False, eager=7, eager_quick=97),
        Case("43_literal_70k", lambda: _literals(1, 70_000), _literals_hash(1, 70_000),
             stock=False),
        Case("44_literals_5m", lambda: _literals(80, 65_536), _literals_hash(80, 65_536),
             stock=False, quick=False),
        Case("45_list_1600000", lambda: long.read_text(encoding="utf-8").replace("100000", "1600000"),
             1_600_000 * 1_600_001 // 2, checked=False, eager=100_003, eager_quick=400_009),
    ]


def _live_decimals(count: int) -> str:
    """All of the decimals are alive when the probe reads fifty of them."""
    return f"""
public fn main(@Unit -> @String)
  requires(true) ensures(true) effects(pure)
{{
  let @Array<Decimal> = array_map(array_range(0, {count}), fn(@Int -> @Decimal) effects(pure) {{ decimal_from_int(@Int.0) }});
  decimal_to_string(array_fold(array_range(0, 50), decimal_from_int(0), fn(@Decimal, @Int -> @Decimal) effects(pure) {{
    decimal_add(@Decimal.0, @Array<Decimal>.0[@Int.0 * {count // 50}])
  }}))
}}
"""


def _decimal_probe(count: int) -> str:
    return str(sum(range(0, count, count // 50)))


def _texts(count: int, size: int) -> list[str]:
    """Literals of random letters, some of two bytes; the same for the same numbers."""
    source = random.Random(count * size)
    return ["".join(source.choices("abcdefghijklmnopqrstuvwxyz é", k=size)) for _ in range(count)]


def _literals(count: int, size: int) -> str:
    """Hashes every byte of all of its literals."""
    literals = ",\n    ".join(f'"{text}"' for text in _texts(count, size))
    return f"""
private fn code(@String, @Int, @Int -> @Int)
  requires(true) ensures(true) effects(<Diverge>)
{{
  if @Int.1 >= nat_to_int(string_length(@String.0)) then {{ @Int.0 }}
  else {{ code(@String.0, @Int.1 + 1, (@Int.0 * 131 + nat_to_int(string_char_code(@String.0, @Int.1))) % 1000000007) }}
}}
private fn codes(@Array<String>, @Int, @Int -> @Int)
  requires(true) ensures(true) effects(<Diverge>)
{{
  if @Int.1 >= array_length(@Array<String>.0) then {{ @Int.0 }}
  else {{ codes(@Array<String>.0, @Int.1 + 1, code(@Array<String>.0[@Int.1], 0, @Int.0)) }}
}}
public fn main(@Unit -> @Int)
  requires(true) ensures(true) effects(<Diverge>)
{{
  codes([
    {literals}
  ], 0, 0)
}}
"""


def _literals_hash(count: int, size: int) -> int:
    folded = 0
    for text in _texts(count, size):
        for byte in text.encode():
            folded = (folded * 131 + byte) % 1_000_000_007
    return folded


def disagreement(case: Case) -> str | None:
    """Where the expected result of a program in a file is not the one worked out without Vera."""
    worked_out = derived.result(case.name)
    if worked_out == case.result:
        return None
    return f"expected.json says {case.result!r}, worked out {worked_out!r}"
