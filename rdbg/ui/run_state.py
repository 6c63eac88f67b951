"""Where a run stands, as pages are told."""

from __future__ import annotations

from enum import StrEnum

from rdbg.monitor.command import MonitorContext
from rdbg.quick_dataclass import dataclass


class GuestDoes(StrEnum):
    """What the guest does."""

    STANDS = "stands"
    MOVES = "moves"  #: GDB, or a monitor, moves it
    RUNS = "runs"  #: by itself


@dataclass(frozen=True)
class RunState:
    """A run, as of now.

    Args:
        position: icount where it stood last; of one that runs by itself, where it is.
        pc: where that is, as users read it.
        virtual_ns: virtual time there.
        start, end: icounts of the history's ends.
        branch: the one that it is on.
        live: whether the run goes on past ``end``.
        doing: see there.
        gdb: whether a GDB is connected.
        version: another one: what was known of the past may be something else, or there is more of it.
    """

    position: int
    pc: str
    virtual_ns: int
    start: int
    end: int
    branch: str
    live: bool
    doing: GuestDoes
    gdb: bool
    version: int


class StateKeeper:
    """Tells a run's states apart.

    Args:
        context: the run.
    """

    def __init__(self, context: MonitorContext) -> None:
        self._context = context
        self._known: tuple[object, int] = (None, -1)
        self._version = 0
        self._stood: tuple[int, str, int] = (0, "", 0)

    def now(self, doing: GuestDoes) -> RunState:
        """The state at hand; while it `MOVES`, its position is where it stood before."""
        timeline, control = self._context.timeline, self._context.control
        end = timeline.end
        if self._known[0] is not timeline.history or self._known[1] != end:
            self._known = timeline.history, end
            self._version += 1
        if doing is not GuestDoes.MOVES:
            machine = timeline.machine
            self._stood = timeline.position, machine.architecture.shown(machine.pc), machine.virtual_ns
        position, pc, virtual_ns = self._stood
        return RunState(
            position, pc, virtual_ns, timeline.start, end, timeline.branch_name, timeline.live, doing,
            control.attached, self._version,
        )  # fmt: skip
