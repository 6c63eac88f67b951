"""A run as questions of pages see it, in a copy of its process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from rdbg.symbols.table import SymbolTable
from rdbg.timeline import OutputLog, Timeline
from rdbg.ui.surveyed import FoundStretch, Surveyed

Made = TypeVar("Made")


class RunView:
    """A run to be asked. What is costly to find out is kept.

    Args:
        timeline: the run; questions move the machine as they like.
        symbols: names in the guest's image.
        surveyed: what has been found by passing through it.
        sources: the folder of the guest's image, where its source files may be; None: not known.
    """

    def __init__(self, timeline: Timeline, symbols: SymbolTable, surveyed: Surveyed, sources: Path | None) -> None:
        self.timeline = timeline
        self.symbols = symbols
        self.surveyed = surveyed
        self.sources = sources
        self._kept: dict[str, tuple[object, Any]] = {}

    def answer(self, question: Any) -> Any:
        """What it has to say, which can be pickled."""
        return question.answer(self)

    def kept(self, name: str, of: object, make: Callable[[], Made]) -> Made:
        """What was made before of the same, or is made now.

        Args:
            name: what it is.
            of: equal: it would be the same.
            make: makes it.
        """
        known = self._kept.get(name)
        if known is None or known[0] != of:
            known = self._kept[name] = of, make()
        made: Made = known[1]
        return made

    def outputs(self) -> tuple[OutputLog, bool]:
        """What is known of what has left the run, and whether that is all of it."""
        timeline = self.timeline
        whole = timeline.live or self.surveyed.until >= timeline.end or timeline.past.knows_outputs
        return timeline.past.known_outputs, whole

    def learn(self, found: FoundStretch) -> None:
        """Take what a stretch of the survey had."""
        log = self.timeline.past.known_events()
        if log.until == found.start:
            log.add(found.events, found.end)
        elif found.start < log.until < found.end:
            log.add(found.events[found.events["icount"] >= log.until], found.end)
        self.surveyed.add(found)
