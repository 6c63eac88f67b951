"""Looks at the past while nobody asks anything, so that the next questions have less to replay."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from rdbg.history.history import History
from rdbg.timeline import Timeline

if TYPE_CHECKING:
    from rdbg.workers.copies import Copies

_log = logging.getLogger("rdbg.timeline")

#: Seconds that the run stands still before anything is looked at.
PATIENCE = 1.0
#: How much a copy gives way to other processes, as `nice` counts it.
_NICE = 10


class IdleLooks:
    """Copies of the process that look at the past of a run which stands still. What they find out makes later searches
    shorter, and no answer different.

    Args:
        timeline: the run.
        copies: makes so many copies of the process, which do some work.
        size: how many.
        clock: seconds.
    """

    def __init__(
        self,
        timeline: Timeline,
        copies: Callable[[int, Callable[..., Any]], Copies],
        size: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeline = timeline
        self._copies = copies
        self._size = size
        self._clock = clock
        self._since: float | None = None  # when the run came to stand
        self._crew: Copies | None = None
        self._asked: deque[Future[Any]] = deque()
        self._planned = False
        self._of: tuple[History, int] | None = None  # the history that is looked at, and its end

    @property
    def at_work(self) -> bool:
        """Whether anything is looked at now."""
        return self._crew is not None

    def stand(self) -> None:
        """Nobody asks anything now: to be called again and again."""
        if self._since is None:
            self._since = self._clock()
        elif self._crew is not None:
            self._collect()
        elif not self._planned and self._clock() - self._since >= PATIENCE:
            self._planned = True
            self._begin()

    def wake(self) -> None:
        """Somebody asks something: what has been found out by now is kept, and all else ends."""
        self._since, self._planned = None, False
        if self._crew is not None:
            self._collect()
            self._end()

    def _begin(self) -> None:
        survey = self._timeline.survey
        pieces = survey.pieces()
        if not pieces:
            return

        def look(*piece: Any) -> Any:
            os.setpriority(os.PRIO_PROCESS, 0, _NICE)
            return survey.look(*piece)

        try:
            self._of = self._timeline.history, self._timeline.end
            self._crew = self._copies(self._size, look)
            self._asked.extend(self._crew.submit(piece) for piece in pieces)
        except (OSError, RuntimeError) as error:
            _log.debug("no copy of the process looks at the past: %s", error)
            self._end()

    def _collect(self) -> None:
        """Keep what is there, in whatever order it has come."""
        if self._of is None or self._of[0] is not self._timeline.history or self._of[1] != self._timeline.end:
            self._end()  # the run is another one now
            return
        waiting: deque[Future[Any]] = deque()
        for future in self._asked:
            if not future.done():
                waiting.append(future)
                continue
            try:
                self._timeline.survey.learn(future.result())
            except Exception as error:  # whatever it was, a question will meet it, and say so
                _log.debug("a stretch of the past was not looked at: %s", error)
        self._asked = waiting
        if not waiting:
            self._end()

    def _end(self) -> None:
        crew, self._crew = self._crew, None
        self._asked.clear()
        if crew is not None:
            crew.dismiss()
