"""Questions about the past. When one is answered, the machine stands where it stood; `Past.advance` alone moves it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from rdbg.checkpoints.interval_index import Interval
from rdbg.emu.expression import Expression
from rdbg.emu.machine_api import RunRequest, RunStop, StopKind
from rdbg.errors import RdbgError
from rdbg.navigation.branches import Branches
from rdbg.navigation.event_log import EventLog
from rdbg.navigation.output_log import OutputLog
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.search import SearchInterrupted
from rdbg.navigation.states import Origin
from rdbg.navigation.stops import Interrupted, StopConditions, never
from rdbg.navigation.traveller import Traveller
from rdbg.navigation.writes import LastWrite, Order, after_all_at


class QuestionInterrupted(Exception):
    """The user asked to stop before the answer was complete.

    Args:
        found: the writes up to then, latest first.
    """

    def __init__(self, found: Sequence[LastWrite] = ()) -> None:
        super().__init__("interrupted")
        self.found = found


class Past:
    """What has happened in the run at hand, up to where the machine stands, and what has left it in all.

    Args:
        traveller: goes and looks, and comes back.
        replayer: the machine on its history.
        branches: of the run.
    """

    def __init__(self, traveller: Traveller, replayer: Replayer, branches: Branches) -> None:
        self._traveller = traveller
        self._replayer = replayer
        self._branches = branches

    # --- instructions --------------------------------------------------------------------------
    def last_writes(
        self, address: int, length: int, count: int = 1, before: Order | None = None, interrupted: Interrupted = never
    ) -> list[LastWrite]:
        """Who wrote any of these bytes last?

        What counts is the memory behind the addresses now, whatever addresses it was written by.

        Args:
            address: virtual.
            length: bytes.
            count: how many writes to look for.
            before: look at writes before this one; None: all that were done by now.
            interrupted: polled.

        Returns:
            the writes, latest first; fewer if there were no more since the start.

        Raises:
            QuestionInterrupted: the user asked to stop.
        """
        origin = self._traveller.position
        found: list[LastWrite] = []
        try:
            search = self._traveller.write_search(address, length, interrupted)
            for write in search.before(before or after_all_at(origin), count):
                found.append(write)
        except SearchInterrupted:
            raise QuestionInterrupted(found) from None
        finally:
            self._traveller.go(origin)
        return found

    def last_executed(self, address: int, interrupted: Interrupted = never, condition: Expression = ()) -> int | None:
        """Position at which the instruction at ``address`` was about to run last, before now, and a condition held, if
        there is one; None: never.

        Raises:
            QuestionInterrupted: the user asked to stop.
        """
        origin = self._traveller.position
        try:
            conditions = {address: (condition,)} if condition else {}
            found = self._traveller.find(StopConditions(frozenset({address}), conditions=conditions), interrupted)
            return None if found is None else found.position
        except SearchInterrupted:
            raise QuestionInterrupted from None
        finally:
            self._traveller.go(origin)

    def touched(self, start: int, end: int) -> Sequence[Interval]:
        """What the instructions of [start, end) touched, as far as it is known without a replay."""
        return self._replayer.keeper.index.between(start, end)

    def end_touched(self, shortest: int) -> None:
        """Let what is known of `touched` have a border here, if the stretch up to here is that long: it is known more
        finely then.

        Args:
            shortest: instructions.
        """
        self._replayer.keeper.look(shortest)

    def advance(self, request: RunRequest) -> RunStop:
        """Run on along the known history to see what happens on the way; nothing is shown to anybody. The machine stays
        where that leads.

        Args:
            request: as for `MachineApi.run`, with ``until`` at most the run's end and no ``last_hit``. PAUSED may come
                before the slice is over.

        Raises:
            RdbgError: the replay has diverged from the recording.
        """
        stop = self._replayer.advance(request)
        if stop.kind is StopKind.PAUSED:
            self._replayer.states.checkpoint_regularly()
        return stop

    @property
    def slice(self) -> int:
        """Instructions that take about as long as a user waits without noticing."""
        return self._replayer.paced.slice

    def keep_state(self) -> None:
        """Let the machine come back here without a replay, as long as memory allows."""
        self._replayer.states.checkpoint_if_far(0)

    def state_before(self, position: int) -> int:
        """The latest position up to this one where the machine can stand without a replay."""
        return self._replayer.states.latest(position).position

    # --- exceptions and interrupts ---------------------------------------------------------------
    def known_events(self) -> EventLog:
        """Where exceptions were raised and interrupts taken in the run at hand, as far as somebody has looked, in this
        session or an earlier one; who looks further adds to it."""
        self._replayer.events.load(self._replayer.stored, self._replayer.history.end)
        return self._replayer.events

    def keep_events(self) -> None:
        """Let the recording have what was found; where it cannot be written, or the replay is known not to be what was
        recorded, it is found anew in the next session."""
        if not self._branches.main.track.agreement.diverged:
            with suppress(RdbgError):
                self._replayer.events.save(self._replayer.stored)

    # --- outputs -------------------------------------------------------------------------------
    def outputs(self, interrupted: Interrupted = never) -> OutputLog:
        """All that has left the run at hand, from its start to its end.

        A recording has it beside its snapshots; what is missing there is made by a replay, once.

        Raises:
            QuestionInterrupted: the user asked to stop.
            RdbgError: what the recording has is damaged, or the replay diverges.
        """
        traveller, replayer = self._traveller, self._replayer
        log, here = replayer.output.log, traveller.position
        end = replayer.history.end
        if here >= end and replayer.output.passed == log.count:
            return log  # nothing has left that was not seen
        origin = self._latest_known(end, log.count)
        if origin.position == end:
            return log
        try:
            if not (origin.position <= here and replayer.output.passed == log.count):
                replayer.states.restore(origin)
                replayer.catch_up()
            if not replayer.run_to(end, interrupted, rungs=False):
                raise QuestionInterrupted
            replayer.catch_up()
        finally:
            traveller.go(here)
        return log

    @property
    def known_outputs(self) -> OutputLog:
        """What has left the run at hand, as far as it is known without a replay."""
        return self._replayer.output.log

    @property
    def knows_outputs(self) -> bool:
        """Whether `outputs` makes no replay: all is known."""
        replayer = self._replayer
        log, end = replayer.output.log, replayer.history.end
        if self._traveller.position >= end and replayer.output.passed == log.count:
            return True
        return self._latest_known(end, log.count).position == end

    def _latest_known(self, position: int, count: int) -> Origin:
        """The latest state up to which not more than ``count`` outputs have left."""
        origin, start = self._replayer.states.latest(position), self._replayer.history.start
        while origin.position > start and sum(sent.outputs for sent in origin.output.endpoints) > count:
            origin = self._replayer.states.latest(origin.position - 1)
        return origin
