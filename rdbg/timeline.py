"""Navigation: the object that knows 'now', 'start' and 'end' and moves between positions. Knows no GDB."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from rdbg.checkpoints.interval_index import Interval
from rdbg.checkpoints.keeper import DEFAULT_MEMORY, MAX_CHECKPOINTS, CheckpointKeeper
from rdbg.emu.endpoint import Endpoint, EndpointKind
from rdbg.emu.expression import Expression
from rdbg.emu.machine_api import MachineApi, OutputSink, RunRequest, RunStop, StopKind, WatchHit
from rdbg.emu.output_mark import OutputMark
from rdbg.emu.state_digest import StateDigest
from rdbg.errors import RdbgError
from rdbg.history.history import History
from rdbg.history.long_logs import RecordedLog
from rdbg.host.progress import SILENT, Progress
from rdbg.journal.records import EndOfRun, EndReason
from rdbg.journal.writer import JournalWriter
from rdbg.navigation.bookmarks import Bookmarks
from rdbg.navigation.branches import Branches
from rdbg.navigation.event_log import EventLog
from rdbg.navigation.forward import Forward
from rdbg.navigation.helpers import Helpers
from rdbg.navigation.kept_branches import KeptBranches
from rdbg.navigation.late_recording import initial_name, require_recordable, write_past
from rdbg.navigation.live_end import LiveEnd
from rdbg.navigation.named_snapshots import NamedSnapshots
from rdbg.navigation.output_log import OutputLog, SentOutput
from rdbg.navigation.output_questions import complete_log, is_whole
from rdbg.navigation.pace import Pace
from rdbg.navigation.periodic import PeriodicSnapshots
from rdbg.navigation.places import Places
from rdbg.navigation.questions import QuestionInterrupted, last_executed, last_writes
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.scratch import Scratch
from rdbg.navigation.search import SearchInterrupted
from rdbg.navigation.snapshots import Snapshots, load_initial
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

#: Seconds between two looks at the outside world, and between two states, where the run is only passed through.
_SLICE_PASSING, _SPACING_PASSING = 0.02, 0.2
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
        if initial_snapshot and store is not None and not history.live:
            load_initial(machine, store, initial_snapshot)
        if not history.live and machine.icount < history.start:
            raise RdbgError(
                f"the recording says that it starts at icount {history.start}, and what it starts from is at icount "
                f"{machine.icount}: it is damaged; take a good copy"
            )
        self._keeper = CheckpointKeeper(machine, checkpoint_memory, max_checkpoints)
        self._stored = StoredStates(self._keeper, history, store)
        self._clock = clock
        self._replayer = Replayer(machine, history, self._keeper, self._stored, pace or Pace(), clock)
        self._replayer.checkpoint()
        self._traveller = Traveller(self._replayer)
        self.survey = PastSurvey(self._replayer)  #: finds out what later questions would have to replay
        self._forward = Forward(self._traveller, self._replayer, sleep, wait, congested, clock)
        self._live_end = LiveEnd(self._replayer, self._forward)
        self._branches = Branches(self._replayer, Snapshots(self._keeper, self._stored))
        #: The branch that a write in the past makes, which is not meant to last.
        self.scratch = Scratch(self._branches, self._traveller, self._replayer)
        self.snapshots = NamedSnapshots(self._branches, self._traveller, self._replayer, self.places)  #: the named ones
        self.bookmarks = Bookmarks(self.places, self._stored, self._branches, self._replayer)  #: named positions
        self.kept = KeptBranches(self._branches, self._replayer, self._stored)  #: branches beside the recording
        self._initial = initial_snapshot
        self._budget = snapshot_budget
        self._periodic: PeriodicSnapshots | None = None
        if initial_snapshot and store is not None and history.live:
            self._save_initial(initial_snapshot)
        elif store is not None and not history.live:
            self._stored.load_index()
            self.use_store(store)
        if not history.live:
            self._replayer.catch_up()  # the debugger may have written before the first instruction

    def call(self, helpers: Helpers | None) -> None:
        """Let searches of the past that take long have helpers from now on."""
        self._traveller.helpers = helpers

    def prepare_to_copy(self) -> None:
        """This process is about to be copied: nothing is to be half done in another thread."""
        if self._periodic is not None:
            self._periodic.wait()
        self._stored.finish_reading()

    def stand(self) -> None:
        """Nobody asks anything now: to be called again and again. What the first jump needs is read meanwhile."""
        self._stored.read_ahead()
        self._stored.settle()

    def become_copy(self, memory: int, ended: Interrupted) -> None:
        """This is in a copy of the process whose run it is. It can look at the past, wherever the machine stands in it,
        on whatever branch; it writes nothing down.

        Args:
            memory: bytes that its checkpoints may take beyond those that it has.
            ended: polled: whether what is done here is needed no more.
        """
        self._replayer.saver = self._periodic = None
        self._traveller.helpers = None
        self._replayer.progress = SILENT
        self._replayer.given_up = ended
        for branch in self._branches.list():
            branch.history.only_look()
        self.history.only_look()
        self._stored.reopen()
        self._keeper.memory_limit = self._keeper.bytes_used + memory

    def only_pass_through(self) -> None:
        """What is learnt on the way is of no use to others: look up less often, and keep fewer states. For a copy
        that nobody talks to."""
        replayer = self._replayer
        replayer.pace = replace(replayer.pace, slice_seconds=_SLICE_PASSING, spacing_seconds=_SPACING_PASSING)

    def keep_state(self) -> None:
        """Let the machine come back here without a replay, as long as memory allows."""
        self._replayer.checkpoint_if_far(0)

    def borders(self, start: int, end: int, parts: int, lead: int) -> list[int]:
        """Positions that divide a stretch into at most so many parts that take about as long: ``start`` first.

        Args:
            start: icount.
            end: icount.
            parts: how many, at most.
            lead: instructions that each lies behind a state: who begins there looks at so many before it.
        """
        states = [each for each in self._stored.positions if start < each + lead < end]
        if len(states) >= parts:  # as many lie in each second of a replay
            wanted = [states[len(states) * part // parts] for part in range(1, parts)]
        else:
            wanted = [self.state_before(start + (end - start) * part // parts) for part in range(1, parts)]
        found = [start]
        found.extend(each + lead for each in wanted if found[0] < each + lead < end)
        return sorted(set(found))

    def state_before(self, position: int) -> int:
        """The latest position up to this one where the machine can stand without a replay."""
        return self._replayer.latest(position).position

    @property
    def speed(self) -> float:
        """Instructions that are replayed in a second, about."""
        return self._replayer.speed

    def use_store(self, store: SnapshotStore | None) -> None:
        """Keep snapshots in this store from now on: the recording's files were put in place and opened anew."""
        self._stored.store = store
        if store is None:
            return
        info = store.find(self._initial)
        first = self._keeper.checkpoints.latest(self.start)
        base = None if info is None or first is None else (info, first.table)
        if base is not None:
            # A live run may have gone on, or been written to, since then.
            digests = StateDigest() if self.history.live else self.machine.page_digests()
            if self.history.live:
                pages = self._keeper.store
                for page, data in pages.contents(base[1], pages.changed(pages.zero_table(), base[1])):
                    digests.put(page, data)
            self._stored.know(*base, digests)
        self._stored.update(store.list())
        if not self.history.live:
            notes = store.notes
            self._replayer.output.log.load(notes.outputs(), notes.output_data, self.history.end)
            self.kept.load()
        if self._budget and store.writable:
            self._periodic = PeriodicSnapshots(self._replayer, store.path, self._budget, base, self._clock)
            self._replayer.saver = self._periodic

    def _save_initial(self, name: str) -> None:
        try:
            self._branches.current.snapshots.save(name, self._replayer.capture(), self.machine, initial=True)
        except RdbgError as error:
            raise RdbgError(f"Could not create snapshot for icount record: {error}") from error

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
    def diverged(self) -> bool:
        """Whether this replay is known not to be what was recorded."""
        return self._branches.main.track.agreement.diverged

    @property
    def compared(self) -> int:
        """How many of the recording's state digests this replay has met, and agreed with."""
        return self._branches.main.track.agreement.compared

    def set_output(self, sink: OutputSink | None) -> None:
        """Where goes what leaves by the endpoints. It is given each output once, when `run` or `step` pass its place
        for the first time; jumps and searches are silent. Packets and what is written to disks leave a live run alone,
        and none of its branches."""
        self._replayer.output.sink = sink
        for branch in self._branches.list():
            branch.track.output.sink = sink

    @property
    def passing(self) -> bool:
        """Whether `run` or `step` is at work: what the machine does now the user sees. Jumps and searches are
        silent."""
        return self._replayer.output.is_open

    @contextmanager
    def telling(self, progress: Progress) -> Iterator[None]:
        """Meanwhile long movements through the known history, and searches, say how far they have come."""
        before, self._replayer.progress = self._replayer.progress, progress
        try:
            yield
        finally:
            self._replayer.progress = before

    @property
    def sent(self) -> OutputMark:
        """What has left by each endpoint since the start of the run, up to here."""
        return self._replayer.output.mark

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

    # --- questions about the past ----------------------------------------------------------
    def last_writes(
        self, address: int, length: int, count: int = 1, before: Order | None = None, interrupted: Interrupted = never
    ) -> list[LastWrite]:
        """Who wrote any of these bytes last? The machine stays where it is.

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
        return last_writes(self._traveller, address, length, before, count, interrupted)

    def last_executed(self, address: int, interrupted: Interrupted = never, condition: Expression = ()) -> int | None:
        """Position at which the instruction at ``address`` was about to run last, before now, and a condition held, if
        there is one; None: never.

        Raises:
            QuestionInterrupted: the user asked to stop.
        """
        return last_executed(self._traveller, address, interrupted, condition)

    def advance(self, request: RunRequest) -> RunStop:
        """Run on along the known history to see what happens on the way; nothing is shown to anybody.

        Args:
            request: as for `MachineApi.run`, with ``until`` at most ``end`` and no ``last_hit``. PAUSED may come before
                the slice is over.

        Raises:
            RdbgError: the replay has diverged from the recording.
        """
        stop = self._replayer.advance(request)
        if stop.kind is StopKind.PAUSED:
            self._replayer.checkpoint_regularly()
        return stop

    @property
    def slice(self) -> int:
        """Instructions that take about as long as a user waits without noticing."""
        return self._replayer.slice

    def outputs(self, interrupted: Interrupted = never) -> OutputLog:
        """All that has left the run at hand, from its start to its end. The machine stays where it is.

        A recording has it beside its snapshots; what is missing there is made by a replay, once.

        Raises:
            QuestionInterrupted: the user asked to stop.
            RdbgError: what the recording has is damaged, or the replay diverges.
        """
        return complete_log(self._traveller, self._replayer, interrupted)

    def known_events(self) -> EventLog:
        """Where exceptions were raised and interrupts taken in the run at hand, as far as somebody has looked, in this
        session or an earlier one; who looks further adds to it."""
        self._replayer.events.load(self._replayer.stored, self.history.end)
        return self._replayer.events

    def keep_events(self) -> None:
        """Let the recording have what was found; where it cannot be written, it is found anew in the next session."""
        if not self.diverged:
            with suppress(RdbgError):
                self._replayer.events.save(self._replayer.stored)

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

    @property
    def knows_outputs(self) -> bool:
        """Whether `outputs` makes no replay: all is known."""
        return is_whole(self._traveller, self._replayer)

    @property
    def known_outputs(self) -> OutputLog:
        """What has left the run at hand, as far as it is known without a replay."""
        return self._replayer.output.log

    def sent_by(
        self, endpoint: Endpoint, number: int, interrupted: Interrupted = never, before: int | None = None
    ) -> SentOutput | None:
        """What sent a byte, a packet or a sector. The machine stays where it is.

        Args:
            endpoint: by which it left.
            number: of a serial port or console, the number of the byte, from 1; of a network card that of the packet,
                from 1; of a disk, the sector.
            interrupted: polled.
            before: of a disk, the last write before this icount counts; None: the last of all.

        Returns:
            the output: its ``icount`` is the position just before the instruction that sent it. None: so much has not
            left, or nothing wrote that sector.

        Raises:
            QuestionInterrupted: the user asked to stop.
        """
        log = self.outputs(interrupted)
        if endpoint.kind is EndpointKind.DISK:
            return log.sector(endpoint, number, before)
        return log.output(endpoint, number) if endpoint.kind is EndpointKind.NETWORK else log.byte(endpoint, number)

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
        if keep:
            self.kept.require_store(name)
        if self.scratch.active:
            self._branches.rename(name)
        elif not (keep and name == self.branch_name):
            self.kept.save(leaving=False)
            self._branches.fork(name)
        if keep:
            try:
                self.kept.keep()
            except RdbgError as error:
                raise RdbgError(f"{error}; the machine is on branch '{name}', in memory alone") from None

    def switch(self, name: str, interrupted: Interrupted = never) -> Stop:
        """Go to another branch, to where one stood there last; the one where one is leads nowhere.

        Raises:
            RdbgError: there is no such branch, or it is not what it was in an earlier session.
        """
        self.kept.refresh()
        target = self._branches.find(name)
        if target is self._branches.current:
            return self.goto(self.position, interrupted)
        scratch = self._branches.current if self.scratch.active else None
        self.kept.save()
        if target.unvisited:
            # Nobody has been there: the recording's own states lead to where it begins.
            main = self._branches.main
            stood = self.position if self._branches.current is main else main.position
            self._branches.switch(main)
            if not self._traveller.go(max(target.fork - 1, self.start), interrupted):
                if scratch is not None:
                    self._branches.drop(scratch)
                return self._stop(StopReason.INTERRUPTED)
            self._replayer.checkpoint()
            self._branches.switch(target)
            main.position = stood  # it went to where they part, and not the user
        else:
            self._branches.switch(target)
        if scratch is not None:
            self._branches.drop(scratch)
        stop = self.goto(target.position, interrupted)
        self.kept.arrived(target)
        return stop

    # --- writing ---------------------------------------------------------------------------
    def write_memory(self, address: int, data: bytes) -> None:
        """Write at a virtual address at the live end, as an input of the run: all of it or nothing.

        Raises:
            RdbgError: in the past (where it would not be what happened), or not all of it is memory.
        """
        self._live_end.write_memory(address, data)

    def write_register(self, number: int, value: int) -> None:
        """Write a register (the debugger's number) at the live end, as an input of the run.

        Raises:
            RdbgError: in the past, or there is no such register.
        """
        self._live_end.write_register(number, value)

    def require_live_end(self, what: str) -> None:
        """Check that the machine can be changed here.

        Args:
            what: is to be changed, for the message.

        Raises:
            RdbgError: it is in the past, or the recording is finished.
        """
        self._live_end.require(what)

    # --- a recording after all ---------------------------------------------------------------
    def require_recordable(self) -> str:
        """Check that this live run, which nobody records, can become a recording.

        Returns:
            a free name for the snapshot that the recording starts from.

        Raises:
            UsageError: it is one, or the machine is on a branch.
        """
        require_recordable(self._branches)
        return initial_name(self._branches)

    def write_past(self, writer: JournalWriter, store: SnapshotStore, initial: str) -> RecordedLog:
        """Write all of this run so far to the files of a recording. They can still be thrown away; see
        `go_on_recording`.

        Raises:
            RdbgError: they cannot be written.
        """
        return write_past(self._branches, self._replayer, self.places, writer, store, initial)

    def adopt_store(self, store: SnapshotStore, initial: str) -> None:
        """Keep snapshots there from now on, where all are already: the run is about to be recorded; see `write_past`.

        Raises:
            RdbgError: it cannot be read; `leave_store` takes it back.
        """
        self._initial = initial
        self.use_store(store)
        self._branches.main.snapshots.adopt(store)

    def leave_store(self) -> None:
        """Take `adopt_store` back: the run cannot be recorded after all."""
        self._initial = ""
        self._periodic = self._replayer.saver = None
        self._stored.forget()
        self._branches.main.snapshots.adopt(None)

    def go_on_recording(self, log: RecordedLog, writer: JournalWriter) -> None:
        """From now on the run is recorded in a journal that is in place and has all of it so far. Bookmarks of it are
        in the store."""
        self.history.go_on_with(log, writer)
        for name in [name for name, icount in self.places.bookmarks.items() if icount <= self.history.end]:
            del self.places.bookmarks[name]

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
            periodic, self._periodic, self._replayer.saver = self._periodic, None, None
            if periodic is not None:
                periodic.close()

    def _stop(self, reason: StopReason, watch: WatchHit | None = None) -> Stop:
        exit_code = 0
        if reason in (StopReason.SHUTDOWN, StopReason.HISTORY_END) and self.history.finished is not None:
            exit_code = self.history.finished.exit_code
        return Stop(reason, self.position, self.machine.pc, watch, exit_code)
