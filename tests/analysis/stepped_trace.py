"""What a trace of every instruction is to say, found in single steps from what a debugger can look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from rdbg.emu.instruction_effects import Doing, Effects
from rdbg.emu.instruction_effects import MemoryAccess as AccessOfCode
from rdbg.emu.machine_api import Entry
from rdbg.errors import RdbgError
from rdbg.timeline import Timeline


@dataclass(frozen=True)
class TracedAccess:
    """Bytes that an instruction read or wrote.

    Args:
        address: of the first, virtual.
        data: as they stand in memory.
        store: written.
    """

    address: int
    data: bytes
    store: bool


@dataclass(frozen=True)
class TracedInstruction:
    """An instruction that ran.

    Args:
        icount: the position before it.
        pc: where it stands.
        changed: registers, by number, that are not what they were in the row before (in the first: all of them), as
            they are when it is about to run. What an exception has changed in between is there, too.
        accesses: to memory and device registers.
    """

    icount: int
    pc: int
    changed: Mapping[int, int]
    accesses: tuple[TracedAccess, ...]


class SteppedTrace:
    """Runs a stretch in single steps. The machine stands at its end afterwards.

    Args:
        timeline: the run.
        registers: numbers of the registers that are looked at.
    """

    def __init__(self, timeline: Timeline, registers: tuple[int, ...]) -> None:
        self._timeline = timeline
        self._machine = timeline.machine
        self._registers = registers
        self._effects: Callable[[bytes], Effects] = lru_cache(1 << 16)(self._machine.effects)
        self._length = self._machine.architecture.instruction_lengths[0]
        self._held: dict[int, int] = {}  # what rows have said of registers

    def rows(self, start: int, end: int) -> Iterator[TracedInstruction]:
        """The instructions from ``start`` to before ``end``, also where these are within a step."""
        timeline, machine = self._timeline, self._machine
        timeline.goto(start)
        begun = False
        while timeline.position < end:
            for row in self._step():
                if start <= row.icount < end:
                    yield row if begun else replace(row, changed=dict(self._held))
                    begun = True
            if machine.icount >= timeline.end:
                return

    def _step(self) -> Iterator[TracedInstruction]:
        timeline, machine = self._timeline, self._machine
        icount, pc = machine.icount, machine.pc
        before = {number: machine.read_register(number) for number in self._registers}
        code = machine.read_memory(pc, 2 * self._length)
        first = self._effects(code[: self._length]) if len(code) >= self._length else Effects("unmapped")
        second = self._effects(code[self._length :]) if machine.runs_slot and len(code) == 2 * self._length else None
        # What memory holds before: loads take it, and a store of a condition may leave it alone.
        linked = {number: pc + len(code) & 0xFFFF_FFFF for number in first.sets if first.doing is Doing.LINK}
        loads = [
            self._touched(each, values) if each is not None and each.access is not None else None
            for each, values in ((first, before), (second, before | linked))
        ]
        timeline.step()
        retired = machine.icount - icount
        if retired > 2:
            raise RdbgError(f"a step of {retired} instructions at icount {icount}: a trace cannot tell them apart")
        raised = machine.take_trace()[-1]["entry"] == Entry.EXCEPTION
        ran = [] if retired == 0 else [first] if second is None else [first, second]
        for index, effects in enumerate(ran):
            values = before | linked if index else before
            changed = {number: value for number, value in values.items() if self._held.get(number) != value}
            self._held.update(changed)
            found = loads[index]
            accesses = () if found is None or raised and index + 1 == retired else self._made(effects, values, found)
            yield TracedInstruction(icount + index, pc + index * self._length, changed, accesses)

    def _touched(self, effects: Effects, values: Mapping[int, int]) -> tuple[int, bytes]:
        """Where an instruction accesses memory, and the bytes there before it."""
        access = effects.access
        assert access is not None
        address, length = self._place(access, values)
        return address, self._machine.read_memory(address, length)

    def _place(self, access: AccessOfCode, values: Mapping[int, int]) -> tuple[int, int]:
        lanes = access.moved(self._computed(access, values), self._machine.big_endian).values()
        return min(lanes), len(lanes)

    def _value(self, number: int, values: Mapping[int, int]) -> int:
        return values[number] if number in values else self._machine.read_register(number)

    def _made(self, effects: Effects, values: Mapping[int, int], found: tuple[int, bytes]) -> tuple[TracedAccess, ...]:
        """The access of an instruction that has run."""
        access, (address, data) = effects.access, found
        assert access is not None
        if access.store and effects.sets and not self._machine.read_register(access.register):
            return ()  # a store of a condition that did not hold
        lanes = access.moved(self._computed(access, values), self._machine.big_endian)
        # A device register has no bytes to look at: the register that is moved tells them.
        register = (
            self._value(access.register, values) if access.store else self._machine.read_register(access.register)
        )
        if access.store and access.size == 8:  # of two registers
            data = self._machine.read_memory(address, access.size)
        elif access.store or len(data) < len(lanes):
            data = bytes(register >> 8 * lane & 0xFF for lane, _ in sorted(lanes.items(), key=lambda each: each[1]))
        return (TracedAccess(address, data, access.store),)

    def _computed(self, access: AccessOfCode, values: Mapping[int, int]) -> int:
        index = 0 if access.index is None else self._value(access.index, values)
        return self._value(access.base, values) + index + access.offset & 0xFFFF_FFFF
