"""Navigation: the object that knows 'now', 'start' and 'end' and moves between positions. Knows no GDB."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from rdbg.checkpoints.keeper import DEFAULT_MEMORY, MAX_CHECKPOINTS, CheckpointKeeper
from rdbg.emu.machine_api import MachineApi, StopKind, WatchHit
from rdbg.history.history import History
from rdbg.host.progress import Progress
from rdbg.journal.records import EndOfRun, EndReason
from rdbg.navigation.agreement import Agreement
from rdbg.navigation.bookmarks import Bookmarks
from rdbg.navigation.branches import Branches
from rdbg.navigation.branching import Branching
from rdbg.navigation.copied_run import CopiedRun
from rdbg.navigation.event_log import EventLog
from rdbg.navigation.forward import Forward
from rdbg.navigation.kept_branches import KeptBranches
from rdbg.navigation.late_recording import LateRecording
from rdbg.navigation.live_end import LiveEnd
from rdbg.navigation.named_snapshots import NamedSnapshots
from rdbg.navigation.output_log import OutputLog, SentOutput
from rdbg.navigation.pace import Pace
from rdbg.navigation.past import Past, QuestionInterrupted
from rdbg.navigation.places import Places
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.run_output import RunOutput
from rdbg.navigation.run_store import RunStore
from rdbg.navigation.scratch import Scratch
from rdbg.navigation.search import SearchInterrupted
from rdbg.navigation.snapshots import Snapshots, stand_at_start
from rdbg.navigation.step_back import StepBack
from rdbg.navigation.stops import Interrupted, Stop, StopConditions, StopReason, never
from rdbg.navigation.stored import StoredStates
from rdbg.navigation.summaries import BranchSummary, CheckpointSummary, branch_summaries, checkpoint_summary
from rdbg.navigation.survey import PastSurvey
from rdbg.navigation.traveller import Traveller
from rdbg.navigation.writes import LastWrite, Order, after_all_at
from rdbg.store.snapshot_store import SnapshotStore

__all__ = [
    "BranchSummary",
    "CheckpointSummary",
    "EventLog",
    "LastWrite",
    "OutputLog",
    "Order",
    "after_all_at",
    "Pace",
    "QuestionInterrupted",
    "SentOutput",
    "Stop",
    "StopConditions",
    "StopReason",
    "Timeline",
]

#: The conditions of a movement that nothing stops.
_NOTHING = StopConditions()


class Timeline:
    """A run of a machine, past and present.

    Every movement leaves the machine at a consistent position. ``interrupted`` callables are polled at least every few
    milliseconds; when one answers True the movement ends with INTERRUPTED.

    Args:
        machine: stands at the start of ``history``.
        history: its inputs, finished or going on.
        store: of the recording, where snapshots are kept; None: in memory only.
        initial_snapshot: name of the snapshot that the recording starts from, or empty. A live run saves it, a replay
            starts from it.
        checkpoint_memory: bytes that checkpoints may use beyond the first.
        max_checkpoints: bound on their number.
        snapshot_budget: bytes that periodic snapshots may take in the store, for the next session; 0: none are made.
        pace: how often to look up while running.
        sleep: whether an idle live CPU waits for its timers in host time; False: idle time is skipped.
        wait: called with seconds when the live machine is idle; returns early when there is input.
        congested: whether a guest that runs should wait, since who reads its output is slow.
        clock: host seconds.

    Raises:
        RdbgError: the initial snapshot cannot be made or loaded.
    """

    def __init__(
        self,
        machine: MachineApi,
        history: History,
        *,
        store: SnapshotStore | None = None,
        initial_snapshot: str = "",
        checkpoint_memory: int = DEFAULT_MEMORY,
        max_checkpoints: int = MAX_CHECKPOINTS,
        snapshot_budget: int = 0,
        pace: Pace | None = None,
        sleep: bool = True,
        wait: Callable[[float], object] = time.sleep,
        congested: Callable[[], bool] = never,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.machine = machine
        self.places = Places()
        self.break_at: int | None = None  #: icount at which `run` stops once
        if not history.live:
            stand_at_start(machine, history, store, initial_snapshot)
        self._keeper = CheckpointKeeper(machine, checkpoint_memory, max_checkpoints)
        self._stored = StoredStates(self._keeper, history, store)
        self._replayer = Replayer(machine, history, self._keeper, self._stored, pace or Pace(), clock)
        self._replayer.states.checkpoint()
        self._traveller = Traveller(self._replayer)
        self.survey = PastSurvey(self._replayer)  #: finds out what later questions would have to replay
        self._forward = Forward(self._traveller, self._replayer, sleep, wait, congested, clock)
        self.live_end = LiveEnd(self._replayer, self._forward)  #: where the machine can be changed
        self._branches = Branches(self._replayer, Snapshots(self._keeper, self._stored))
        self.output = RunOutput(self._replayer, self._branches)  #: what the guest sends
        #: The branch that a write in the past makes, which is not meant to last.
        self.scratch = Scratch(self._branches, self._traveller, self._replayer)
        self.snapshots = NamedSnapshots(self._branches, self._traveller, self._replayer, self.places)  #: the named ones
        self.bookmarks = Bookmarks(self.places, self._stored, self._branches, self._replayer)  #: named positions
        self.kept = KeptBranches(self._branches, self._replayer, self._stored)  #: branches beside the recording
        self._branching = Branching(self._branches, self.scratch, self.kept, self._traveller, self._replayer)
        #: What other sessions will have of it.
        self.store = RunStore(
            self._replayer, self._stored, self._branches, self.kept, initial_snapshot, snapshot_budget, clock
        )
        self.late_recording = LateRecording(self._branches, self._replayer, self.places)  #: of a run that has none yet
        self.copies = CopiedRun(self._replayer, self._traveller, self._branches, self._stored, self.store)
        self.past = Past(self._traveller, self._replayer, self._branches)  #: answers questions
        if initial_snapshot and store is not None and history.live:
            self.store.save_initial()
        elif store is not None and not history.live:
            self._stored.load_index()
            self.store.use(store)
        if not history.live:
            self._replayer.catch_up()  # the debugger may have written before the first instruction

    def stand(self) -> None:
        """Nobody asks anything now: to be called again and again. What the first jump needs is read meanwhile."""
        self._stored.read_ahead()
        self._stored.settle()

    # --- where and what --------------------------------------------------------------------
    @property
    def history(self) -> History:
        """The inputs of the branch that the machine is on."""
        return self._replayer.history

    @property
    def position(self) -> int:
        """Now."""
        return self.machine.icount

    @property
    def start(self) -> int:
        """First position that can be reached."""
        return self.history.start

    @property
    def end(self) -> int:
        """Last position of the known history (the present, in a live run)."""
        return max(self.history.end, self.position)

    @property
    def live(self) -> bool:
        """Whether the run goes on past ``end`` (False: a finished recording)."""
        return self.history.live

    @property
    def at_live_end(self) -> bool:
        """Whether the machine stands in the present of a live run: here it can be written to."""
        return self._forward.at_live_end

    @property
    def exit_code(self) -> int | None:
        """What the guest gave where it ended its run itself, if the machine stands there; None: it does not."""
        end = self.history.finished
        there = end is not None and end.reason is EndReason.SHUTDOWN and self.position >= end.icount
        return end.exit_code if end is not None and there else None

    @property
    def recording_failure(self) -> str | None:
        """Why the recording of this run broke off, in a line; None: it did not, or the run is not recorded."""
        return self._branches.main.history.failure

    @property
    def agreement(self) -> Agreement:
        """Whether this replay is what was recorded, and how much of it has been compared."""
        return self._branches.main.track.agreement

    @contextmanager
    def telling(self, progress: Progress) -> Iterator[None]:
        """Meanwhile long movements through the known history, and searches, say how far they have come."""
        before, self._replayer.progress = self._replayer.progress, progress
        try:
            yield
        finally:
            self._replayer.progress = before

    def checkpoints(self) -> CheckpointSummary:
        """What there is to go back by."""
        return checkpoint_summary(self._keeper, self._stored)

    # --- forward ---------------------------------------------------------------------------
    def step(self, conditions: StopConditions = _NOTHING, passes: bool = False) -> Stop:
        """One step forward: an instruction, with those that run as one with it.

        Args:
            conditions: what stops it before that.
            passes: a breakpoint here has been dealt with and does not count.

        Returns:
            STEP; BREAKPOINT or WATCHPOINT, not having moved; HISTORY_END at the end of a finished recording; SHUTDOWN.
            The position stays where it is while the CPU is idle and nothing wakes it.
        """
        if self._forward.at_finished_end:
            return self._stop(StopReason.HISTORY_END)
        end = self._forward.here(self._resolved(conditions), passes)
        if end is not None:
            return self._stop(end.reason, end.watch)
        with self._replayer.output.open():
            stop = self._replayer.step(self._resolved(conditions).watches)
        if stop.kind is StopKind.SHUTDOWN:
            return self._powered_off(stop.exit_code)
        if stop.kind is StopKind.WATCHPOINT:
            return self._stop(StopReason.WATCHPOINT, stop.watch)
        return self._stop(StopReason.STEP)

    def run(
        self, conditions: StopConditions, interrupted: Interrupted, leap: bool = True, passes: bool = False
    ) -> Stop:
        """Forward to the first stop condition, which may be met here; through the known history, then live.

        Args:
            conditions: what to stop at.
            interrupted: polled every few milliseconds.
            leap: jump over known history in which nothing can stop it and nothing is shown. False: run every
                instruction again.
            passes: a breakpoint here has been dealt with and does not count.
        """
        with self._replayer.output.open():
            self.expect(conditions)
            wanted = replace(self._resolved(conditions), position=self.break_at)
            end = self._forward.run(wanted, interrupted, leap, passes)
        if end.reason is StopReason.REPLAY_BREAK:
            self.break_at = None
        if end.reason is StopReason.SHUTDOWN:
            return self._powered_off(end.exit_code)
        return self._stop(end.reason, end.watch)

    def _powered_off(self, exit_code: int) -> Stop:
        if not self.live:
            return self._stop(StopReason.HISTORY_END)
        self._replayer.note_digest()
        self.history.close(EndOfRun(self.position, EndReason.SHUTDOWN, exit_code))
        return self._stop(StopReason.SHUTDOWN)

    # --- anywhere --------------------------------------------------------------------------
    def goto(self, position: int, interrupted: Interrupted | None = None) -> Stop:
        """Stand at the last position <= ``position``.

        Returns:
            STEP; HISTORY_START or HISTORY_END if ``position`` lies beyond and the start or end was taken instead;
            INTERRUPTED somewhere on the way.
        """
        reason = StopReason.STEP
        if position < self.start:
            position, reason = self.start, StopReason.HISTORY_START
        elif position > self.end:
            position, reason = self.end, StopReason.HISTORY_END
        if not self._traveller.go(position, interrupted or never):
            reason = StopReason.INTERRUPTED
        return self._stop(reason)

    def before_all(self) -> None:
        """Stand at the start of the run as it was before anything happened at that position: nothing has entered,
        and the debugger has written nothing. The next movement forward makes up for it."""
        self._traveller.before_all()

    # --- backward --------------------------------------------------------------------------
    def reverse_step(
        self, interrupted: Interrupted = never, conditions: StopConditions = _NOTHING, stood: int | None = None
    ) -> Stop:
        """One instruction back, over the handlers of exceptions. If interrupted, stands where it began.

        Args:
            interrupted: polled every few milliseconds.
            conditions: accesses of that instruction hold it; in a handler that is passed, breakpoints stop it too.
            stood: where the user stood before. A handler in which that was is entered.

        Returns:
            STEP; WATCHPOINT, not having moved, if that instruction made a watched access, or in a handler;
            BREAKPOINT in a handler; HISTORY_START if there is nothing before; INTERRUPTED.
        """
        end = StepBack(self._traveller, self._replayer).run(self._resolved(conditions), interrupted, stood)
        self.scratch.leave_behind()
        return self._stop(end.reason, end.watch)

    def reverse_run(self, conditions: StopConditions, interrupted: Interrupted) -> Stop:
        """Backward to the latest stop condition before now.

        A breakpoint here does not count, since a debugger leaves it inserted; an access that the instruction before
        made does. Stands at a breakpoint, or after a watched access, or at the start of history with HISTORY_START.
        If interrupted, stands where it began.
        """
        self.expect(conditions)
        try:
            found = self._traveller.find(self._resolved(conditions), interrupted)
        except SearchInterrupted:
            return self._stop(StopReason.INTERRUPTED)
        if found is None:
            self._traveller.go(self.start)
            self.scratch.leave_behind()
            return self._stop(StopReason.HISTORY_START)
        self._traveller.go(found.position)
        self.scratch.leave_behind()
        if found.watch is None:
            return self._stop(StopReason.BREAKPOINT)
        return self._stop(StopReason.WATCHPOINT, found.watch)

    def expect(self, conditions: StopConditions) -> None:
        """A debugger asks for these, or is about to: `survey` looks for them while nobody asks anything."""
        if conditions.conditions or conditions.watches:
            self.survey.note(self._resolved(conditions))

    def _resolved(self, conditions: StopConditions) -> StopConditions:
        """The same, with what stands behind watched addresses where that never changes: a write by another address of
        the same memory counts."""
        if not conditions.watches:
            return conditions
        return replace(conditions, watches=tuple(self.machine.resolved(watch) for watch in conditions.watches))

    # --- branches --------------------------------------------------------------------------
    @property
    def branch_name(self) -> str:
        """The branch that the machine is on; "main" is the run itself."""
        return self._branches.current.name

    def branches(self) -> list[BranchSummary]:
        """All branches."""
        self.kept.refresh()
        return branch_summaries(self._branches, self.end)

    def branch(self, name: str, keep: bool = False) -> None:
        """Let the run go on from here another way, under a name: live, in memory. The old future stays reachable.

        A scratch branch gets the name and stays what it is.

        Args:
            name: of the new branch; with ``keep`` it may be that of the branch at hand.
            keep: keep it beside the recording too, now and whenever it is left.

        Raises:
            UsageError: the name is taken, or nothing can be kept.
            RdbgError: it cannot be kept; it is there all the same.
        """
        self._branching.begin(name, keep)

    def switch(self, name: str, interrupted: Interrupted = never) -> Stop:
        """Go to another branch, to where one stood there last; the one where one is leads nowhere.

        Raises:
            RdbgError: there is no such branch, or it is not what it was in an earlier session.
        """
        self.kept.refresh()
        target = self._branches.find(name)
        if target is self._branches.current:
            return self.goto(self.position, interrupted)
        if not self._branching.enter(target, interrupted):
            return self._stop(StopReason.INTERRUPTED)
        stop = self.goto(target.position, interrupted)
        self.kept.arrived(target)
        return stop

    # --- the end ---------------------------------------------------------------------------
    def close(self) -> None:
        """End the run: a live one's history is closed where it has come to. Nothing can be done afterwards but look.

        What makes the next session on the recording quick is kept: the state at the end, and the index. Whether the
        journal could be written to its end, ``recording_failure`` says.
        """
        main = self._branches.main
        self.kept.save()
        if self._branches.current is not main:
            self._branches.switch(main)  # what was recorded ends where it has come to; branches are in memory alone
        try:
            if self.live:
                if self.at_live_end and self._replayer.pass_idle_time():
                    self._replayer.note_digest()
                self.history.close(EndOfRun(self.end, EndReason.STOPPED))
        finally:
            self.store.close()

    def _stop(self, reason: StopReason, watch: WatchHit | None = None) -> Stop:
        exit_code = 0
        if reason in (StopReason.SHUTDOWN, StopReason.HISTORY_END) and self.history.finished is not None:
            exit_code = self.history.finished.exit_code
        return Stop(reason, self.position, self.machine.pc, watch, exit_code)
