"""How much of the past a search looks through at once."""

from __future__ import annotations

from rdbg.navigation.replayer import Replayer
from rdbg.navigation.states import Origin


class Reach:
    """Where each replay of a backward search begins: first near, for what is looked for is likely to be near, then ever
    further back.

    Where the user has been, checkpoints are dense: to restore each of them takes longer than to run through.

    Args:
        replayer: the machine on its history.
        start: where the search ends.
    """

    def __init__(self, replayer: Replayer, start: int) -> None:
        self._replayer = replayer
        self._start = start
        self._instructions = replayer.paced.pace.rung

    def origin(self, high: int) -> Origin:
        """A state from which to run to ``high``, which is behind the search's end."""
        found = self._replayer.states.latest(max(min(high - 1, high - self._instructions), self._start))
        self._instructions = min(2 * self._instructions, self._replayer.paced.slice)
        return found
