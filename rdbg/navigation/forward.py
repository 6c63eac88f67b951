"""Running forward: through the known history, where the index helps, and live."""

from __future__ import annotations

import time
from collections.abc import Callable

from rdbg.emu.machine_api import RunRequest, StopKind, WatchHit
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.search import Search
from rdbg.navigation.steady_conditions import SteadyConditions
from rdbg.navigation.stops import Interrupted, StopConditions, StopReason, never
from rdbg.navigation.traveller import Traveller
from rdbg.quick_dataclass import dataclass

#: How long an idle live machine waits for the outside world before Ctrl-C is looked at again.
_IDLE_WAIT = 0.02


@dataclass(frozen=True)
class End:
    """How a run forward ended, where the machine stands now.

    Args:
        reason: why.
        watch: the watch hit, for WATCHPOINT.
        exit_code: for SHUTDOWN.
    """

    reason: StopReason
    watch: WatchHit | None = None
    exit_code: int = 0


class Forward:
    """Runs forward to stop conditions.

    Args:
        traveller: for coming back.
        replayer: the machine on its history.
        sleep: whether an idle live CPU waits for its timers in host time.
        wait: called with seconds when the live machine is idle; returns early when there is input.
        congested: whether the guest should wait, since who reads its output is slow.
        clock: host seconds.
    """

    def __init__(
        self,
        traveller: Traveller,
        replayer: Replayer,
        sleep: bool,
        wait: Callable[[float], object],
        congested: Callable[[], bool] = never,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._traveller = traveller
        self._replayer = replayer
        self._machine = replayer.machine
        self._sleep = sleep
        self._wait = wait
        self._congested = congested
        self._clock = clock

    @property
    def at_finished_end(self) -> bool:
        """Whether the machine stands at the end of a finished recording."""
        history = self._replayer.history
        return not history.live and self._machine.icount >= history.end

    @property
    def at_live_end(self) -> bool:
        """Whether the machine stands in the present of a live run."""
        history = self._replayer.history
        return history.live and self._machine.icount >= history.end and not history.ahead

    def here(self, conditions: StopConditions, passes: bool = False) -> End | None:
        """What stops a movement before its first instruction: a breakpoint on it, or else a watched access that it
        makes. None: nothing does.

        Args:
            conditions: what to stop at.
            passes: a breakpoint here has been dealt with.
        """
        if not passes and self._at_breakpoint(conditions):
            return End(StopReason.BREAKPOINT)
        hit = self._machine.watched_access(conditions.watches)
        return None if hit is None else End(StopReason.WATCHPOINT, hit)

    def run(self, conditions: StopConditions, interrupted: Interrupted, leap: bool, passes: bool = False) -> End:
        """To the first stop condition, which may be met where the run begins.

        Args:
            conditions: what to stop at.
            interrupted: polled every few milliseconds.
            leap: jump over known history in which nothing can stop it and nothing is shown.
            passes: a breakpoint here has been dealt with and does not count.
        """
        if conditions.watches:
            # A watched access may be noticed late; finding its place again starts from a checkpoint.
            self._replayer.states.checkpoint_if_far(self._replayer.paced.slice)
        origin = self._machine.icount
        steady = SteadyConditions(self._replayer, Search.wanted(conditions, self._machine.architecture).conditional)
        limit = conditions.position if conditions.position is not None and conditions.position > origin else None
        waited = 0.0  # seconds that an idle CPU has waited in host time, beyond what its clock shows
        idle_from = 0  # what its clock showed when it began
        while True:
            while self._congested():
                self._wait(_IDLE_WAIT)
                if interrupted():
                    return End(StopReason.INTERRUPTED)
            if self.at_finished_end:
                return End(StopReason.HISTORY_END)
            if self._machine.icount < self._replayer.history.end:
                if leap and limit is None:
                    self._skip_ahead(conditions, steady)
                if not (passes and self._machine.icount == origin) and self._at_breakpoint(conditions):
                    return End(StopReason.BREAKPOINT)
            present = self.at_live_end
            stop = self._replayer.advance(
                RunRequest(
                    until=limit if present else min(self._replayer.history.end, limit or self._replayer.history.end),
                    slice=self._replayer.paced.slice,
                    breakpoints=conditions.breakpoints,
                    conditions=conditions.conditions,
                    watches=conditions.watches,
                    wait_idle=present and self._sleep,
                    skip_ns=int(waited * 1e9) if present else 0,
                    passes=passes and self._machine.icount == origin,
                )
            )
            waited = stop.skip_left_ns / 1e9 if stop.kind is StopKind.IDLE else 0.0
            if stop.kind is StopKind.BREAKPOINT:
                return End(StopReason.BREAKPOINT)
            elif stop.kind is StopKind.WATCHPOINT:
                return End(StopReason.WATCHPOINT, stop.watch)
            elif stop.kind is StopKind.SHUTDOWN:
                return End(StopReason.SHUTDOWN, exit_code=stop.exit_code)
            elif stop.kind is StopKind.IDLE and present:
                # What the clock has caught up with was waited for; more than was needed counts for the next wait.
                if self._machine.now_ns > idle_from:
                    waited = min(max(0.0, waited - (self._machine.now_ns - idle_from) / 1e9), _IDLE_WAIT)
                    idle_from = self._machine.now_ns
                waited += self._wait_outside(stop.idle_ns, waited)
                # If input has come, it finds the guest's clock advanced by what was waited.
                passed = int(waited * 1e9)
                passed = passed if stop.idle_ns is None else min(passed, stop.idle_ns)
                self._replayer.history.idled_until(self._machine.now_ns + passed)
            elif stop.kind is StopKind.IDLE:
                return End(StopReason.HISTORY_END)
            elif stop.kind is StopKind.PAUSED:
                self._replayer.states.checkpoint_regularly()
                if self.at_live_end:
                    self._replayer.agreement.note()
                elif not present:
                    here, end = self._machine.icount, self._replayer.history.end
                    self._replayer.progress.advance(here - origin, end - origin, "instructions replayed")
            elif self._machine.icount > origin and self._at_breakpoint(conditions):
                # A limit, such as the end of history, is also where the next run would begin without looking.
                return End(StopReason.BREAKPOINT)
            elif stop.kind is StopKind.LIMIT and limit is not None and (present or self._replayer.history.end >= limit):
                return End(StopReason.REPLAY_BREAK)
            if interrupted():
                return End(StopReason.INTERRUPTED)

    def _wait_outside(self, idle_ns: int | None, waited: float) -> float:
        """The live CPU is idle: wait for input or its timer; gives the seconds that passed."""
        left = _IDLE_WAIT if idle_ns is None else max(0.0, min(_IDLE_WAIT, idle_ns / 1e9 - waited))
        began = self._clock()
        self._wait(left)
        return self._clock() - began

    def _skip_ahead(self, conditions: StopConditions, steady: SteadyConditions) -> None:
        """Jump over history in which the index rules a stop out, but not over output that was not shown yet."""
        here = self._machine.icount
        if steady and self._replayer.history.next_icount() != here:
            steady.note(here, self._replayer.history.end)
        index = self._replayer.keeper.index
        possible = index.earliest_possible(
            here, self._replayer.history.end, Search.wanted(conditions, self._machine.architecture)
        )
        checkpoint = self._replayer.states.latest(possible)
        while checkpoint.position > here + self._replayer.paced.slice:
            if not self._replayer.output.new_before(checkpoint.output):
                break
            checkpoint = self._replayer.states.latest((here + checkpoint.position) // 2)
        if checkpoint.position > here + self._replayer.paced.slice:
            self._replayer.states.restore(checkpoint)
            if self._machine.icount < here:  # a damaged state on disk
                self._traveller.go(here)

    def _at_breakpoint(self, conditions: StopConditions) -> bool:
        return bool(conditions.breakpoints) and self._machine.stops_here(conditions.breakpoints, conditions.conditions)
