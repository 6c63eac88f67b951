"""The slow, simple way to know where values came from: a run in single steps that carries the instruction that made it
beside each byte of registers and memory. It shares nothing with `rdbg.analysis`: not the search, and not the tables of
what instructions do.

``python -m tests.analysis.forward_provenance QUERIES`` compares as many random questions.
"""

from __future__ import annotations

import argparse
import random
import time

from rdbg.analysis.origin import OriginSearch, SoughtBytes
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.emu.machine import Machine
from rdbg.history.history import History
from rdbg.navigation.stops import StopConditions
from rdbg.timeline import Timeline
from tests.emu.guests import CODE, LOOP, NOP, addiu, beq, i_type, lui, machine_with, r_type

_DATA = 0x80200000
_BASE = 16
_WORK = range(8, 16)
_SIZE = 64
_LOADS = {0x20: 1, 0x21: 2, 0x23: 4, 0x24: 1, 0x25: 2}
_STORES = {0x28: 1, 0x29: 2, 0x2B: 4}

#: Who made a byte: the instruction's icount; -1: the zeros of the start; -2: the zero register, or zeros above what was
#: loaded.
Maker = int
START, ZERO = -1, -2


class ForwardProvenance:
    """Runs a guest in which nothing happens but what `random_guest` makes.

    Args:
        machine: at the guest's start; it is run in single steps.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.registers = [[START] * 4 for _ in range(32)]
        self.registers[0] = [ZERO] * 4
        self.memory = [START] * _SIZE

    def step(self) -> None:
        """A step of the machine: an instruction, or a branch and its slot."""
        machine = self.machine
        icount, pc = machine.icount, machine.pc
        word, count = self._word(pc), 1
        op, rs, rt = word >> 26, word >> 21 & 31, word >> 16 & 31
        # A branch that no register's value could make is taken by the core as an instruction without a slot.
        if op in (0x04, 0x05, 0x14, 0x15) and not (op == 0x05 and rs == rt):
            count = 2
            taken = (machine.read_register(rs) == machine.read_register(rt)) == (op in (0x04, 0x14))
            if taken or op < 0x14:
                self._carry(self._word(pc + 4), icount + 1)
        else:
            self._carry(word, icount)
        machine.step()
        assert machine.icount == icount + count, f"{pc:#x}: {word:#010x} took {machine.icount - icount} instructions"

    def _word(self, at: int) -> int:
        return int.from_bytes(self.machine.read_memory(at, 4), "big" if self.machine.big_endian else "little")

    def _lanes(self, at: int, size: int) -> list[int]:
        """Where the bytes of a value lie, the least significant first."""
        return [at + size - 1 - n if self.machine.big_endian else at + n for n in range(size)]

    def _carry(self, word: int, icount: int) -> None:
        op, rs, rt, rd = word >> 26, word >> 21 & 31, word >> 16 & 31, word >> 11 & 31
        offset = (word & 0x7FFF) - (word & 0x8000)
        registers, memory = self.registers, self.memory
        target = rt
        new: list[Maker] | None = None
        if op in _LOADS or op in (0x22, 0x26):
            at = self.machine.read_register(rs) + offset - _DATA
            if op in _LOADS:
                size = _LOADS[op]
                new = [memory[n] for n in self._lanes(at, size)]
                new += [new[-1] if op in (0x20, 0x21) else ZERO] * (4 - size)
            else:
                new = list(registers[rt])
                for lane, n in self._unaligned(at, op == 0x22).items():
                    new[lane] = memory[n]
        elif op in _STORES:
            at = self.machine.read_register(rs) + offset - _DATA
            for lane, n in enumerate(self._lanes(at, _STORES[op])):
                memory[n] = registers[rt][lane]
        elif op in (0x2A, 0x2E):
            at = self.machine.read_register(rs) + offset - _DATA
            for lane, n in self._unaligned(at, op == 0x2A).items():
                memory[n] = registers[rt][lane]
        elif op in (0x09, 0x0F, 0x0E):
            new = list(registers[rs]) if op == 0x09 and not offset and rs else [icount] * 4
        elif op == 0 and word & 63 in (0x21, 0x25, 0x26, 0x0A, 0x0B):
            target, function = rd, word & 63
            if function in (0x0A, 0x0B):
                moves = (self.machine.read_register(rt) == 0) == (function == 0x0A)
                new = list(registers[rs]) if moves else None
            elif 0 in (rs, rt) or function == 0x25 and rs == rt:
                new = list(registers[rs or rt])
            else:
                new = [icount] * 4
        if new is not None and target:
            registers[target] = new

    def _unaligned(self, at: int, left: bool) -> dict[int, int]:
        """Which bytes of the word around an address lwl and its like move: lane to place."""
        places = self._lanes(at & ~3, 4)
        addressed = places.index(at)
        if left:
            return {3 - addressed + lane: places[lane] for lane in range(addressed + 1)}
        return {lane - addressed: places[lane] for lane in range(addressed, 4)}


def random_guest(seed: int) -> list[int]:
    """Copies, constants and arithmetic between registers and 64 bytes of memory, in loops, slots and likely slots."""
    dice = random.Random(seed)
    work = lambda: dice.choice(_WORK)  # noqa: E731

    def plain() -> int:
        kind = dice.random()
        if kind < 0.2:
            return dice.choice([addiu(work(), 0, dice.randrange(-99, 99)), lui(work(), dice.randrange(1 << 16))])
        if kind < 0.3:
            return r_type(dice.choice([0x21, 0x26]), work(), work(), work())
        if kind < 0.45:
            conditional = r_type(dice.choice([0x0A, 0x0B]), work(), work(), work())
            copies = [r_type(0x25, work(), 0, work()), r_type(0x21, 0, work(), work()), addiu(work(), work(), 0)]
            return dice.choice([*copies, conditional])
        op = dice.choice([0x20, 0x21, 0x23, 0x24, 0x25, 0x22, 0x26, 0x28, 0x29, 0x2B, 0x2A, 0x2E])
        size = _LOADS.get(op) or _STORES.get(op) or 1
        return i_type(op, _BASE, work(), dice.randrange(_SIZE // size) * size)

    code = [lui(_BASE, _DATA >> 16)]
    while len(code) < 120:
        if dice.random() < 0.15:
            code += [i_type(dice.choice([4, 5, 0x14, 0x15]), work(), work(), 2), plain(), plain()]
        else:
            code.append(plain())
    return [*code, beq(0, 0, -len(code)), plain(), LOOP, NOP]


def compare(seed: int, queries: int, instructions: int = 700) -> int:
    """Ask random questions of a generated guest, and compare; gives how many.

    Raises:
        AssertionError: an origin is another than that which was carried forward.
    """
    dice = random.Random(seed)
    words = random_guest(seed)
    timeline = Timeline(machine_with(words, big_endian=bool(seed & 1)), History.live_run())
    timeline.run(StopConditions(), lambda: timeline.position >= instructions)
    forward = ForwardProvenance(machine_with(words, big_endian=bool(seed & 1)))
    assert forward.machine.pc == CODE
    positions = sorted(dice.randrange(20, instructions) for _ in range(queries))
    for position in positions:
        while forward.machine.icount < position:
            forward.step()
        timeline.goto(forward.machine.icount)
        assert timeline.machine.digest() == forward.machine.digest()
        if dice.random() < 0.5:
            register = dice.choice(_WORK)
            lane = dice.randrange(4)
            target, expected = SoughtBytes(timeline.position, register, (lane,)), forward.registers[register][lane]
        else:
            at = dice.randrange(_SIZE)
            target, expected = SoughtBytes(timeline.position, None, (), _DATA + at, 1), forward.memory[at]
        with ReplayedRun(timeline) as run:
            steps = list(OriginSearch(run).steps(target))
        assert [step.ends for step in steps] == [False] * (len(steps) - 1) + [True], (seed, target, steps)
        last = steps[-1]
        if expected == START:
            assert "as the run began" in last.what, (seed, target, steps)
        elif expected == ZERO:
            assert "0, a constant" in last.what or "zeros above" in last.what, (seed, target, steps)
        else:
            assert last.icount == expected, (seed, target, expected, steps)
    timeline.close()
    return len(positions)


def main() -> None:
    """Compare as many questions as are asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("queries", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    done, seed, began = 0, options.seed, time.monotonic()
    while done < options.queries:
        done += compare(seed, 50)
        seed += 1
    print(f"{done} origins equal those carried forward, in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
