"""The breakpoints and watchpoints that a client has inserted."""

from __future__ import annotations

from rdbg.emu.architecture import Architecture
from rdbg.emu.expression import Expression
from rdbg.emu.machine_api import Access, Conditions, MachineApi, Watch
from rdbg.quick_dataclass import dataclass
from rdbg.rsp import replies
from rdbg.rsp.agent_code import AgentError, decode
from rdbg.rsp.agent_printf import AgentPrintf, decode_printf
from rdbg.rsp.fields import PointSpec
from rdbg.rsp.packet_error import PacketError
from rdbg.timeline import Stop, StopConditions, StopReason

SOFTWARE, HARDWARE, WRITE, READ, ACCESS = range(5)

_ACCESS = {WRITE: Access.WRITE, READ: Access.READ, ACCESS: Access.ACCESS}
_WATCH_NAME = {Access.WRITE: "watch", Access.READ: "rwatch", Access.ACCESS: "awatch"}


@dataclass(frozen=True)
class _Breakpoint:
    kind: int
    conditions: tuple[Expression, ...]
    commands: tuple[AgentPrintf, ...]


@dataclass(frozen=True)
class Meaning:
    """What breakpoints ask for where the machine stands.

    Args:
        stops: whether one of them is to stop the guest.
        commands: of those that print instead.
    """

    stops: bool
    commands: tuple[AgentPrintf, ...]


