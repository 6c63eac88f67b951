"""The TLB: what tlbwr has replaced may go on to translate, but nothing that the guest can do shows that it does."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from rdbg.emu.machine import Machine
from tests.emu.guests import CODE, KERNEL_MODE, lw, machine_with, sw

TLBR, TLBWI, TLBWR, TLBP = 0x42000001, 0x42000002, 0x42000006, 0x42000008
WORDS = [TLBR, TLBWI, TLBWR, TLBP, lw(9, 0, 8), sw(10, 4, 8)]
INDEX, LO0, LO1, MASK, HI, CAUSE = 0, 2, 3, 5, 10, 13
VALID, DIRTY, GLOBAL = 2, 4, 1
REFILL, GENERAL = 0x8000_0000, 0x8000_0180
FIRST_FRAME, FRAMES = 0x200, 64
PAIRS = 40
NO_MATCH = 1 << 31


@dataclass(frozen=True)
class Entry:
    """As it was written."""

    hi: int
    lo: tuple[int, int]

    def matches(self, hi: int) -> bool:
        """Whether it is for the address and ASID in ``hi``."""
        same = (self.hi ^ hi) & 0xFFFF_E000 == 0
        return same and (bool(self.lo[0] & self.lo[1] & GLOBAL) or (self.hi ^ hi) & 0xFF == 0)


class Guest:
    """Does instructions one by one, and knows what they may lead to."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.machine: Machine = machine_with(WORDS)
        self.core = self.machine.core
        self.replaced: list[Entry] = []
        self.probed = 0
        self.helped = self.refills = 0
        for frame in range(FIRST_FRAME, FIRST_FRAME + FRAMES):
            self.core.memory.write_pages([frame], frame.to_bytes(4, "little") * 1024)
        self.core.registers.write_cp0(12, 0, KERNEL_MODE)

    def do(self, word: int) -> int:
        """One instruction; gives where the CPU stands then."""
        self.core.registers.write_cp0(12, 0, KERNEL_MODE)
        self.core.registers.write_pc(CODE + 4 * WORDS.index(word))
        self.core.step()
        return self.core.pc

    def real(self) -> list[Entry]:
        return [Entry(hi, (lo0, lo1)) for hi, _, lo0, lo1 in self.core.registers.tlb()]

    def write(self, word: int) -> None:
        """A new entry, never one that another entry in the TLB is for."""
        hi = self.chance.randrange(PAIRS) << 13 | self.core.registers.read_cp0(HI, 0) & 0xFF
        lo = [
            self.chance.randrange(FIRST_FRAME, FIRST_FRAME + FRAMES) << 6 | self.chance.choice([0, VALID, 6, 6])
            for _ in range(2)
        ]
        self.core.registers.write_cp0(HI, 0, hi)
        index = next((n for n, entry in enumerate(self.real()) if entry.matches(hi)), None)
        if index is not None and self.chance.random() < 0.95:
            return
        if index is not None:
            word = TLBWI
        elif word == TLBWI:
            index = self.chance.randrange(16)
        if index is not None:
            self.core.registers.write_cp0(INDEX, 0, index)
        self.core.registers.write_cp0(LO0, 0, lo[0])
        self.core.registers.write_cp0(LO1, 0, lo[1])
        before = self.real()
        self.do(word)
        self.replaced = [entry for entry in self.replaced if not entry.matches(hi)]
        changed = [old for old, new in zip(before, self.real(), strict=True) if old != new]
        if word == TLBWR:
            self.replaced += changed
        elif changed and not (changed[0].hi == hi and all(map(_grows, changed[0].lo, lo))):
            self.replaced = []

    def set_asid(self, hi: int) -> None:
        if (self.core.registers.read_cp0(HI, 0) ^ hi) & 0xFF:
            self.replaced = []
        self.core.registers.write_cp0(HI, 0, hi)

    def probe(self) -> None:
        hi = self.chance.randrange(PAIRS) << 13 | self.core.registers.read_cp0(HI, 0) & 0xFF
        self.core.registers.write_cp0(HI, 0, hi)
        self.do(TLBP)
        self.probed = hi
        index = next((n for n, entry in enumerate(self.real()) if entry.matches(hi)), None)
        if index is None:
            assert self.core.registers.read_cp0(INDEX, 0) & NO_MATCH
            self.replaced = [entry for entry in self.replaced if not entry.matches(hi)]
        else:
            assert self.core.registers.read_cp0(INDEX, 0) == index

    def read(self) -> None:
        index = self.chance.randrange(16)
        entry = self.real()[index]
        self.core.registers.write_cp0(INDEX, 0, index)
        self.do(TLBR)
        assert self.core.registers.read_cp0(HI, 0) == entry.hi
        self.replaced = []

    def access(self, word: int) -> None:
        """A load or store: as the TLB has it, or as a replaced entry has it, or a refill; the same each time."""
        address = self.chance.randrange(2 * PAIRS) << 12
        if self.chance.random() < 0.2:
            address = self.probed & 0xFFFF_E000 | address & 0x1000
        hi = address & 0xFFFF_E000 | self.core.registers.read_cp0(HI, 0) & 0xFF
        need = VALID | DIRTY if word == WORDS[-1] else VALID
        self.core.registers.write_gpr(8, address)
        self.core.registers.write_gpr(9, 0)
        before = self.core.save()
        ends = []
        for forget in (False, True):
            self.core.load(*before)
            if forget:
                self.core.forget_mappings()
            place = self.do(word)
            ends.append((place, self.core.registers.read_gpr(9), self.core.registers.read_cp0(CAUSE, 0)))
        assert ends[0] == ends[1]
        place, loaded, _ = ends[0]
        half = address >> 12 & 1
        known = next((entry for entry in self.real() if entry.matches(hi)), None)
        if known is not None and known.lo[half] & need != need:
            assert place == GENERAL
        elif known is not None:
            assert place < GENERAL + CODE and place >= CODE
            assert need != VALID or loaded == known.lo[half] >> 6
        elif place == REFILL:
            self.refills += 1
        else:
            helpful = [entry for entry in self.replaced if entry.matches(hi) and entry.lo[half] & need == need]
            assert len(helpful) == 1 and place >= CODE
            assert need != VALID or loaded == helpful[0].lo[half] >> 6
            self.helped += 1
        self.core.registers.write_cp0(HI, 0, hi)  # an exception changed it; the ASID is the same


