"""Counts tests, and says what failed."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Failure(Exception):
    """What a test found wrong, in words."""


def check(condition: object, text: str | Callable[[], str]) -> None:
    """Fails the test that is running."""
    if not condition:
        raise Failure(text if isinstance(text, str) else text())


class Report:
    """The tests of one run."""

    def __init__(self, only: str) -> None:
        self._only = only
        self.passed = 0
        self.failed: list[str] = []
        self.skipped: list[str] = []

    def wants(self, name: str) -> bool:
        """Whether a test of this name is to run."""
        return self._only in name

    @contextmanager
    def test(self, name: str) -> Iterator[None]:
        """Runs one test: whatever is raised in it is its failure, and the next one goes on."""
        start = time.perf_counter()
        try:
            yield
        except Failure as failure:
            self._fail(name, str(failure))
        except Exception as error:  # noqa: BLE001 - anything at all is a failure of this test
            last = traceback.extract_tb(error.__traceback__)[-1]
            self._fail(name, f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})")
        else:
            self.passed += 1
            print(f"ok    {name} ({time.perf_counter() - start:.2f} s)", flush=True)

    def _fail(self, name: str, text: str) -> None:
        self.failed.append(name)
        print(f"FAILED {name}\n       {text}", flush=True)

    def skip(self, name: str, why: str) -> None:
        """Says that a test did not run, and why."""
        self.skipped.append(name)
        print(f"skip  {name}: {why}", flush=True)

    def summary(self) -> int:
        """Prints the last line; the exit code."""
        for name in self.failed:
            print(f"failed: {name}", file=sys.stderr)
        if self.skipped:
            print(f"left out: of Vera: {', '.join(self.skipped)}")
        print(f"{self.passed} passed, {len(self.failed)} failed")
        return 1 if self.failed or not self.passed else 0
