"""One run of a guest with moved interrupts and inputs, from its start to its end or its failure."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Sequence

from rdbg.chaos.conditions import EXIT, HANG, OUTPUT, PANIC, WATCH, Condition, OutputWatcher
from rdbg.chaos.guest import LoadedGuest
from rdbg.chaos.policy import Policy
from rdbg.chaos.script import Scripted
from rdbg.chaos.source import ChaosInputs
from rdbg.chaos.watch_expression import WatchExpression, parse_watch_expression
from rdbg.emu.machine_api import RunRequest, RunStop, StopKind
from rdbg.history.history import History
from rdbg.journal.output_marks import Digests
from rdbg.journal.records import EndOfRun, EndReason
from rdbg.navigation.replayer import Replayer
from rdbg.quick_dataclass import dataclass
from rdbg.symbols.table import SymbolTable

#: Instructions between two looks at the time and at what was printed. Fixed, since positions at which a run stops must
#: not depend on the host.
_SLICE = 50_000
#: Instructions after which a serial port that has no room for a byte is tried again, and twice as many the next time.
_NO_ROOM = 200
#: Instructions between checkpoints. Going back is rare.
_FAR = 5_000_000


@dataclass(frozen=True)
class Limits:
    """When a run ends at the latest.

    Args:
        seconds: of virtual time.
        patience: seconds of the host's time.
    """

    seconds: float = 10.0
    patience: float = 60.0


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        failed: the kind of condition that it met; empty: none.
        what: in words.
        position: icount of the failure, or of the end.
        end: icount of the end.
        seconds: virtual time from start to end.
        asked: interrupts that came.
        held: of these, how many were held back.
        delayed: pieces of devices' work that took longer.
        repeatable: False: the host was too slow, another run of that seed may get further.
        digest: of the state at the end.
    """

    failed: str
    what: str
    position: int
    end: int
    seconds: float
    asked: int
    held: int
    delayed: int
    repeatable: bool
    digest: bytes

    @property
    def way(self) -> str:
        """How it ended, the same for runs that differ in numbers alone that the guest printed."""
        if self.failed not in (OUTPUT, PANIC):
            return self.what
        return re.sub(r"\d+", "N", re.sub(r"\s+", " ", self.what))


@dataclass(frozen=True)
class Finished:
    """A run that has ended, with all that is needed to keep it.

    Args:
        outcome: how.
        history: its inputs.
        ending: for its journal.
    """

    outcome: Outcome
    history: History
    ending: EndOfRun


