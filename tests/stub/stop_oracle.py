"""What stops a guest, found the plain way: one instruction at a time, every access worked out from the registers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import Access, Watch

SIZES = {0x20: 1, 0x24: 1, 0x28: 1, 0x21: 2, 0x25: 2, 0x29: 2, 0x23: 4, 0x30: 4, 0x2B: 4, 0x38: 4}
LEFT, RIGHT = (0x22, 0x2A), (0x26, 0x2E)
STORES = (0x28, 0x29, 0x2A, 0x2B, 0x2E, 0x38)


@dataclass(frozen=True)
class Made:
    """An access: first and last byte, and whether it is a store."""

    first: int
    last: int
    store: bool

    def is_watched(self, watches: Iterable[Watch]) -> bool:
        """Whether one of the watches is for it."""
        kind = Access.WRITE if self.store else Access.READ
        return any(
            self.first < watch.address + watch.length
            and self.last >= watch.address
            and watch.access in (kind, Access.ACCESS)
            for watch in watches
        )


@dataclass(frozen=True)
class Moment:
    """A position, and what the step from it does.

    Args:
        position: icount.
        pc: of the next instruction.
        registers: the 32 general ones.
        slot: address of the delay slot, if the next instruction is a branch.
        made: accesses.
    """

    position: int
    pc: int
    registers: tuple[int, ...]
    slot: int | None
    made: tuple[Made, ...]


@dataclass(frozen=True)
class Breakpoint:
    """One at an address; with ``equal``, its condition is that the register's two lowest bits are that."""

    address: int
    register: int = 0
    equal: int | None = None

    def stops(self, moment: Moment) -> bool:
        """Whether it stops before the step from there."""
        if self.address == moment.slot:
            return True
        holds = self.equal is None or moment.registers[self.register] & 3 == self.equal
        return self.address == moment.pc and holds


class StopOracle:
    """All moments of a guest's run up to an address.

    Args:
        machine: at its start; it is run.
        last: address of the instruction where the run ends.
        handler: addresses of the handler of exceptions.
    """

    def __init__(self, machine: Machine, last: int, handler: range) -> None:
        self._machine = machine
        self._handler = handler
        self.moments = [self._moment()]
        while machine.pc != last:
            machine.step()
            self.moments.append(self._moment())
        self._index = {moment.position: index for index, moment in enumerate(self.moments)}

    def _moment(self) -> Moment:
        machine = self._machine
        pc = machine.pc
        registers = tuple(machine.read_register(number) for number in range(32))
        word, following = self._word(pc), self._word(pc + 4)
        is_branch = word >> 26 in (1, 2, 3, 4, 5, 6, 7)
        made = [self._made(each, registers) for each in ([word, following] if is_branch else [word])]
        return Moment(
            machine.icount,
            pc,
            registers,
            pc + 4 if is_branch else None,
            tuple(each for each in made if each is not None),
        )

    def _word(self, address: int) -> int:
        return int.from_bytes(self._machine.read_memory(address, 4), "big" if self._machine.big_endian else "little")

    def _made(self, word: int, registers: tuple[int, ...]) -> Made | None:
        op = word >> 26
        address = (registers[word >> 21 & 31] + (word & 0x7FFF) - (word & 0x8000)) & 0xFFFF_FFFF
        if op in SIZES:
            return Made(address, address + SIZES[op] - 1, op in STORES)
        if op in LEFT or op in RIGHT:
            if (op in LEFT) == self._machine.big_endian:
                return Made(address, address | 3, op in STORES)
            return Made(address & ~3, address, op in STORES)
        return None

    def at(self, position: int) -> Moment:
        """The moment at a position."""
        return self.moments[self._index[position]]

    def after(self, position: int) -> int:
        """The next position."""
        return self.moments[self._index[position] + 1].position

    def before(self, position: int) -> int:
        """The position before."""
        return self.moments[self._index[position] - 1].position

    def step_back(self, position: int, stood: int | None) -> int:
        """Where ``bs`` ends: over the handler of an exception, unless the user has stood in it before."""
        index = self._index[position] - 1
        if self.moments[index].pc not in self._handler or self.moments[index + 1].pc in self._handler:
            return self.moments[index].position
        end = self.moments[index].position
        while self.moments[index].pc in self._handler:
            index -= 1
        entered = stood is not None and self.moments[index + 1].position <= stood <= end
        return end if entered else self.moments[index].position

    def here(self, position: int, breakpoints: Iterable[Breakpoint], watches: Iterable[Watch]) -> str:
        """What stops before the step from a position: ``break``, ``watch`` or nothing."""
        moment = self.at(position)
        if any(point.stops(moment) for point in breakpoints):
            return "break"
        return "watch" if any(made.is_watched(watches) for made in moment.made) else ""

    def forward(self, position: int, breakpoints: list[Breakpoint], watches: list[Watch]) -> tuple[str, int]:
        """Where ``c`` ends."""
        for moment in self.moments[self._index[position] : -1]:
            why = self.here(moment.position, breakpoints, watches)
            if why:
                return why, moment.position
        last = self.moments[-1]
        return "break" if any(point.stops(last) for point in breakpoints) else "end", last.position

    def backward(self, position: int, breakpoints: list[Breakpoint], watches: list[Watch]) -> tuple[str, int]:
        """Where ``bc`` ends: before a breakpoint's instruction, or behind an access."""
        for index in range(self._index[position] - 1, -1, -1):
            if any(made.is_watched(watches) for made in self.moments[index].made):
                return "watch", self.moments[index + 1].position
            if any(point.stops(self.moments[index]) for point in breakpoints):
                return "break", self.moments[index].position
        return "begin", self.moments[0].position
