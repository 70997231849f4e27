"""Runs the tests: ``python -m suite [--quick] [--only TEXT]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rootstock_vera import AbiError, install
from rootstock_vera.link import default_runtime

from . import cases, components, faults, programs
from .compiling import allow_deep_recursion
from .report import Report


def main() -> int:
    parser = argparse.ArgumentParser(prog="run", description="Vera 0.2.5 on Rootstock.")
    parser.add_argument("--quick", action="store_true",
                        help="fewer collections in eager mode, and without the largest programs")
    parser.add_argument("--only", default="", metavar="TEXT",
                        help="only the tests of programs whose name contains this")
    arguments = parser.parse_args()

    allow_deep_recursion()
    runtime = Path(default_runtime())
    try:
        adapter = install(runtime)
    except AbiError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    files, large = cases.from_files(), cases.generated()
    every = [case for case in [*files, *large] if case.quick or not arguments.quick]
    by_name = {case.name: case for case in every}

    report = Report(arguments.only)
    programs.derivations(report, files)
    merged = programs.on_rootstock(report, adapter, every, quick=arguments.quick)
    if not arguments.only:
        faults.shapes(report, adapter)
        faults.builds(report, adapter)
        faults.audits(report, adapter, by_name)
        faults.command_line(report, runtime)
    faults.traps(report, adapter, by_name)
    components.run(report, adapter, every, quick=arguments.quick)
    if not arguments.only:
        components.talking(report, adapter)
    if arguments.only:
        adapter.uninstall()
    else:
        faults.uninstalled(report, adapter)
    programs.in_veras_host(report, every, merged)
    programs.in_node(report, every, merged)
    programs.on_stock(report, every)
    if not arguments.only:
        faults.untouched(report)
    return report.summary()


if __name__ == "__main__":
    sys.exit(main())
