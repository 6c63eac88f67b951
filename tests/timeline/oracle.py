"""What happened, found the plain way: one instruction at a time, everything written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rdbg.emu.endpoint import Endpoint
from rdbg.emu.inputs import InputEvent
from rdbg.emu.machine_api import RunRequest, StopKind, Watch, WatchHit
from rdbg.history.history import History
from rdbg.navigation.stops import StopConditions, StopReason
from tests.timeline.toy import Op, Toy


@dataclass
class Moment:
    position: int
    pc: int
    digest: bytes
    regs: tuple[int, ...]
    machine: Toy = field(repr=False)


class Oracle:
    """All positions of a run whose inputs stand in ``history``, up to ``end``."""

    def __init__(self, kind: type[Toy], program: Sequence[Op], seed: int, history: History, end: int) -> None:
        self.output = b""
        machine = kind(program, seed=seed)
        machine.set_output(self._sink)
        machine.inputs = history
        history.seek(-1)
        self.accesses: list[tuple[int, int, list[tuple[int, int, object]]]] = []  # before, after, accesses
        self.moments: list[Moment] = []
        while True:
            self._apply(machine, history.take_pokes(machine.icount))
            while history.next_icount() == machine.icount and machine.icount <= end and history.ahead:
                machine.run(RunRequest(until=machine.icount))
                self._apply(machine, history.take_pokes(machine.icount))
            self.moments.append(Moment(machine.icount, machine.pc, machine.digest(), tuple(machine.regs), machine))
            if machine.icount >= end:
                break
            before, made = machine.icount, machine._accesses()
            stop = machine.run(RunRequest(until=before + machine._unit(), exact=True))
            if stop.kind is not StopKind.LIMIT:
                break
            self.accesses.append((before, machine.icount, made))
        self.by_position = {moment.position: moment for moment in self.moments}
        self.positions = [moment.position for moment in self.moments]

    def _sink(self, icount: int, endpoint: Endpoint, data: bytes) -> None:
        self.output += data

    @staticmethod
    def _apply(machine: Toy, events: list[InputEvent]) -> None:
        for event in events:
            machine.apply(event)

    def floor(self, position: int) -> int:
        return max(p for p in self.positions if p <= position)

    def _matches(self, made: list[tuple[int, int, object]], watches: Sequence[Watch]) -> bool:
        for address, length, kind in made:
            for watch in watches:
                overlap = max(address, watch.address) < min(address + length, watch.address + watch.length)
                if overlap and (watch.access.value == "access" or watch.access is kind):
                    return True
        return False

    def reverse_run(self, origin: int, conditions: StopConditions, passing: set[int] | None) -> tuple[StopReason, int]:
        """Where a backward run from ``origin`` must end. ``passing``: positions where the condition holds."""
        place, reason, rank = self.positions[0], StopReason.HISTORY_START, -1
        for moment in self.moments:
            if moment.position < origin and moment.pc in conditions.breakpoints:
                if passing is None or moment.position in passing:
                    place, reason, rank = moment.position, StopReason.BREAKPOINT, 1
        for _before, after, made in self.accesses:
            if after <= origin and self._matches(made, conditions.watches):
                if rank == -1 or after > place:
                    place, reason, rank = after, StopReason.WATCHPOINT, 0
        return reason, place

    def here(self, position: int, conditions: StopConditions, passing: set[int] | None) -> StopReason | None:
        """What stops a movement forward before the instruction at ``position``: a breakpoint goes before an access."""
        if self.by_position[position].pc in conditions.breakpoints and (passing is None or position in passing):
            return StopReason.BREAKPOINT
        made = next((made for before, _after, made in self.accesses if before == position), [])
        return StopReason.WATCHPOINT if self._matches(made, conditions.watches) else None

    def accessed_before(self, position: int, conditions: StopConditions) -> bool:
        """Whether the instruction that led to ``position`` made a watched access."""
        made = next((made for _before, after, made in self.accesses if after == position), [])
        return self._matches(made, conditions.watches)

    def run(self, origin: int, conditions: StopConditions, passing: set[int] | None) -> tuple[StopReason, int] | None:
        """Where a forward run must end, or None: at the end of history."""
        for position in self.positions:
            reason = self.here(position, conditions, passing) if position >= origin else None
            if reason is not None:
                return reason, position
        return None


__all__ = ["Moment", "Oracle", "WatchHit"]