def _grows(old: int, new: int) -> bool:
    return not old & VALID or (new & VALID != 0 and old >> 6 == new >> 6 and not old & ~new & DIRTY)


@pytest.mark.parametrize("seed", range(2))
def test_replaced_entries_do_not_show(seed: int) -> None:
    guest = Guest(seed)
    for _ in range(3000):
        what = guest.chance.random()
        if what < 0.3:
            guest.write(TLBWR)
        elif what < 0.31:
            guest.write(TLBWI)
        elif what < 0.33:
            guest.probe()
        elif what < 0.335:
            guest.read()
        elif what < 0.34:
            guest.set_asid(guest.chance.randrange(2) + 1)
        else:
            guest.access(guest.chance.choice(WORDS[-2:]))
    assert guest.helped > 50 and guest.refills > 50


def test_many_programs_pages_fit(seed: int = 1) -> None:
    """A hundred pages, each loaded from again and again, miss once each, or little more."""
    guest = Guest(seed)
    guest.set_asid(1)
    misses = 0
    for number in range(1000):
        pair = number % 100
        guest.core.registers.write_gpr(8, pair << 13)
        if guest.do(lw(9, 0, 8)) == REFILL:
            misses += 1
            guest.core.registers.write_cp0(LO0, 0, (FIRST_FRAME + pair % FRAMES) << 6 | 6)
            guest.core.registers.write_cp0(LO1, 0, 0)
            guest.do(TLBWR)
    assert misses == 100
