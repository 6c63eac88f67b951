"""Going to positions and searching the past, from wherever the machine stands."""

from __future__ import annotations

import logging

from rdbg.history.history import History
from rdbg.navigation.helpers import Helpers
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.search import Found, Search
from rdbg.navigation.stops import Interrupted, StopConditions, never
from rdbg.navigation.writes import WriteSearch

_log = logging.getLogger("rdbg.timeline")


class Traveller:
    """A machine that can be anywhere in its history.

    Args:
        replayer: the machine on its history.
    """

    def __init__(self, replayer: Replayer) -> None:
        self._replayer = replayer
        self.machine = replayer.machine
        self.helpers: Helpers | None = None  #: who may help where a search takes long

    @property
    def history(self) -> History:
        """The history that the machine is on."""
        return self._replayer.history

    @property
    def position(self) -> int:
        """Where the machine stands."""
        return self.machine.icount

    def go(self, position: int, interrupted: Interrupted = never) -> bool:
        """Stand at the last position <= ``position``, which lies in the history.

        Replays from the nearest checkpoint before, or from here if that is nearer.

        Returns:
            False if it was interrupted: the machine stands somewhere on the way.
        """
        here = self.position
        if position != here and here >= self.history.end:
            # Coming back to the present should not take a replay.
            self._replayer.states.checkpoint_if_far(self._replayer.paced.pace.rung)
        checkpoint = self._replayer.states.latest(position)
        if position < here or checkpoint.position > here:
            self._replayer.states.restore(checkpoint)
        _log.debug("from icount %d to %d: a replay of %d", here, position, position - self.position)
        self._replayer.keeper.visit(position)
        began = self.position

        def told() -> bool:
            self._replayer.progress.advance(self.position - began, position - began, "instructions replayed")
            return interrupted()

        arrived = self._replayer.run_to(position, told)
        self._replayer.catch_up()
        return arrived

    def before_all(self) -> None:
        """Stand at the start of the history, where nothing has entered yet."""
        self._replayer.states.restore(self._replayer.states.latest(self._replayer.history.start))

    def write_search(self, address: int, length: int, interrupted: Interrupted) -> WriteSearch:
        """A search for writes to what stands behind virtual addresses here."""
        self._replayer.states.checkpoint_if_far(self._replayer.paced.pace.rung)
        self._replayer.keeper.look(0)
        return WriteSearch(self._replayer, address, length, interrupted, self.helpers)

    def find(self, conditions: StopConditions, interrupted: Interrupted) -> Found | None:
        """Search backward from here.

        The machine stands anywhere afterwards; if the search did not end well, here.

        Raises:
            SearchInterrupted: the user asked to stop.
        """
        origin = self.position
        self._replayer.states.checkpoint_if_far(self._replayer.paced.pace.rung)
        self._replayer.keeper.look(0)
        try:
            search = Search(self._replayer, conditions, interrupted, self.helpers)
            found = search.latest_before(origin, self.history.start)
            _log.debug("searched back from icount %d: %s", origin, found)
            return found
        except BaseException:
            self.go(origin)
            raise
