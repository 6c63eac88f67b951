"""The breakpoints and watchpoints that a client has inserted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rdbg.emu.machine_api import Access, Watch
from rdbg.rsp import replies
from rdbg.rsp.agent import AgentError, AgentExpression
from rdbg.rsp.errors import PacketError
from rdbg.rsp.fields import PointSpec
from rdbg.timeline import Stop, StopConditions, StopReason

SOFTWARE, HARDWARE, WRITE, READ, ACCESS = range(5)

_ACCESS = {WRITE: Access.WRITE, READ: Access.READ, ACCESS: Access.ACCESS}
_WATCH_NAME = {Access.WRITE: "watch", Access.READ: "rwatch", Access.ACCESS: "awatch"}

Evaluator = Callable[[AgentExpression], bool]


@dataclass(frozen=True)
class _Breakpoint:
    kind: int
    conditions: tuple[AgentExpression, ...]


class PointTable:
    """What ``Z`` and ``z`` keep. Inserting and removing is cheap: GDB does both at each step on MIPS.

    Args:
        holds: evaluates a condition where the machine stands.
    """

    def __init__(self, holds: Evaluator) -> None:
        self._holds = holds
        self._breakpoints: dict[int, dict[int, _Breakpoint]] = {}  # address -> kind -> breakpoint
        self._watches: dict[Watch, None] = {}  # in order of insertion
        self._conditions: StopConditions | None = None

    def insert(self, spec: PointSpec) -> None:
        """Insert a point; one of the same type and place replaces the old one, with its conditions.

        Raises:
            PacketError: the range is empty or runs out of the address space.
        """
        self._conditions = None
        if spec.kind in (SOFTWARE, HARDWARE):
            inserted = _Breakpoint(spec.kind, _compiled(spec.conditions))
            self._breakpoints.setdefault(spec.address, {})[spec.kind] = inserted
        else:
            self._watches[_watch(spec)] = None

    def remove(self, spec: PointSpec) -> None:
        """Remove a point; that there is none is no error (GDB may repeat a removal)."""
        self._conditions = None
        if spec.kind in (SOFTWARE, HARDWARE):
            here = self._breakpoints.get(spec.address, {})
            here.pop(spec.kind, None)
            if not here:
                self._breakpoints.pop(spec.address, None)
        else:
            self._watches.pop(_watch(spec), None)

    def stop_conditions(self) -> StopConditions:
        """What a movement stops at."""
        if self._conditions is None:
            conditional = any(point.conditions for here in self._breakpoints.values() for point in here.values())
            self._conditions = StopConditions(
                breakpoints=frozenset(self._breakpoints),
                watches=tuple(self._watches),
                condition=self._stops_at if conditional else None,
            )
        return self._conditions

    def at(self, address: int) -> bool:
        """Whether a breakpoint that stops here and now is at the address."""
        return address in self._breakpoints and self._stops_at(address)

    def reason(self, stop: Stop, known: frozenset[str]) -> str:
        """The reason in a stop reply for a stop at one of these points.

        Args:
            stop: where the timeline stopped.
            known: the stop reasons (``swbreak``, ``hwbreak``) that the client has said it understands.
        """
        if stop.reason is StopReason.WATCHPOINT and stop.watch is not None:
            return replies.watch_reason(_WATCH_NAME[stop.watch.watch.access], stop.watch.address)
        if stop.reason is StopReason.BREAKPOINT:
            name = "swbreak" if SOFTWARE in self._breakpoints.get(stop.pc, {}) else "hwbreak"
            if name in known and stop.pc in self._breakpoints:
                return f"{name}:"
        return ""

    def _stops_at(self, address: int) -> bool:
        """GDB's rule: without conditions always; else when any one holds. One that fails to evaluate stops too."""
        here = self._breakpoints.get(address)
        if here is None:
            return True  # the breakpoint is in the delay slot of the branch here
        for point in here.values():
            if not point.conditions or any(self._holds(condition) for condition in point.conditions):
                return True
        return False


def _compiled(conditions: tuple[bytes, ...]) -> tuple[AgentExpression, ...]:
    try:
        return tuple(map(AgentExpression, conditions))
    except AgentError as error:
        raise PacketError(f"condition of a breakpoint: {error}") from error


def _watch(spec: PointSpec) -> Watch:
    if not 0 < spec.length <= (1 << 32) - spec.address:
        raise PacketError(f"cannot watch {spec.length:#x} bytes at {spec.address:#x}")
    return Watch(spec.address, spec.length, _ACCESS[spec.kind])
