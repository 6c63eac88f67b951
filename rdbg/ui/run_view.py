"""A run as questions of pages see it, in a copy of its process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from rdbg.symbols.table import SymbolTable
from rdbg.timeline import OutputLog, QuestionInterrupted, Timeline

Made = TypeVar("Made")


class RunView:
    """A run to be asked. What is costly to find out is kept.

    Args:
        timeline: the run; questions move the machine as they like.
        symbols: names in the guest's image.
    """

    def __init__(self, timeline: Timeline, symbols: SymbolTable) -> None:
        self.timeline = timeline
        self.symbols = symbols
        self._kept: dict[str, tuple[object, Any]] = {}
        self.outputs_seen = False  #: somebody has passed through all of the run in its order

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
        whole = timeline.live or self.kept("outputs are known", (timeline.branch_name, timeline.end), self._all_known)
        return timeline.known_outputs, whole or self.outputs_seen

    def _all_known(self) -> bool:
        """Whether the recording has them all; else who passes through the run gathers them."""
        try:
            self.timeline.outputs(lambda: True)
        except QuestionInterrupted:
            return False
        return True
