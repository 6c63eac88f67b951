"""Breakpoints that the guest passes: those whose condition does not hold, and those that print and go on.

GDB for MIPS steps by temporary breakpoints. Where a breakpoint with a condition or commands is inserted already, GDB 13
and 18 send no other one for the same address, and a step onto it, or over a call that returns to it, would run away.
The stub cannot know what GDB waits for. So GDB is told of the first hit of each such address after a stop that the user
may have seen; it looks at the condition itself, and resumes if that is all there is. From then on the stub decides, but
for the very next step, which is where ``stepi`` would stop. Backward GDB steps by ``bs``, and waits at an address only
after such a step, which may have led into a call.
"""

from __future__ import annotations

from collections.abc import Callable

from rdbg.stub.points import PointTable
from rdbg.stub.printer import Printer
from rdbg.timeline import Stop, StopConditions, StopReason, Timeline

#: Instructions; a branch and its slot are one step.
_LONGEST_STEP = 2


class Passing:
    """Moves a guest to where GDB wants to see it.

    Args:
        timeline: the run.
        points: what GDB has inserted.
        say: prints on the user's console.
        interrupted: whether the movement is to end.
    """

    def __init__(
        self, timeline: Timeline, points: PointTable, say: Callable[[str], None], interrupted: Callable[[], bool]
    ) -> None:
        self._timeline = timeline
        self._points = points
        self._interrupted = interrupted
        self._printer = Printer(timeline.machine, say)
        self._told: set[int] = set()  # addresses whose first hit GDB has been told of
        self._stepping_back = False  # the last movement was a step backward

    def forward(self, movement: Callable[[StopConditions], Stop], *, over: bool = False) -> Stop:
        """Run to what GDB should see, and obey the commands that are met.

        Args:
            movement: to the next of the stop conditions.
            over: GDB steps over a breakpoint, to go on from there: the user will not see this stop.
        """
        stop, told = self._move(movement, waiting=True)
        if not told and not over:
            self._told.clear()
        return stop

    def backward(self, movement: Callable[[StopConditions], Stop]) -> Stop:
        """The same backward."""
        stop, told = self._move(movement, self._stepping_back)
        if not told:
            self._told.clear()
            self._stepping_back = False
        return stop

    def stepped_back(self) -> None:
        """GDB has made a step backward."""
        self._stepping_back = True

    def _move(self, movement: Callable[[StopConditions], Stop], waiting: bool) -> tuple[Stop, bool]:
        """The stop, and whether GDB is told of it only since it may be ``waiting`` there."""
        guarded = self._points.guarded
        if not guarded:
            return movement(self._points.stop_conditions()), False
        machine, origin = self._timeline.machine, self._timeline.position
        opened = guarded - (self._told & {machine.pc}) if waiting else frozenset()
        try:
            while True:
                stop = movement(self._points.stop_conditions(opened))
                if stop.reason is not StopReason.BREAKPOINT or stop.pc not in guarded:
                    return stop, False
                meaning = self._points.meaning(stop.pc, machine)
                self._printer.obey(meaning.commands)
                if meaning.stops:
                    return stop, False
                if waiting and (stop.pc not in self._told or abs(stop.position - origin) <= _LONGEST_STEP):
                    self._told.add(stop.pc)
                    return stop, True
                opened = guarded - self._told if waiting else frozenset()
                if self._interrupted():
                    return Stop(StopReason.INTERRUPTED, stop.position, stop.pc), False
        finally:
            self._printer.flush()

    def at(self, pc: int) -> bool:
        """Whether a single step that has led to a breakpoint ends there; obeys its commands."""
        meaning = self._points.meaning(pc, self._timeline.machine)
        self._printer.obey(meaning.commands)
        self._printer.flush()
        return meaning.stops
