"""How far long work has come, for who types at a debugger's prompt."""

from __future__ import annotations

import time
from collections.abc import Callable

from rdbg.host.progress import PacedProgress, in_words

#: Seconds between two lines.
_EVERY = 2.0


def line_progress(say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> PacedProgress:
    """A Progress that says a line now and then: GDB sends no Ctrl-C while a monitor command runs, and a silent one
    cannot be told from one that hangs.

    Args:
        say: shows text at once.
        clock: seconds.
    """

    def show(done: int, total: int | None, what: str) -> None:
        say(f"... {in_words(done, total, what)}\n")

    return PacedProgress(show, _EVERY, clock)
