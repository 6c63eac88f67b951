"""Running a machine forward along its history, with everything that must happen on the way.

All movements go through here. Upper parts say where to and what to stop at.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from rdbg.checkpoints.checkpoint import Checkpoint
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
from rdbg.navigation.pace import Pace
from rdbg.navigation.stops import Interrupted, never
from rdbg.navigation.stored import StoredStates
from rdbg.navigation.track import Saver, Track
from rdbg.store.snapshot import SnapshotInfo

_log = logging.getLogger("rdbg.snapshots")
_trace = logging.getLogger("rdbg.timeline")

#: Where a replay can begin.
Origin = Checkpoint | SnapshotInfo


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
        self._pinned: Checkpoint | None = None  # where was looked closely last
        self.pace = pace
        self.output = OutputGate(lived=history.live)
        self.events = EventLog(history.start)
        self.saver: Saver | None = None
        self.given_up: Interrupted = never  #: in a copy of the process: nobody needs what it does any more
        self.progress: Progress = SILENT  #: told by whoever moves the machine far, or searches
        self.agreement = Agreement(machine, history, self.output, pace.digest_instructions, clock)
        self._clock = clock
        self.speed = 2e7  # instructions a second, until measured
        self._measured_instructions = 0
        self._measured_seconds = 0.0
        self._checkpoint_cost = 0.0
        machine.inputs = history
        machine.set_output(self.output)

    def track(self) -> Track:
        """What the machine runs along."""
        return Track(self.history, self.stored, self.output, self.events, self.saver, self.agreement)

    def fork(self) -> Track:
        """Another run that shares this one's past up to here and goes on live from here, in memory."""
        history = self.history.fork(self.machine.icount)
        output = self.output.fork()
        agreement = Agreement(self.machine, history, output, self.pace.digest_instructions, self._clock)
        events = self.events.fork(self.machine.icount)
        return Track(history, StoredStates(self.keeper, history, None), output, events, None, agreement)

    def opened(self, history: History, events: EventLog, fork: int) -> Track:
        """A run that left this one in another session, at a position."""
        output = OutputGate(lived=False)
        output.sink = self.output.sink
        output.log = self.output.log.fork()
        output.log.forget_after(output.log.count_before(fork))
        agreement = Agreement(self.machine, history, output, self.pace.digest_instructions, self._clock)
        return Track(history, StoredStates(self.keeper, history, None), output, events, None, agreement)

    def use(self, track: Track) -> None:
        """Go on along another run; the machine stands where both have been, or is about to be put there."""
        self._pin(None)
        self.history, self.stored, self.output, self.saver = track.history, track.stored, track.output, track.saver
        self.events, self.agreement = track.events, track.agreement
        self.machine.inputs = self.history
        self.machine.set_output(self.output)

    @property
    def slice(self) -> int:
        """Instructions that take about ``slice_seconds``."""
        return self.pace.slice or max(2000, int(self.speed * self.pace.slice_seconds))

    @property
    def spacing(self) -> int:
        """Instructions between regular checkpoints; they shall not cost more than a twentieth of the time."""
        seconds = max(self.pace.spacing_seconds, 20 * self._checkpoint_cost)
        return self.pace.spacing or max(5000, int(self.speed * seconds))

    @property
    def _interval(self) -> int:
        """Instructions that an interval of the index has, where checkpoints are dear and stand further apart."""
        return self.pace.spacing or max(5000, int(self.speed * self.pace.spacing_seconds))

    # --- states --------------------------------------------------------------------------------
    def capture(self) -> Checkpoint:
        """The state here, for the caller to keep."""
        return self.keeper.capture(self.history.entered(self.machine.icount), self.output.mark)

    def note_digest(self) -> None:
        """Write down what a replay has to come to here, if the run is live."""
        self.history.note_digest(self.machine.icount, Digests(self.machine.digest(), self.output.mark))

    def checkpoint(self) -> None:
        """Make a checkpoint here."""
        began = self._clock()
        position = self.machine.icount
        self.keeper.take(self.history.entered(position), self.output.mark, max(self.history.end, position))
        _trace.debug("checkpoint at icount %d", position)
        # Slow to rise, so that one hiccup of the host does not thin the future.
        self._checkpoint_cost += (self._clock() - began - self._checkpoint_cost) * 0.25

    def checkpoint_if_far(self, distance: int) -> None:
        """Make a checkpoint here unless the replay to here takes at most ``distance`` instructions."""
        position = self.machine.icount
        if position - self._in_memory(position).position > distance:
            self.checkpoint()

    def checkpoint_regularly(self) -> None:
        """Make a checkpoint here if one is due, and end an interval of the index."""
        self.keeper.look(self._interval)
        position, spacing = self.machine.icount, self.spacing
        if position - self._in_memory(position).position < spacing:
            return
        following = self.keeper.checkpoints.next(position)
        if following is None or following.position - position > spacing // 2:
            self.checkpoint()

    def latest(self, position: int) -> Origin:
        """The latest state at or before ``position`` that can be restored, in memory or on disk."""
        found = self._in_memory(position)
        if self._pinned is not None and found.position < self._pinned.position <= position:
            found = self._pinned
        info = self.stored.latest(position)
        # Reading pages from disk takes as long as some replay does.
        if info is not None and info.position - found.position > self.spacing // 2:
            return info
        return found

    def restore(self, origin: Origin) -> None:
        """Stand where a state was taken, with the inputs entered that had entered then.

        `catch_up` makes up for later ones (a debugger's write, a byte for an idle CPU). If a stored state is damaged,
        the machine stands at an earlier one.
        """
        while isinstance(origin, SnapshotInfo):
            try:
                checkpoint = self.restore_stored(origin)
            except RdbgError as error:
                _log.warning("%s; an earlier state is used", error)
                self.stored.discard(origin)
                origin = self.latest(origin.position)
                continue
            self.keeper.adopt(checkpoint, self.history.end)
            return
        self._put_back(origin)

    def restore_stored(self, info: SnapshotInfo, stored: StoredStates | None = None) -> Checkpoint:
        """Stand where a stored state was taken; gives it to the caller, with its table.

        Args:
            info: the state.
            stored: those that it is one of; None: of the run at hand. A branch has none of its own, and may share the
                past that it is of.

        Raises:
            RdbgError: it is gone or damaged, or not of this machine, which stands anywhere then.
        """
        loaded = (stored or self.stored).load(info)
        try:
            self._put_back(loaded.checkpoint)
            self.machine.know_page_digests(loaded.digests.copy())
            info.check(self.machine.digest())
        except RdbgError:
            self.keeper.store.release(loaded.checkpoint.table)
            raise
        return loaded.checkpoint

    def _put_back(self, checkpoint: Checkpoint) -> None:
        self.keeper.restore(checkpoint.state, checkpoint.table)
        self.history.seek(checkpoint.position, checkpoint.entered)
        self.output.mark = checkpoint.output

    def _in_memory(self, position: int) -> Checkpoint:
        found = self.keeper.checkpoints.latest(position)
        if found is None:
            raise RdbgError(f"icount {position} is before the start of this run")
        return found

    def _pin(self, checkpoint: Checkpoint | None) -> None:
        """Keep one state beside all that memory allows, in place of the one before."""
        if self._pinned is not None:
            self.keeper.store.release(self._pinned.table)
        self._pinned = checkpoint

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
            self._measure(self.machine.icount - start, self._clock() - began)
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
            if rungs and target - position > 2 * self.pace.rung:
                rung = target - (target - position) // 2
            stop = self.advance(RunRequest(until=rung, slice=self.slice))
            here = self.machine.icount
            if stop.kind is StopKind.LIMIT:
                if rung == target:
                    return True
                self.checkpoint_if_far(self.pace.rung)
                rungs = here > position  # or else a step of several instructions is in the way
            elif stop.kind is StopKind.PAUSED:
                self.checkpoint_regularly()
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
            self.restore(self.latest(start))
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
        self.restore(self.latest(failure.icount))
        self.run_to(failure.icount, never, rungs=False)
        self.history.end_at(self.machine.icount)

    def _stand_before(self, position: int, change: WatchHit) -> RunStop:
        """Go back to before the step that has led to a position, where something else than the CPU wrote."""
        target = max(position - 1, self.history.start)
        self.restore(self.latest(target))
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
        here = self.machine.icount
        _, change = self._step(watches)
        self.restore(self.latest(here))
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
        self.restore(self.latest(start))
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
        self.restore(self.latest(place))
        while self.machine.icount < place:
            # Other places like this one may lie on the way; they are passed the same way, each nearer to the start.
            if self.advance(RunRequest(until=place)).kind is StopKind.LIMIT:
                break
        self.catch_up()  # the debugger may have written where the checkpoint stands
        # The next such place begins from here, also where memory is too short for a checkpoint: else each would go back
        # over all before it.
        self._pin(self.capture())
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

    def _measure(self, instructions: int, seconds: float) -> None:
        self._measured_instructions += instructions
        self._measured_seconds += seconds
        if self._measured_seconds > 0.002 and self._measured_instructions > 0:
            speed = self._measured_instructions / self._measured_seconds
            self.speed += (speed - self.speed) * 0.3
            self._measured_instructions, self._measured_seconds = 0, 0.0
