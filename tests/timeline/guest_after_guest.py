"""The command line of tests that try generated guests for as long as somebody wants."""

from __future__ import annotations

import argparse
import traceback
from collections.abc import Callable
from typing import NoReturn

from rdbg.errors import RdbgError


def try_guests(what: str, try_guest: Callable[[int], None]) -> NoReturn:
    """Try guest after guest, as the command line says; a traceback for each that fails.

    Args:
        what: the test does, for ``--help``.
        try_guest: tries that of a seed; raises AssertionError or RdbgError.
    """
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--first", type=int, default=0, help="seed of the first guest")
    parser.add_argument("--guests", type=int, default=100)
    options = parser.parse_args()
    failed = 0
    for seed in range(options.first, options.first + options.guests):
        try:
            try_guest(seed)
        except (RdbgError, AssertionError):
            failed += 1
            print(f"seed {seed}:\n{traceback.format_exc()}", flush=True)
    print(f"{options.guests} guests, {failed} failed")
    raise SystemExit(bool(failed))
