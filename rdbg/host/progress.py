"""How far long work has come: what tells it, and what is told of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

#: Seconds of silence: what ends before that needs no words.
PATIENCE = 0.5


class Progress(Protocol):
    """Is told how far work has come, as often as it likes to say so. Whoever asked for the work decides what is shown.

    Work is told of by what counts it: ``advance(3, 8, "runs")``.
    """

    def advance(self, done: int, total: int | None, what: str) -> None:
        """So much is done.

        Args:
            done: how much.
            total: of how much; None: nobody knows.
            what: is counted, a plural: ``instructions replayed``.
        """


class Silent:
    """A Progress that nobody looks at."""

    def advance(self, done: int, total: int | None, what: str) -> None:
        """So much is done."""


#: The one that there is no need to make another of: it holds nothing.
SILENT = Silent()


class PacedProgress:
    """A Progress that shows something now and then: nothing in the first half second, then once in ``every`` seconds.

    Args:
        show: is given what `Progress.advance` is.
        every: seconds.
        clock: seconds.
    """

    def __init__(
        self, show: Callable[[int, int | None, str], None], every: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._show = show
        self._every = every
        self._clock = clock
        self._next = clock() + PATIENCE

    def advance(self, done: int, total: int | None, what: str) -> None:
        """So much is done."""
        now = self._clock()
        if now >= self._next:
            self._next = now + self._every
            self._show(done, total, what)


def in_words(done: int, total: int | None, what: str) -> str:
    """How far work has come, for a line of text."""
    if total is None:
        return f"{done} {what}"
    share = f" ({100 * done // total}%)" if total else ""
    return f"{done} of {total} {what}{share}"
