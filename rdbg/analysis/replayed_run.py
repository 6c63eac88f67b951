"""The machine on its history, for replays that only look: it stands where it stood when they are done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType

from rdbg.emu.expression import Expression
from rdbg.emu.machine_api import DeviceLoad, MachineApi, OutputSink, RunRequest, RunStop
from rdbg.history.known_records import NumberedInput
from rdbg.history.log_queries import ByteFromOutside
from rdbg.host.progress import Progress
from rdbg.navigation.stops import never
from rdbg.timeline import LastWrite, Order, OutputLog, QuestionInterrupted, StopReason, Timeline


def _nothing(position: int) -> None:
    pass


def looked_back(timeline: Timeline, progress: Progress) -> tuple[Callable[[int], None], Callable[[int], None]]:
    """What a run tells while a question looks back from where it stands: that it goes on, and how far it has looked.

    Args:
        timeline: the run.
        progress: told.
    """
    stood = furthest = timeline.position

    def goes_on(position: int) -> None:
        progress.advance(stood - furthest, stood - timeline.start, "instructions looked back through")

    def looked(position: int) -> None:
        nonlocal furthest
        furthest = max(min(furthest, position), timeline.start)
        goes_on(position)

    return goes_on, looked


class ReplayedRun:
    """A run that is looked through. As a context manager it puts the machine back where it stood.

    Args:
        timeline: the run; nobody else moves it meanwhile.
        interrupted: polled every few milliseconds; True ends the question.
        progress: told every few milliseconds which position is reached.
        looked: told down to which position a question has looked at what it was told of the run.
    """

    def __init__(
        self,
        timeline: Timeline,
        interrupted: Callable[[], bool] = never,
        progress: Callable[[int], None] = _nothing,
        looked: Callable[[int], None] = _nothing,
    ) -> None:
        self._timeline = timeline
        self._interrupted = interrupted
        self._progress = progress
        self._looked = looked
        self._stood = timeline.position

    def __enter__(self) -> ReplayedRun:
        self._stood = self._timeline.position
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._timeline.agreement.diverged:
            self._timeline.goto(self._stood)

    @property
    def machine(self) -> MachineApi:
        """The machine; move it by `go` and `advance` alone."""
        return self._timeline.machine

    @property
    def start(self) -> int:
        """First position of the run."""
        return self._timeline.start

    @property
    def end(self) -> int:
        """Last position that is known."""
        return self._timeline.end

    @property
    def position(self) -> int:
        """Where the machine stands."""
        return self._timeline.position

    @property
    def slice(self) -> int:
        """Instructions that take a few milliseconds."""
        return self._timeline.past.slice

    def heard(self, sink: OutputSink) -> AbstractContextManager[None]:
        """Meanwhile a sink is given all that the machine sends."""
        return self._timeline.output.heard(sink)

    def outputs(self) -> OutputLog:
        """All that has left the run.

        Raises:
            QuestionInterrupted: the user asked to stop.
        """
        return self._timeline.past.outputs(self._interrupted)

    def inputs(self, start: int, end: int, newest_first: bool) -> Iterator[NumberedInput]:
        """What came from outside at the positions from ``start`` to before ``end``."""
        return self._timeline.history.known.inputs_between(start, end, newest_first)

    def last_write(self, address: int, length: int, bound: Order) -> LastWrite | None:
        """The last write before ``bound`` to any of these bytes, as their addresses are meant where the machine stands.

        Raises:
            QuestionInterrupted: the user asked to stop.
        """
        found = self._timeline.past.last_writes(address, length, 1, bound, self._interrupted)
        return found[0] if found else None

    def last_met(self, address: int, condition: Expression, before: int) -> int | None:
        """Position before ``before`` at which the instruction at an address was about to run last while a condition
        held; None: never. The machine is moved.

        Raises:
            QuestionInterrupted: the user asked to stop.
        """
        self.go(before)
        return self._timeline.past.last_executed(address, self._interrupted, condition)

    def taken(self, load: DeviceLoad) -> ByteFromOutside | None:
        """Which byte a load where the machine stands takes from outside; None: that cannot be told."""
        if load.endpoint is None:
            return None
        found = self._timeline.history.known.came_in(load.endpoint, len(load.waiting))
        return found[0] if bytes(each.value for each in found) == load.waiting else None

    def packet(self, number: int) -> bytes:
        """The packet of that number; empty: there is none."""
        event = self._timeline.history.known.packet(number)
        return b"" if event is None else event.data

    def register_writes(self, journal_id: int) -> list[int]:
        """Positions, in order, at which the debugger has written to a register."""
        return self._timeline.history.known.register_writes(journal_id)

    def go(self, position: int) -> None:
        """Stand at the last position <= ``position``.

        Raises:
            QuestionInterrupted: the user asked to stop.
        """
        # A place that a state is kept of is gone to without a replay, which would ask.
        if self._interrupted() or self._timeline.goto(position, self._interrupted).reason is StopReason.INTERRUPTED:
            raise QuestionInterrupted

    def keep_state(self) -> None:
        """Let the machine come back here without a replay, as long as memory allows."""
        self._timeline.past.keep_state()

    def go_near(self, position: int) -> None:
        """Stand at a position up to this one to which no replay is needed.

        Raises:
            QuestionInterrupted: the user asked to stop.
        """
        self.go(self._timeline.past.state_before(position))

    def go_before(self, position: int) -> None:
        """Stand before ``position``, so that all is still to come that happens there; at the start of the run, where
        nothing has happened there.

        Raises:
            QuestionInterrupted: the user asked to stop.
        """
        if position > self.start:
            self.go(position - 1)
        else:
            self._timeline.before_all()

    def looked_at(self, position: int) -> None:
        """A question has looked at what it was told of the run from here on.

        Raises:
            QuestionInterrupted: the user asked to stop.
        """
        self._looked(position)
        if self._interrupted():
            raise QuestionInterrupted

    def advance(self, request: RunRequest) -> RunStop:
        """Run on until something is to be looked at; see `Timeline.past.advance`.

        Raises:
            QuestionInterrupted: the user asked to stop.
            RdbgError: the replay has diverged from the recording.
        """
        if self._interrupted():
            raise QuestionInterrupted
        stop = self._timeline.past.advance(request)
        self._progress(stop.position)
        return stop
