"""The breakpoints and watchpoints that a client has inserted."""

from __future__ import annotations

from dataclasses import dataclass

from rdbg.emu.agent_code import AgentError, decode
from rdbg.emu.machine_api import Access, Conditions, Watch
from rdbg.rsp import replies
from rdbg.rsp.errors import PacketError
from rdbg.rsp.fields import PointSpec
from rdbg.timeline import Stop, StopConditions, StopReason

SOFTWARE, HARDWARE, WRITE, READ, ACCESS = range(5)

_ACCESS = {WRITE: Access.WRITE, READ: Access.READ, ACCESS: Access.ACCESS}
_WATCH_NAME = {Access.WRITE: "watch", Access.READ: "rwatch", Access.ACCESS: "awatch"}


@dataclass(frozen=True)
class _Breakpoint:
    kind: int
    conditions: tuple[bytes, ...]


class PointTable:
    """What ``Z`` and ``z`` keep. Inserting and removing is cheap: GDB does both at each step on MIPS."""

    def __init__(self) -> None:
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
            inserted = _Breakpoint(spec.kind, _checked(spec.conditions))
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
            self._conditions = StopConditions(
                breakpoints=frozenset(self._breakpoints),
                watches=tuple(self._watches),
                conditions=self._conditions_by_address(),
            )
        return self._conditions

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

    def _conditions_by_address(self) -> Conditions:
        """GDB's rule: a breakpoint without conditions always stops; one with some, if any of them holds."""
        conditions: dict[int, tuple[bytes, ...]] = {}
        for address, here in self._breakpoints.items():
            if all(point.conditions for point in here.values()):
                conditions[address] = tuple(code for point in here.values() for code in point.conditions)
        return conditions


def _checked(conditions: tuple[bytes, ...]) -> tuple[bytes, ...]:
    try:
        for code in conditions:
            decode(code)
    except AgentError as error:
        raise PacketError(f"condition of a breakpoint: {error}") from error
    return conditions


def _watch(spec: PointSpec) -> Watch:
    if not 0 < spec.length <= (1 << 32) - spec.address:
        raise PacketError(f"cannot watch {spec.length:#x} bytes at {spec.address:#x}")
    return Watch(spec.address, spec.length, _ACCESS[spec.kind])