class PointTable:
    """What ``Z`` and ``z`` keep. Inserting and removing is cheap: GDB does both at each step where it steps by
    breakpoints.

    Args:
        architecture: of the guest.
    """

    def __init__(self, architecture: Architecture) -> None:
        self._architecture = architecture
        self._breakpoints: dict[int, dict[int, _Breakpoint]] = {}  # address -> kind -> breakpoint
        self._watches: dict[Watch, None] = {}  # in order of insertion
        self._conditions: tuple[frozenset[int], StopConditions] | None = None
        self._guarded: frozenset[int] | None = None
        self._latest: int | None = None  # the breakpoint that was inserted last
        self._before: frozenset[int] = frozenset()  # those of the movement before

    def insert(self, spec: PointSpec) -> None:
        """Insert a point; one of the same type and place replaces the old one, with its conditions.

        Raises:
            PacketError: the range is empty or runs out of the address space, or a condition or command is damaged.
        """
        self._conditions = self._guarded = None
        if spec.kind in (SOFTWARE, HARDWARE):
            inserted = _Breakpoint(spec.kind, _conditions(spec.conditions), _commands(spec.commands))
            self._breakpoints.setdefault(spec.address, {})[spec.kind] = inserted
            self._latest = spec.address
        else:
            self._watches[self._watch(spec)] = None

    def remove(self, spec: PointSpec) -> None:
        """Remove a point; that there is none is no error (GDB may repeat a removal)."""
        self._conditions = self._guarded = None
        if spec.kind in (SOFTWARE, HARDWARE):
            here = self._breakpoints.get(spec.address, {})
            here.pop(spec.kind, None)
            if not here:
                self._breakpoints.pop(spec.address, None)
        else:
            self._watches.pop(self._watch(spec), None)

    @property
    def breakpoints(self) -> frozenset[int]:
        """Addresses that have one."""
        return frozenset(self._breakpoints)

    def is_step_from(self, pc: int, over: bool) -> bool:
        """Whether a breakpoint behind an instruction is there for one step.

        Args:
            pc: address of the instruction that is to be stepped.
            over: GDB says that it steps over a breakpoint. Else it inserts its own last, and had none there before.
        """
        behind = {pc + length for length in self._architecture.instruction_lengths} & self._breakpoints.keys()
        return bool(behind) and (over or self._latest in behind - self._before)

    def is_latest(self, pc: int) -> bool:
        """Whether the breakpoint at an address was inserted last, after the latest movement."""
        return self._latest == pc and pc in self._breakpoints

    def moving(self) -> None:
        """A movement with these points begins."""
        self._latest, self._before = None, frozenset(self._breakpoints)

    @property
    def guarded(self) -> frozenset[int]:
        """Addresses that are passed sometimes: every breakpoint there has a condition or commands."""
        if self._guarded is None:
            self._guarded = frozenset(
                address
                for address, here in self._breakpoints.items()
                if all(point.conditions or point.commands for point in here.values())
            )
        return self._guarded

    def stop_conditions(self, opened: frozenset[int] = frozenset()) -> StopConditions:
        """What a movement stops at.

        Args:
            opened: addresses to stop at whatever their conditions say.
        """
        if self._conditions is None or self._conditions[0] != opened:
            conditions = StopConditions(
                breakpoints=frozenset(self._breakpoints),
                watches=tuple(self._watches),
                conditions=self._conditions_by_address(opened),
            )
            self._conditions = opened, conditions
        return self._conditions[1]

    def met_at(self, pc: int, machine: MachineApi) -> frozenset[int]:
        """The addresses of the breakpoints that a machine meets where it stands: at ``pc``, and inside the step from
        there, in which nothing can stop."""
        between = self._architecture.instruction_alignment
        inside = range(pc + between, pc + self._architecture.step_reach + 1, between)
        met = {each for each in inside if each in self._breakpoints and machine.stops_here(frozenset({each}), {})}
        return frozenset(met | ({pc} & self._breakpoints.keys()))

    def meaning(self, met: frozenset[int], machine: MachineApi) -> Meaning:
        """What the breakpoints that the machine meets (`met_at`) ask for. The condition of one inside a step is meant
        where that begins, as GDB means it where it moves a breakpoint from a slot to its branch."""
        stops = False
        commands: list[AgentPrintf] = []
        for point in (point for address in sorted(met) for point in self._breakpoints[address].values()):
            values = [machine.evaluate(condition) for condition in point.conditions]
            if values and not any(value is None or value for value in values):
                continue
            commands += point.commands
            stops = stops or not point.commands
        return Meaning(stops, tuple(commands))

    def reason(self, stop: Stop, known: frozenset[str]) -> str:
        """The reason in a stop reply for a stop at one of these points.

        Args:
            stop: where the timeline stopped.
            known: the stop reasons (``swbreak``, ``hwbreak``) that the client has said it understands.
        """
        if stop.reason is StopReason.WATCHPOINT and stop.watch is not None:
            address = self._architecture.extended(stop.watch.address)
            return replies.watch_reason(_WATCH_NAME[stop.watch.watch.access], address)
        if stop.reason is StopReason.BREAKPOINT:
            name = "swbreak" if SOFTWARE in self._breakpoints.get(stop.pc, {}) else "hwbreak"
            if name in known and stop.pc in self._breakpoints:
                return f"{name}:"
        return ""

    def _watch(self, spec: PointSpec) -> Watch:
        if not 0 < spec.length <= self._architecture.room(spec.address):
            raise PacketError(f"cannot watch {spec.length:#x} bytes at {spec.address:#x}")
        return Watch(spec.address, spec.length, _ACCESS[spec.kind])

    def _conditions_by_address(self, opened: frozenset[int]) -> Conditions:
        """GDB's rule: a breakpoint without conditions always stops; one with some, if any of them holds."""
        conditions: dict[int, tuple[Expression, ...]] = {}
        for address, here in self._breakpoints.items():
            if address not in opened and all(point.conditions for point in here.values()):
                conditions[address] = tuple(condition for point in here.values() for condition in point.conditions)
        return conditions


def _conditions(codes: tuple[bytes, ...]) -> tuple[Expression, ...]:
    try:
        return tuple(decode(code) for code in codes)
    except AgentError as error:
        raise PacketError(f"condition of a breakpoint: {error}") from error


def _commands(commands: tuple[bytes, ...]) -> tuple[AgentPrintf, ...]:
    try:
        return tuple(decode_printf(code) for code in commands)
    except AgentError as error:
        raise PacketError(f"command of a breakpoint: {error}") from error
