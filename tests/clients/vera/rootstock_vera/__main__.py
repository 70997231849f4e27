"""Vera's own command line, on Rootstock: ``python -m rootstock_vera run program.vera``.

``--merged`` before the command makes one module of program and runtime, for ``compile`` and ``run``.
"""

import sys

import vera.cli

from . import AbiError, LinkError, install

if __name__ == "__main__":
    arguments = sys.argv[1:]
    merged = arguments[:1] == ["--merged"]
    sys.argv = ["vera", *arguments[merged:]]
    try:
        install(merged=merged)
        vera.cli.main()
    except (AbiError, LinkError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
