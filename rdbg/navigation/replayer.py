"""Running a machine forward along its history, with everything that must happen on the way.

All movements go through here. Upper parts say where to and what to stop at.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from rdbg.checkpoints.keeper import CheckpointKeeper
from rdbg.emu.device import DeviceFailure
from rdbg.emu.machine_api import Block, MachineApi, RunRequest, RunStop, StopKind, Watch, WatchHit
from rdbg.emu.probes import Probes
from rdbg.errors import RdbgError
from rdbg.history.history import History
from rdbg.host.progress import SILENT, Progress
from rdbg.journal.output_marks import Digests
from rdbg.navigation.agreement import Agreement
from rdbg.navigation.event_log import EventLog
from rdbg.navigation.last_hits import LastHits
from rdbg.navigation.output_gate import OutputGate
from rdbg.navigation.pace import MeasuredPace, Pace
from rdbg.navigation.states import States
from rdbg.navigation.stops import Interrupted, never
from rdbg.navigation.stored import StoredStates
from rdbg.navigation.track import Saver, Track


class GivenUp(Exception):
    """Nobody needs what this copy of a process does any more."""


class Replayer:
    """A machine on its history.

    Args:
        machine: stands at the start of the history.
        history: where inputs come from.
        keeper: its checkpoints.
        stored: states of it that the recording's store holds.
        pace: how often to look up.
        clock: seconds, for measuring speed.
    """

    def __init__(
        self,
        machine: MachineApi,
        history: History,
        keeper: CheckpointKeeper,
        stored: StoredStates,
        pace: Pace,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.machine = machine
        self.history = history
        self.keeper = keeper
        self.stored = stored
        self.output = OutputGate(lived=history.live)
        self.events = EventLog(history.start)
        self.saver: Saver | None = None
        self.given_up: Interrupted = never  #: in a copy of the process: nobody needs what it does any more
        self.progress: Progress = SILENT  #: told by whoever moves the machine far, or searches
        self.agreement = Agreement(machine, history, self.output, pace.digest_instructions, clock)
        self._clock = clock
        self.paced = MeasuredPace(pace)
        self.states = States(machine, keeper, self.track(), self.paced, clock)
        machine.inputs = history
        machine.set_output(self.output)

    def track(self) -> Track:
        """What the machine runs along."""
        return Track(self.history, self.stored, self.output, self.events, self.saver, self.agreement)

    def fork(self) -> Track:
        """Another run that shares this one's past up to here and goes on live from here, in memory."""
        history = self.history.fork(self.machine.icount)
        output = self.output.fork()
        agreement = Agreement(self.machine, history, output, self.paced.pace.digest_instructions, self._clock)
        events = self.events.fork(self.machine.icount)
        return Track(history, StoredStates(self.keeper, history, None), output, events, None, agreement)

    def opened(self, history: History, events: EventLog, fork: int) -> Track:
        """A run that left this one in another session, at a position."""
        output = OutputGate(lived=False)
        output.sink = self.output.sink
        output.log = self.output.log.fork()
        output.log.forget_after(output.log.count_before(fork))
        agreement = Agreement(self.machine, history, output, self.paced.pace.digest_instructions, self._clock)
        return Track(history, StoredStates(self.keeper, history, None), output, events, None, agreement)

    def use(self, track: Track) -> None:
        """Go on along another run; the machine stands where both have been, or is about to be put there."""
        self.states.use(track)
        self.history, self.stored, self.output, self.saver = track.history, track.stored, track.output, track.saver
        self.events, self.agreement = track.events, track.agreement
        self.machine.inputs = self.history
        self.machine.set_output(self.output)

    def note_digest(self) -> None:
        """Write down what a replay has to come to here, if the run is live."""
        self.history.note_digest(self.machine.icount, Digests(self.machine.digest(), self.output.mark))

    # --- running -------------------------------------------------------------------------------
    def advance(self, request: RunRequest, hits: LastHits | None = None) -> RunStop:
        """Run on until something is to be looked at.

        Like ``Machine.run``, but the debugger's recorded writes are applied where they belong, recorded digests
        are compared, and a place that the machine ran past is found again (``rerun_from`` is never set in the
        answer).

        Args:
            request: as for ``Machine.run``. PAUSED may come before the slice is over.
            hits: takes the hits of a ``last_hit`` run.

        Raises:
            RdbgError: the replay has diverged from the recording.
        """
        if self.given_up():
            raise GivenUp
        self._begin(request.probes)
        start = self.machine.icount
        until = request.until
        for bound in (self.history.next_poke(), self.agreement.next()):
            if bound is not None and bound > start and (until is None or bound < until):
                until = bound
        began = self._clock()
        try:
            stop = self._run(replace(request, until=until), hits)
        except DeviceFailure as failure:
            self._stand_before_failure(failure)
            raise
        except RdbgError:
            self.agreement.fail()
            raise
        if not request.exact:
            self.paced.ran(self.machine.icount - start, self._clock() - began)
        if (
            stop.kind is StopKind.WATCHPOINT
            and request.exact
            and stop.rerun_from is not None
            and stop.watch is not None
        ):
            stop = self._stand_before(self.machine.icount, stop.watch)
        elif stop.rerun_from is not None:
            self.keeper.ran_past(stop.rerun_from)
            stop = self._look_closely(replace(request, until=until), stop, hits)
        elif hits is not None:
            hits.note(self.machine, start, self.machine.icount)
        poke = self.history.next_poke()
        if stop.kind is StopKind.LIMIT and poke is not None and until == poke != stop.position:
            raise self._write_inside_a_step(poke)
        self.history.advance(self.machine.icount, idle=stop.kind is StopKind.IDLE)
        change = self.catch_up(request.watches, request.probes)
        if change is not None and hits is not None:
            hits.add(Block(max(start, self.machine.icount - 1), self.machine.icount))
        elif change is not None and stop.kind not in (StopKind.WATCHPOINT, StopKind.BREAKPOINT):
            return self._stand_before(self.machine.icount, change)
        # A slice may be over, or the guest power off, just where the digest stands.
        stands = stop.kind in (StopKind.PAUSED, StopKind.SHUTDOWN) and self.machine.icount == until
        if stop.kind is StopKind.LIMIT or stands:
            self.agreement.verify(until)
        if stop.kind is StopKind.LIMIT and until != request.until:
            stop = replace(stop, kind=StopKind.PAUSED)
        if self.saver is not None and stop.kind in (StopKind.PAUSED, StopKind.LIMIT):
            self.saver.consider()
        return stop

    def run_to(self, target: int, interrupted: Interrupted, rungs: bool = True) -> bool:
        """Run to the last position at or before ``target``, from an earlier one.

        Args:
            target: icount, at most the end of the history.
            interrupted: polled every few milliseconds.
            rungs: leave checkpoints ever closer to the target.

        Returns:
            False if it was interrupted: the machine stands somewhere before.
        """
        while (position := self.machine.icount) < target:
            rung = target
            if rungs and target - position > 2 * self.paced.pace.rung:
                rung = target - (target - position) // 2
            stop = self.advance(RunRequest(until=rung, slice=self.paced.slice))
            here = self.machine.icount
            if stop.kind is StopKind.LIMIT:
                if rung == target:
                    return True
                self.states.checkpoint_if_far(self.paced.pace.rung)
                rungs = here > position  # or else a step of several instructions is in the way
            elif stop.kind is StopKind.PAUSED:
                self.states.checkpoint_regularly()
            else:  # idle or powered off: nothing comes after
                return True
            if interrupted():
                return False
        return True

    def step(self, watches: tuple[Watch, ...] = ()) -> RunStop:
        """Run one step, or take one exception.

        Args:
            watches: if something else than the CPU's stores writes to these, in the step or where it leads, it is not
                made: WATCHPOINT. (What a store of the CPU does is known before.)

        Raises:
            RdbgError: the replay has diverged from the recording; the machine stands where it stood.
        """
        try:
            stop, change = self._step(watches)
        except DeviceFailure as failure:
            self._stand_before_failure(failure)
            raise
        return stop if change is None else self._stand_before(self.machine.icount, change)

    def _step(self, watches: tuple[Watch, ...]) -> tuple[RunStop, WatchHit | None]:
        self._begin()
        start = self.machine.icount
        stop = self.machine.step(watches)
        change = self.machine.take_change() if watches else None
        if stop.rerun_from is not None:
            self.keeper.ran_past(start)
            stop = self._step_closely(start)
        poke = self.history.next_poke()
        if poke is not None and poke < self.machine.icount:
            self.states.restore(self.states.latest(start))
            self.run_to(start, never, rungs=False)
            raise self._write_inside_a_step(poke)
        self.history.advance(self.machine.icount, idle=stop.kind is StopKind.IDLE)
        return stop, self.catch_up(watches) or change

    def _begin(self, probes: Probes | None = None) -> None:
        """A movement forward begins."""
        self.catch_up(probes=probes)
        position = self.machine.icount
        if self.history.live and position >= self.history.end:
            # More may come at this position, and write to memory: what was learned of what led here may not hold.
            self.keeper.index.forget_searches(position - self.machine.architecture.longest_step)

    def _stand_before_failure(self, failure: DeviceFailure) -> None:
        """Go back to the last position before what a device could not do: what was run of it counts for nothing."""
        if failure.icount >= self.machine.icount == self.history.start:
            return
        self.history.end_at(failure.icount)  # nothing comes from outside on the way there
        self.states.restore(self.states.latest(failure.icount))
        self.run_to(failure.icount, never, rungs=False)
        self.history.end_at(self.machine.icount)

    def _stand_before(self, position: int, change: WatchHit) -> RunStop:
        """Go back to before the step that has led to a position, where something else than the CPU wrote."""
        target = max(position - 1, self.history.start)
        self.states.restore(self.states.latest(target))
        self.run_to(target, never, rungs=False)
        self.catch_up()
        return RunStop(StopKind.WATCHPOINT, self.machine.icount, self.machine.pc, change)

    def pass_step(self, watches: tuple[Watch, ...]) -> WatchHit | None:
        """Run one step; gives what of the watched memory something else than the CPU's stores has changed, in it or
        where it leads."""
        return self._step(watches)[1]

    def changed_by_step(self, watches: tuple[Watch, ...]) -> WatchHit | None:
        """What of the watched memory is changed by something else than the CPU's stores in the next step, or where that
        leads. The machine stands where it stood."""
        if self.machine.step_is_apart:
            return None
        here = self.machine.icount
        _, change = self._step(watches)
        self.states.restore(self.states.latest(here))
        self.run_to(here, never, rungs=False)
        self.catch_up()
        return change

    def _write_inside_a_step(self, position: int) -> RdbgError:
        self.agreement.fail()
        return RdbgError(
            f"the debugger's write at icount {position} is in {self.machine.architecture.inside_step}, where none can "
            "be made: the replay diverged from the recording, or the journal was not written by rdbg"
        )

    def _step_closely(self, start: int) -> RunStop:
        """Step from ``start`` once more, after a step that ran past a fault whose place it could not tell."""
        self.states.restore(self.states.latest(start))
        self.run_to(start, never, rungs=False)
        self.catch_up()
        architecture = self.machine.architecture
        for instructions in range(1, architecture.longest_step + 1):
            stop = self.machine.run(RunRequest(until=start + instructions, exact=True))
            if stop.kind is not StopKind.LIMIT or self.machine.icount > start:
                break
        if stop.rerun_from is not None:
            at = architecture.shown(stop.pc)
            raise RdbgError(f"the instruction at {at}, icount {start}, raises a fault that has no one place")
        return stop

    def catch_up(self, watches: tuple[Watch, ...] = (), probes: Probes | None = None) -> WatchHit | None:
        """Let happen all that history has at this very position, so that the state is the position's own.

        That is: recorded inputs enter, the debugger's writes are made, and an idle CPU's time passes. At the end of a
        live run the outside world decides when these happen: there, nothing is done but what is recorded already.

        Args:
            watches: what to watch meanwhile.
            probes: where to look meanwhile.

        Returns:
            what of it something else than the CPU or the debugger has changed.
        """
        position, history = self.machine.icount, self.history
        change: WatchHit | None = None
        while position < history.end or history.ahead:
            entered = history.entered(position)
            for event in history.take_pokes(position):
                self.machine.apply(event, probes)
            if position >= history.end and not history.ahead:
                break
            # While a write is still to be made here, idle time must not pass: it was made before that.
            wait = history.next_poke() == position
            self.machine.run(
                RunRequest(until=position, wait_idle=wait, watches=watches, last_hit=bool(watches), probes=probes)
            )
            change = change or (self.machine.take_change() if watches else None)
            if history.next_poke() != position or history.entered(position) == entered:
                break
        return change

    def pass_idle_time(self) -> bool:
        """Let the time of an idle CPU pass where a live run ends: a replay does that when it comes here, and the digest
        is of the state after. False: a device failed in it; the run ends before that."""
        try:
            self.machine.run(RunRequest(until=self.machine.icount))
        except DeviceFailure as failure:
            self._stand_before_failure(failure)
            return False
        return True

    def _run(self, request: RunRequest, hits: LastHits | None) -> RunStop:
        """Run, but not into the idle time at the place of the debugger's next write.

        The machine notes hits of one run only: ``hits`` takes those of all but the last.
        """
        poke = self.history.next_poke()
        if poke is None or poke != request.until:
            return self.machine.run(request)
        request = replace(request, wait_idle=True)
        while True:
            start = self.machine.icount
            stop = self.machine.run(request)
            if stop.kind is not StopKind.IDLE:
                return stop
            if stop.position == poke:
                return replace(stop, kind=StopKind.LIMIT)
            if stop.idle_ns is None:
                return stop
            if hits is not None:
                hits.note(self.machine, start, self.machine.icount)
            request = replace(request, skip_ns=stop.idle_ns, passes=False)

    def _look_closely(self, request: RunRequest, stop: RunStop, hits: LastHits | None) -> RunStop:
        """Find again what the machine ran past: go back to before it and take single steps."""
        place = stop.rerun_from
        assert place is not None
        if hits is not None:
            hits.note(self.machine, 0, place)
        self.states.restore(self.states.latest(place))
        while self.machine.icount < place:
            # Other places like this one may lie on the way; they are passed the same way, each nearer to the start.
            if self.advance(RunRequest(until=place)).kind is StopKind.LIMIT:
                break
        self.catch_up()  # the debugger may have written where the checkpoint stands
        # The next such place begins from here, also where memory is too short for a checkpoint: else each would go back
        # over all before it.
        self.states.pin(self.states.capture())
        start = self.machine.icount
        end = start + self.machine.architecture.longest_block
        if request.until is not None:
            end = min(end, request.until)
        found = self.machine.run(replace(request, until=end, slice=None, exact=True))
        if found.kind is StopKind.WATCHPOINT and found.rerun_from is not None and found.watch is not None:
            return self._stand_before(self.machine.icount, found.watch)
        if hits is not None:
            hits.note(self.machine, start, self.machine.icount)
        if found.kind is StopKind.LIMIT and end != request.until:
            return replace(found, kind=StopKind.PAUSED)
        return found
