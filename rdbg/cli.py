"""The command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rdbg.errors import RdbgError, UsageError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and give the exit code: 0, 1 for a failed run, 2 for wrong usage."""
    try:
        raise UsageError("no command is available yet")
    except RdbgError as error:
        print(f"rdbg: {error}", file=sys.stderr)
        return error.exit_code
