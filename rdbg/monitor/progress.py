"""Long commands: whether they are to end, and how far they have come."""

from __future__ import annotations

import time
from collections.abc import Callable

from rdbg.timeline import Timeline

#: Seconds between two lines.
_EVERY = 2.0


class Progress:
    """What a command asks every few milliseconds while it moves through the run: whether it is to end.

    Where it takes long, the user is told how far it has come: GDB sends no Ctrl-C while a monitor command runs, and a
    silent one cannot be told from one that hangs.

    Args:
        timeline: the run.
        interrupted: whether the user wants the command to end.
        say: shows text at once.
        clock: seconds.
    """

    def __init__(
        self,
        timeline: Timeline,
        interrupted: Callable[[], bool],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeline = timeline
        self._interrupted = interrupted
        self._say = say
        self._clock = clock
        self._told = clock()

    def __call__(self) -> bool:
        now = self._clock()
        if now - self._told >= _EVERY:
            self._told = now
            self._say(f"... at icount {self._timeline.position} of {self._timeline.end}\n")
        return self._interrupted()
