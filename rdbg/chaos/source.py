"""What comes from outside in a run whose interrupts are moved."""

from __future__ import annotations

from rdbg.chaos.policy import Policy
from rdbg.emu.inputs import InputEvent, InputKind


class ChaosInputs:
    """A LiveInputs that holds interrupts back and delays devices' work as a policy wants it, and passes on what a
    runner hands in.

    Args:
        policy: see there.
    """

    holds_interrupts = True

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._waiting: list[InputEvent] = []
        self._decided = -1  # the icount of the latest interrupt that was asked about
        self._worked: dict[int, int] = {}  # by timer: the icount of the latest piece of work that was asked about
        self._late: set[int] = set()  # timers whose work is delayed
        self.asked = 0  #: interrupts that were due
        self.held = 0  #: of these, how many were held back
        self.delayed = 0  #: pieces of devices' work that take longer

    def put(self, event: InputEvent) -> None:
        """Let this enter the CPU that waits."""
        self._waiting.append(event)

    def pending(self) -> bool:
        """Whether something was handed in."""
        return bool(self._waiting)

    def take(self) -> list[InputEvent]:
        """What was handed in."""
        taken, self._waiting = self._waiting, []
        return taken

    def hold_interrupt(self, icount: int) -> list[InputEvent]:
        """The policy's answer, as an input. Where the run is gone through once more, it is in the history."""
        if icount <= self._decided:
            return []
        self._decided = icount
        self.asked += 1
        length = self._policy.hold(icount)
        if length <= 0:
            return []
        self.held += 1
        return [InputEvent(icount, InputKind.HOLD, value=length)]

    def delay_work(self, icount: int, timer: int) -> list[InputEvent]:
        """The policy's answer, as an input. What was delayed is done when it is due then."""
        if timer in self._late:
            self._late.discard(timer)
            self._worked[timer] = icount
        if icount <= self._worked.get(timer, -1):
            return []
        self._worked[timer] = icount
        length = self._policy.delay(icount, timer)
        if length <= 0:
            return []
        self.delayed += 1
        self._late.add(timer)
        return [InputEvent(icount, InputKind.DELAY, port=timer, value=length)]