class Runner:
    """Runs a guest again and again.

    Args:
        guest: put back to its start before each run.
        conditions: what makes a run fail.
        limits: when it ends at the latest.
        symbols: of the guest.
        stopped: asked often; True ends a run at once.

    Raises:
        UsageError: a watched expression cannot be understood.
    """

    def __init__(
        self,
        guest: LoadedGuest,
        conditions: Sequence[Condition],
        limits: Limits,
        symbols: SymbolTable,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.guest = guest
        self._conditions = tuple(conditions)
        self._limits = limits
        self._stopped = stopped
        self._expressions: list[tuple[Condition, WatchExpression]] = [
            (condition, parse_watch_expression(condition.expression, symbols))
            for condition in conditions
            if condition.kind == WATCH
        ]
        watches = {watch for _, expression in self._expressions for watch in expression.watches()}
        ordered = sorted(watches, key=lambda watch: (watch.address, watch.length))
        self._watches = tuple(guest.machine.resolved(watch) for watch in ordered)
        self._exits = any(condition.kind == EXIT for condition in conditions)
        hangs = [condition.seconds for condition in conditions if condition.kind == HANG]
        self._hangs = bool(hangs)
        self._seconds = min(hangs) if hangs else limits.seconds

    def run(self, policy: Policy, script: Sequence[Scripted] = ()) -> Finished | None:
        """Run once. None: it was stopped.

        Args:
            policy: moves its interrupts.
            script: what is typed to it, in order.
        """
        return Run(self, policy, script).run()

    def open(self, policy: Policy, script: Sequence[Scripted] = ()) -> Run:
        """A run that stands at its start, to be looked at on its way."""
        return Run(self, policy, script)


class Run:
    """One run of a Runner."""

    def __init__(self, runner: Runner, policy: Policy, script: Sequence[Scripted]) -> None:
        self._runner = runner
        self._machine = runner.guest.machine
        self._inputs = ChaosInputs(policy)
        self._replayer: Replayer = runner.guest.begin(self._inputs)
        self._output = OutputWatcher(runner._conditions)
        self._replayer.output.sink = self._output
        self._replayer.states.checkpoint()  # what is noticed late is looked for from here
        self._script = deque(script)
        self._late = 0  # by so many instructions what is left of it comes later: an endpoint had no room
        self._no_room = _NO_ROOM
        self._began_ns = self._machine.virtual_ns
        self._deadline = time.monotonic() + runner._limits.patience
        self._skip_ns = 0
        self._idles_until: int | None = None  # virtual time up to which the CPU has waited for what comes now
        self._waits = False  # the CPU idles: what comes enters by waking it
        self._before_slot = False  # the next position, which was to be reached, lies between a branch and its slot

    def run(self) -> Finished | None:
        runner = self._runner
        with self._replayer.output.open():
            true = self._true_expression()
            while true is None:
                if runner._stopped():
                    return None
                self._deliver()
                stop = self._advance()
                if stop.kind is StopKind.SHUTDOWN:
                    return self._powered_off(stop.exit_code)
                if stop.kind is StopKind.WATCHPOINT:
                    self._replayer.step()
                    true = self._true_expression()
                    self._replayer.states.checkpoint_if_far(_SLICE)
                    continue
                self._replayer.states.checkpoint_if_far(_FAR)
                asleep = stop.kind is StopKind.IDLE and not self._idle(stop)
                if self._output.found is not None:
                    condition, icount, _, _ = self._output.found
                    return self._ended(condition.kind, f"{condition.kind}: {self._output.line()}", icount)
                if asleep:
                    failed = HANG if runner._hangs else ""
                    return self._ended(failed, "sleeps for ever" if not failed else "hang: sleeps for ever")
                if self._seconds >= runner._seconds:
                    ran = f"ran for {runner._seconds:g} s"
                    return self._ended(HANG, f"hang: {ran}") if runner._hangs else self._ended("", ran)
                if time.monotonic() > self._deadline:
                    late = f"not at its end after {runner._limits.patience:g} s of the host's time"
                    failed = HANG if runner._hangs else ""
                    return self._ended(failed, f"hang: {late}" if failed else late, repeatable=False)
        return self._ended(WATCH, f"watch: {true.text}")

    def run_to(self, position: int) -> None:
        """Run to the last position at or before this one, or to the end."""
        while self._machine.icount < position:
            here = self._machine.icount
            self._deliver()
            stop = self._advance(position)
            if stop.kind is StopKind.SHUTDOWN or stop.kind is StopKind.IDLE and not self._idle(stop):
                return
            if stop.kind is StopKind.LIMIT and self._machine.icount == here == position - 1:
                return  # in a slot

    def step(self) -> bool:
        """One instruction on, or one exception. False: none is left."""
        self._deliver()
        self._let_in()
        return self._replayer.step().kind is not StopKind.SHUTDOWN

    @property
    def _seconds(self) -> float:
        return (self._machine.virtual_ns - self._began_ns) / 1e9

    def _true_expression(self) -> WatchExpression | None:
        for _, expression in self._runner._expressions:
            if expression.value(self._machine):
                return expression
        return None

    # --- running -------------------------------------------------------------------------------
    def _advance(self, most: int | None = None) -> RunStop:
        here = self._machine.icount
        # A stop that lies in a slot cannot be reached: the next one counts.
        until = (here // _SLICE + 1) * _SLICE
        until += _SLICE if until == here + 1 else 0
        if self._script and self._due > here:
            until = min(until, self._due)
        if most is not None:
            until = min(until, most)
        watches = self._runner._watches if most is None else ()
        request = RunRequest(until=until, watches=watches, wait_idle=bool(self._script), skip_ns=self._skip_ns)
        self._skip_ns = 0
        self._let_in()
        stop = self._replayer.advance(request)
        self._waits = self._waits and stop.kind is StopKind.IDLE
        self._before_slot = stop.kind is StopKind.LIMIT and until == here + 1 and self._machine.icount == here
        return stop

    @property
    def _due(self) -> int:
        """When what is next in the script comes."""
        return self._script[0].icount + self._late

    def _let_in(self) -> None:
        """Nobody has seen the state here: what is due may come, and be held back, at this very position."""
        history = self._replayer.history
        history.advance(self._machine.icount, idle=True)
        if self._idles_until is not None:
            history.idled_until(self._idles_until)
            self._idles_until = None

    def _deliver(self) -> None:
        """Let enter what is due where the running CPU stands."""
        here = self._machine.icount
        while self._script and self._due <= here + self._before_slot and not self._waits:
            event = self._script[0].event._replace(icount=here)
            endpoint = event.endpoint
            if endpoint is not None and self._machine.input_room(endpoint) < event.needs_room:
                self._late += here + self._no_room - self._due
                self._no_room = min(2 * self._no_room, _SLICE)
                return
            self._no_room = _NO_ROOM
            self._script.popleft()
            self._machine.apply(event)
            self._replayer.history.append(event)

    def _idle(self, stop: RunStop) -> bool:
        """The CPU waits: let time pass, or an input wake it. False: nothing ever will."""
        self._waits = False
        if not self._script:
            return stop.idle_ns is not None
        item = self._script[0]
        now = self._machine.now_ns
        at = item.wake_ns if item.wake_ns is not None else None
        if at is None and (stop.idle_ns is None or self._due <= self._machine.icount):
            at = now
        if at is None or (stop.idle_ns is not None and now + stop.idle_ns < at):
            assert stop.idle_ns is not None
            self._skip_ns = stop.idle_ns
            return True
        self._script.popleft()
        self._idles_until = max(at, now)
        self._inputs.put(item.event)
        self._waits = True
        return True

    # --- ends ----------------------------------------------------------------------------------
    def _powered_off(self, exit_code: int) -> Finished:
        ending = EndOfRun(self._machine.icount, EndReason.SHUTDOWN, exit_code, self._machine.virtual_ns)
        if self._output.found is not None:
            condition, icount, _, _ = self._output.found
            return self._ended(condition.kind, f"{condition.kind}: {self._output.line()}", icount, ending=ending)
        if self._runner._hangs and self._seconds > self._runner._seconds:
            # It is looked at the time only now and then.
            return self._ended(HANG, f"hang: ended later than after {self._runner._seconds:g} s", ending=ending)
        failed = EXIT if exit_code and self._runner._exits else ""
        what = f"exit: the guest ended with code {exit_code}" if failed else f"ended with code {exit_code}"
        return self._ended(failed, what, ending=ending)

    def _ended(
        self,
        failed: str,
        what: str,
        position: int | None = None,
        repeatable: bool = True,
        ending: EndOfRun | None = None,
    ) -> Finished:
        machine = self._machine
        if ending is None:
            self._replayer.pass_idle_time()
            ending = EndOfRun(machine.icount, EndReason.STOPPED, 0, machine.virtual_ns)
        digest = machine.digest()
        self._replayer.history.note_digest(machine.icount, Digests(digest, self._replayer.output.mark))
        outcome = Outcome(
            failed,
            what,
            machine.icount if position is None else min(position, machine.icount),
            machine.icount,
            self._seconds,
            self._inputs.asked,
            self._inputs.held,
            self._inputs.delayed,
            repeatable,
            digest,
        )
        return Finished(outcome, self._replayer.history, ending)
