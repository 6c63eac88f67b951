"""Breakpoints that the guest passes: those whose condition does not hold, and those that print and go on.

On some architectures GDB steps by temporary breakpoints. Where a breakpoint with a condition or commands is inserted
already, GDB 13 and 18 send no other one for the same address, and a step onto it, or over a call that returns to it,
would run away. The stub cannot know what GDB waits for. So GDB is told of the first hit of each such address after a
stop that the user may have seen; it looks at the condition itself, and resumes if that is all there is. From then on
the stub decides, but for the very next step, which is where ``stepi`` would stop. Backward GDB steps by ``bs``, and
waits at an address only after such a step, which may have led into a call.
"""

from __future__ import annotations

from collections.abc import Callable

from rdbg.stub.points import PointTable
from rdbg.stub.printer import Printer
from rdbg.timeline import Stop, StopConditions, StopReason, Timeline

#: Goes to the first of some stop conditions; True: the breakpoint where it begins has been dealt with.
Movement = Callable[[StopConditions, bool], Stop]


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
        self._obeyed: tuple[int, int] | None = None  # position and PC of commands that are not to be obeyed again

    def forward(self, movement: Movement, *, over: bool = False, waiting: bool = True) -> Stop:
        """Run to what GDB should see, and obey the commands that are met.

        Args:
            movement: to the first of the stop conditions.
            over: GDB steps over a breakpoint, to go on from there: the user will not see this stop.
            waiting: GDB may wait at a breakpoint of its own that it has not inserted. False: the movement is a step.
        """
        stop, told = self._move(movement, waiting)
        if not told and not over:
            self._told.clear()
        return stop

    def backward(self, movement: Callable[[StopConditions], Stop]) -> Stop:
        """The same backward."""
        self._obeyed = None
        stop, told = self._move(lambda conditions, passes: movement(conditions), self._stepping_back)
        self._obeyed = None
        if not told:
            self._told.clear()
            self._stepping_back = False
        return stop

    def stepped_back(self) -> None:
        """GDB has made a step backward."""
        self._stepping_back = True
        self._obeyed = None

    def _move(self, movement: Movement, waiting: bool) -> tuple[Stop, bool]:
        """The stop, and whether GDB is told of it only since it may be ``waiting`` there."""
        guarded = self._points.guarded
        if not guarded:
            return movement(self._points.stop_conditions(), False), False
        machine, origin = self._timeline.machine, self._timeline.position
        passes = False
        opened = guarded - (self._told & {machine.pc}) if waiting else frozenset()
        try:
            while True:
                stop = movement(self._points.stop_conditions(opened), passes)
                if stop.reason is not StopReason.BREAKPOINT:
                    return stop, False
                met = self._points.met_at(stop.pc, machine)
                if not met or not met <= guarded:
                    return stop, False
                meaning = self._points.meaning(met, machine)
                if self._obeyed != (stop.position, stop.pc):
                    self._printer.obey(meaning.commands)
                if meaning.stops:
                    return stop, False
                self._obeyed, passes = (stop.position, stop.pc), True
                distance = abs(stop.position - origin)
                if (
                    waiting
                    and stop.pc in met
                    and distance
                    and (stop.pc not in self._told or distance <= machine.architecture.longest_step)
                ):
                    self._told.add(stop.pc)
                    return stop, True
                opened = guarded - self._told if waiting else frozenset()
                if self._interrupted():
                    return Stop(StopReason.INTERRUPTED, stop.position, stop.pc), False
        finally:
            self._printer.flush()
