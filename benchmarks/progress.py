"""Saying on the terminal what is being measured."""

from __future__ import annotations

import sys
import time


def tell(what: str) -> None:
    """Print it with the time of day."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)
