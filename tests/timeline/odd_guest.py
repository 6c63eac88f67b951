"""Generated guests that do what those of `generated_guest` leave out.

All instructions of Release 2 that need no operating system; a handler that switches the floating-point unit on when it
is asked for, as a system does that switches lazily, and between its two layouts; floating-point exceptions; user mode;
a TLB whose pages come in as invalid or clean ones, at five addresses and in two address spaces, so that slots lie on
pages that nobody has; `ll` and `sc` with much between; DMA into the code that runs, at once and later; jumps of all
kinds, to the middle of everything.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from unittest import mock

from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.machine import Machine
from rdbg.emu.registers import PC, STATUS
from tests.emu.dma_device import with_dma_device
from tests.emu.guests import (
    CODE,
    ERET,
    NOP,
    WAIT,
    addiu,
    i_type,
    lui,
    machine_with,
    mfc0,
    mtc0,
    poke_words,
    r_type,
)
from tests.timeline.generated_guest import (
    ACKNOWLEDGE,
    ALIAS_BASE,
    ALL_INTERRUPTS,
    CODE_BASE,
    COUNTER,
    CU1,
    DATA,
    DATA_BASE,
    IE,
    MAPPED,
    MAPPED_BASE,
    SKIPPING,
    UNCACHED,
    WORDS,
    Generator,
    prologue_to,
)

#: Where the code is mapped besides; the low 4 MiB of each are the same memory.
ALIASES = [CODE, MAPPED, UNCACHED, MAPPED | 0x00400000, 0x40000000 | MAPPED, 0xC0000000 | MAPPED]
DMA_REGISTERS = 0xBB00
USER, ERL = 0x10, 4
IM3 = 1 << 11
FR = 1 << 26
EHB, SSNOP, SYNC, SYSCALL, DERET, SDBBP = 0xC0, 0x40, 0x0F, 0x0C, 0x4200001F, 0x7000003F
TLBWR, TLBWI, TLBP, TLBR = 0x42000006, 0x42000002, 0x42000008, 0x42000001

Labelled = int | str | tuple[int, int, int, str]


def assembled(lines: Sequence[Labelled]) -> list[int]:
    """Words of a program with labels.

    Args:
        lines: words; labels; branches as operation, rs, rt and the label.
    """
    places: dict[str, int] = {}
    words = [line for line in lines if not isinstance(line, str)]
    at = 0
    for line in lines:
        if isinstance(line, str):
            places[line] = at
        else:
            at += 1
    return [
        i_type(word[0], word[1], word[2], places[word[3]] - at - 1) if isinstance(word, tuple) else word
        for at, word in enumerate(words)
    ]


def _pages(invalid: bool) -> list[int]:
    """EntryLo0 and 1 of the page that missed, with Count's bits as Valid and Dirty; or both for sure."""
    words: list[int] = []
    for register, pfn, shift in ((2, 0, 0), (3, 0x40, 3)):
        words += [mfc0(26, 8), r_type(0x02, 0, 26, 26, 13), r_type(0x00, 0, 26, 26, 7), i_type(0x0C, 26, 26, 0xFF80)]
        if invalid:
            words += [mfc0(27, 9), r_type(0x02, 0, 27, 27, shift), i_type(0x0C, 27, 27, 6), r_type(0x25, 26, 27, 26)]
        words += [i_type(0x0D, 26, 26, pfn | (0x18 if invalid else 0x1E)), mtc0(26, register)]
    return words


REFILL = [*_pages(True), TLBWR, ERET]


def handler(ticks: int, often: bool, layouts: bool) -> list[int]:
    """At the general vector.

    Args:
        ticks: from an interrupt to the next.
        often: whether devices interrupt, too.
        layouts: whether each use of the floating-point unit finds the other layout of its registers.
    """
    return assembled([
        mfc0(26, 13), i_type(0x0C, 26, 27, 0x7C), (0x05, 27, 0, "no interrupt"), NOP,
        *(ACKNOWLEDGE if often else []), lui(27, DMA_REGISTERS), i_type(0x2B, 27, 0, 20),
        mfc0(27, 9), addiu(27, 27, ticks), mtc0(27, 11), addiu(21, 21, 1), ERET,
        "no interrupt",
        i_type(0x0E, 27, 26, 11 << 2), (0x05, 26, 0, "no coprocessor"), NOP,
        mfc0(26, 13), r_type(0x02, 0, 26, 26, 28), i_type(0x0C, 26, 26, 3), addiu(26, 26, -1), (0x05, 26, 0, "skip"),
        NOP,
        mfc0(26, 12), lui(27, CU1 >> 16), r_type(0x25, 26, 27, 26), lui(27, FR >> 16 if layouts else 0),
        r_type(0x26, 26, 27, 26), mtc0(26, 12), EHB, ERET,
        "no coprocessor",
        addiu(26, 27, -1 << 2), i_type(0x0B, 26, 26, 3 << 2), (0x05, 26, 0, "page"), NOP,  # Mod TLBL TLBS
        addiu(26, 27, -4 << 2), (0x06, 26, 0, "kernel"), addiu(26, 27, -5 << 2), (0x04, 26, 0, "kernel"),
        addiu(26, 27, -8 << 2), (0x04, 26, 0, "kernel"), NOP, (0x04, 0, 0, "skip"), NOP,
        "kernel",
        mfc0(26, 12), i_type(0x0D, 26, 26, USER), i_type(0x0E, 26, 26, USER), mtc0(26, 12), (0x04, 0, 0, "skip"), NOP,
        "page",
        *_pages(False), TLBP, mfc0(26, 0), (0x01, 26, 0, "unknown"), NOP, TLBWI, ERET,
        "unknown",
        TLBWR, ERET,
        "skip",
        *SKIPPING,
    ])  # fmt: skip


class OddGenerator(Generator):
    """Draws the guest's code.

    Args:
        seed: the same seed gives the same guest.
        big_endian: byte order.
        often: whether the guest is often interrupted.
    """

    # --- instructions ------------------------------------------------------------------------
    def alu(self) -> int:
        return super().alu() if self.dice.random() < 0.5 else self.release2()

    def release2(self) -> int:
        """Arithmetic that `Generator` leaves out."""
        r = self.dice
        low = r.randrange(32)
        return r.choice([
            0x7C000000 | self.work() << 21 | self.work() << 16 | r.randrange(32) << 11 | low << 6 | r.choice([0, 4]),
            0x7C000020 | self.work() << 16 | self.work() << 11 | r.choice([2, 16, 24]) << 6,
            r_type(0x02, 1, self.work(), self.work(), low),
            r_type(r.choice([4, 6, 7]), self.work(), self.work(), self.work(), r.choice([0, 0, 1])),
            r_type(r.choice([0x18, 0x19, 0x1A, 0x1B]), self.work(), self.work(), 0),
            r_type(r.choice([0x10, 0x12]), 0, 0, self.work()),
            r_type(r.choice([0x11, 0x13]), self.work(), 0, 0),
            r_type(r.choice([0x0A, 0x0B]), self.work(), self.work(), self.work()),
            0x70000000 | r_type(r.choice([0, 1, 2, 4, 5, 0x20, 0x21]), self.work(), self.work(), self.work()),
            r_type(1, self.work(), r.randrange(8) << 2 | r.randrange(2), self.work()),  # movf movt
            r.choice([EHB, SSNOP, SYNC, NOP, r_type(0, 0, self.work(), 0, 5)]),
            i_type(r.choice([0x33, 0x2F]), DATA_BASE, r.randrange(32), 4 * r.randrange(64)),  # pref cache
            i_type(1, CODE_BASE, 0x1F, 4 * r.randrange(64)),  # synci
            0x7C00003B | self.work() << 16 | r.choice([0, 1, 2, 3, 29, 30]) << 11,
            0x41400000 | self.work() << 16 | self.work() << 11,  # rdpgpr
            0x41C00000 | self.work() << 16 | self.work() << 11,  # wrpgpr
            lui(self.work(), r.choice([0x7FF0, 0x8000, 0x3FF0, 0x0010, 0xFFF0, r.randrange(65536)])),
        ])  # fmt: skip

    def access(self) -> int:
        r = self.dice
        if r.random() < 0.7:
            return super().access()
        register = r.randrange(32)
        offset = 8 * r.randrange(8) + (4 if r.random() < 0.1 else 0)
        return r.choice([
            i_type(r.choice([0x31, 0x35, 0x39, 0x3D]), DATA_BASE, register, offset),
            0x4C000000 | DATA_BASE << 21 | r.choice([0, 0, 0, self.work()]) << 16 | register << 6 | r.choice([0, 1, 5]),
            0x4C000000 | DATA_BASE << 21 | register << 11 | r.choice([8, 9, 13]),
            i_type(r.choice([0x32, 0x36, 0x3A, 0x3E]), DATA_BASE, register, offset),  # of coprocessor 2
        ])  # fmt: skip

    def float_operation(self) -> int:
        r = self.dice
        if r.random() < 0.3:
            return super().float_operation()
        register = lambda: r.randrange(8)  # noqa: E731
        form = r.choice([16, 17, 17, 20, 21, 22])
        return r.choice([
            0x44000000 | form << 21 | register() << 16 | register() << 11 | register() << 6
            | r.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 15, 17, 18, 19, 21, 22, 32, 33, 36, 37, 38, *range(48, 64)]),
            0x4C000000 | register() << 21 | register() << 16 | register() << 11 | register() << 6
            | r.choice([0x20, 0x21, 0x28, 0x29, 0x30, 0x31, 0x38, 0x39, 0x1E]),
            0x44400000 | self.work() << 16 | r.choice([0, 25, 26, 28, 31]) << 11,  # cfc1
            0x44C00000 | self.work() << 16 | r.choice([25, 26, 28, 31]) << 11,  # ctc1: may raise what it sets
            0x44600000 | self.work() << 16 | register() << 11,  # mfhc1
            0x44E00000 | self.work() << 16 | register() << 11,  # mthc1
            0x44800000 | self.work() << 16 | register() << 11,  # mtc1
        ])  # fmt: skip

    def trap(self) -> int:
        if self.dice.random() < 0.3:
            return self.float_operation()
        return super().trap()

    def ends_block(self) -> int:
        r = self.dice
        if r.random() < 0.5:
            return super().ends_block()
        return r.choice([DERET, SDBBP, mfc0(self.work(), r.randrange(32)) | r.randrange(8), TLBP, TLBR,
                         SYSCALL | r.randrange(1 << 20) << 6, 0x4A000000, WAIT if self.often else NOP,
                         mtc0(self.work(), r.choice([0, 4, 8, 14, 30]))])  # fmt: skip

    # --- pieces ------------------------------------------------------------------------------
    def somewhere(self) -> list[int]:
        """Go on at the same place in any mapping, by a jump with or without a hint."""
        r = self.dice
        base = r.choice(ALIASES) >> 16
        how = r.choice([(8, 0, 0), (8, 0, 16), (9, 31, 0), (9, 31, 16), (9, 24, 0), (9, 0, 0)])
        return [i_type(0x01, 0, 0x11, 1), NOP, lui(24, base), i_type(0x0C, 31, 25, 0xFFFF), r_type(0x25, 24, 25, 25),
                addiu(25, 25, 20), r_type(how[0], 25, 0, how[1], how[2]), self.plain(), NOP]  # fmt: skip

    def astray(self) -> list[int]:
        """A jump to somewhere in this code, odd or even."""
        r = self.dice
        to = 4 * r.randrange(WORDS - 8) + r.choice([0] * 12 + [1, 2, 3])
        if r.random() < 0.3:
            to = 4096 * r.randrange(1, 3) - 4 * r.randrange(1, 3)
        return [lui(24, r.choice(ALIASES) >> 16), i_type(0x0D, 24, 24, to), r_type(8, 24, 0, 0, r.choice([0, 16])),
                self.plain()]  # fmt: skip

    def region_jump(self) -> list[int]:
        """j or jal to what comes behind."""
        to = len(self.words) + 2 + self.dice.randrange(2)
        return [self.dice.choice([2, 3]) << 26 | (MAPPED >> 2) + to, self.plain(), self.plain()]

    def to_user(self) -> list[int]:
        """User mode, with data at a mapped address; a system call, or a wrong access, leads back."""
        r = self.dice
        alias = r.choice([MAPPED, MAPPED | 0x00400000, 0x40000000 | MAPPED])
        enables = [addiu(24, 0, r.randrange(16)), mtc0(24, 7)]
        data = alias & 0xFFC00000 | DATA & 0x3FFFFF
        lead = [*enables, lui(DATA_BASE, data >> 16), mfc0(24, 12), i_type(0x0D, 24, 24, USER | 2), mtc0(24, 12)]
        place = 4 * (len(self.words) + len(lead) + 4)
        return [*lead, lui(25, alias >> 16), i_type(0x0D, 25, 25, place), mtc0(25, 14), ERET, self.plain(),
                *([self.branch_word(1)] if r.random() < 0.3 else []), SYSCALL, lui(DATA_BASE, DATA >> 16)]  # fmt: skip

    def mapped_data(self) -> list[int]:
        """Data at a mapped address, or as before."""
        base = self.dice.choice([DATA, DATA & 0x1FFFFFFF, 0x40000000 | DATA & 0x3FFFFF, 0xA0000000 | DATA & 0x3FFFFF])
        return [lui(DATA_BASE, base >> 16), self.access(), self.access()]

    def error_level(self) -> list[int]:
        """Without the TLB for a while; user segment alone knows the difference."""
        r = self.dice
        on = [mfc0(24, 12), i_type(0x0D, 24, 24, ERL), mtc0(24, 12), *[self.alu() for _ in range(r.randrange(4))]]
        if r.random() < 0.5:
            return [*on, mfc0(24, 12), i_type(0x0D, 24, 24, ERL), i_type(0x0E, 24, 24, ERL), mtc0(24, 12)]
        return [*on, i_type(0x01, 0, 0x11, 1), NOP, addiu(25, 31, 12), mtc0(25, 30), ERET, NOP]

    def forget_pages(self) -> list[int]:
        """One entry of the TLB, or all, becomes another: what is behind this page's end may be gone."""
        r = self.dice
        index = [addiu(24, 0, r.randrange(16)), mtc0(24, 0)]
        what = r.choice([
            [lui(24, 0x8000), mtc0(24, 10), *index, TLBWI, mtc0(0, 10)],
            [lui(24, MAPPED >> 16), i_type(0x0D, 24, 24, 0x2000 * r.randrange(2) | r.randrange(3)), mtc0(24, 10),
             TLBP, mtc0(0, 2), TLBWI],
            [addiu(24, 0, r.randrange(3)), mtc0(24, 10)],
            [addiu(24, 0, r.randrange(1, 12)), mtc0(24, 6)],
            [lui(24, 0), i_type(0x0D, 24, 24, r.choice([0, 0, 0x6000, 0x1E000])), mtc0(24, 5)],
        ])  # fmt: skip
        return [*what, self.plain()]

    def linked(self) -> list[int]:
        """ll and sc, with something between."""
        r = self.dice
        place = 4 * r.randrange(16)
        between = r.choice([
            [self.alu()], [self.plain(), self.plain()], [SYSCALL], [i_type(0x2B, DATA_BASE, self.work(), place)],
            [self.branch_word(1)], [i_type(0x30, DATA_BASE, self.work(), 4 * r.randrange(16))],
            [lui(DATA_BASE, (DATA ^ 0x20000000) >> 16)],
        ])  # fmt: skip
        back = [i_type(0x04, self.work(), 0, -len(between) - 3), NOP] if r.random() < 0.2 else []
        store = i_type(0x38, DATA_BASE, self.work(), place)
        return [i_type(0x30, DATA_BASE, self.work(), place), *between, store, *back]

    def lazy_float(self) -> list[int]:
        """The unit is switched off; a branch on it, or another use of it, switches it on."""
        r = self.dice
        off = [mfc0(24, 12), lui(25, CU1 >> 16), r_type(0x25, 24, 25, 24), r_type(0x26, 24, 25, 24), mtc0(24, 12)]
        branch = 0x45000000 | r.randrange(8) << 18 | r.randrange(4) << 16 | r.choice([1, 1, 2])
        use = r.choice([[branch, self.plain()], [branch, self.float_operation()], [self.float_operation()],
                        [self.branch_word(1), self.float_operation()],
                        [r_type(1, self.work(), r.randrange(8) << 2 | r.randrange(2), self.work())],
                        [i_type(0x35, DATA_BASE, r.randrange(32), 8)]])  # fmt: skip
        return [*off, *[self.alu() for _ in range(r.randrange(3))], *use, self.plain(), self.plain()]

    def layout(self) -> list[int]:
        """The other layout of the floating-point registers, and what they raise."""
        r = self.dice
        enables = r.choice([0, 0xF80, 0x80, 0x400, 0xF000])
        return [mfc0(24, 12), lui(25, FR >> 16), r_type(0x26, 24, 25, 24), mtc0(24, 12), self.float_operation(),
                lui(24, r.choice([0, 0x80, 0x100])), i_type(0x0D, 24, 24, enables), 0x44C0F800 | 24 << 16,
                self.float_operation(), self.float_operation()]  # fmt: skip

    def dma(self) -> list[int]:
        """A device writes into the straight line ahead, or the page's counter: at once, later, again and again."""
        r = self.dice
        target = self.work()
        word = addiu(target, target, r.randrange(256))
        value = int.from_bytes(word.to_bytes(4, "big" if self.big_endian else "little"), "little")
        wait = r.choice([0, 0, 8, 16, 40, 400, 1 << 30])
        between = [self.plain() for _ in range(r.choice([0, 0, 1, 3]))]
        slot = [self.branch_word(1)] if r.random() < 0.3 else []
        head = 16
        place = 4 * (len(self.words) + head + len(slot) + 1 + len(between))
        if place > 0x7FF0:
            return [self.alu()]
        lead = [lui(24, DMA_REGISTERS), *self._constant(25, MAPPED + place), i_type(0x2B, 24, 25, 0),
                *self._constant(25, value), i_type(0x2B, 24, 25, 4), addiu(25, 0, r.choice([4, 4, 8, 3])),
                i_type(0x2B, 24, 25, 8), addiu(25, 0, r.choice([0, 0, 80, 800])), i_type(0x2B, 24, 25, 24),
                *self._constant(25, wait), NOP, NOP]  # fmt: skip
        go = i_type(0x23, 24, self.work(), 16) if r.random() < 0.2 else i_type(0x2B, 24, 25, 12)
        return [*lead[:head], *slot, go, *between, addiu(target, target, 1), addiu(target, target, 2), self.alu()]

    @staticmethod
    def _constant(register: int, value: int) -> list[int]:
        return [lui(register, value >> 16), i_type(0x0D, register, register, value & 0xFFFF)]

    def flash(self) -> list[int]:
        """Commands to the flash chip, and a call of what stands there."""
        r = self.dice
        command = r.choice([0x00400040, 0x00700070, 0x00FF00FF, 0x00900090, 0x00200020])
        return [lui(24, 0xBE00), *self._constant(25, command), *[i_type(0x2B, 24, 25, 0)] * r.randrange(3),
                r_type(9, 24, 0, 31), NOP, self.plain()]  # fmt: skip

    def count(self) -> list[int]:
        """Count, Compare and Cause.DC are written."""
        r = self.dice
        return r.choice([
            [addiu(24, 0, r.randrange(-300, 300)), mtc0(24, 9)],
            [mfc0(24, 13), lui(25, 0x0800), r_type(0x26, 24, 25, 24), mtc0(24, 13)],
            [mfc0(24, 9), mtc0(24, 11)],
            [self.branch_word(1), mtc0(self.work(), r.choice([9, 11]))],
        ])  # fmt: skip

    def writes_itself(self) -> list[int]:
        """A loop that makes a function anew in each turn, and calls it, as compilers at run time do."""
        r = self.dice
        turns = r.randrange(2, 7)
        target = self.work()
        base = r.choice([CODE_BASE, ALIAS_BASE, MAPPED_BASE])
        callee = 4 * (1024 * r.randrange(3) + r.choice([24, 40, 1020]))
        if callee > 0x7FF0:
            callee -= 4096
        new = addiu(target, target, 0)
        body = [*self._constant(24, new), i_type(0x0C, COUNTER, 25, 0xFF), r_type(0x25, 24, 25, 24),
                i_type(0x2B, base, 24, callee + 4), *self._constant(25, 0x03E00008), i_type(0x2B, base, 25, callee),
                *([i_type(1, base, 0x1F, callee)] if r.random() < 0.5 else []),
                addiu(25, r.choice([CODE_BASE, ALIAS_BASE, MAPPED_BASE]), callee),
                r_type(9, 25, 0, 31, r.choice([0, 16])), NOP]  # fmt: skip
        return [addiu(COUNTER, 0, turns), *body, addiu(COUNTER, COUNTER, -1), i_type(0x05, COUNTER, 0, -len(body) - 2),
                self.plain()]  # fmt: skip

    # --- the whole ---------------------------------------------------------------------------
    def pieces(self) -> list[tuple[Callable[[], list[int]], float]]:
        r = self.dice
        odd: list[tuple[Callable[[], list[int]], float]] = [
            (self.somewhere, 1), (self.astray, 0.3), (self.region_jump, 0.4), (self.to_user, 1), (self.mapped_data, 1),
            (self.error_level, 0.2), (self.forget_pages, 1), (self.linked, 1), (self.lazy_float, 1), (self.layout, 1),
            (self.dma, 1), (self.flash, 0.1), (self.count, 0.5), (self.writes_itself, 0.5),
        ]  # fmt: skip
        return [*super().pieces(), *((make, weight * r.choice([0, 0.3, 1, 2])) for make, weight in odd)]


def odd_guest(seed: int, big_endian: bool, often: bool = False) -> Machine:
    """A machine at the start of the guest that ``seed`` stands for.

    Args:
        seed: the same seed gives the same guest.
        big_endian: byte order.
        often: whether it is often interrupted.
    """
    dice = random.Random(seed ^ 0x0DD5EED)
    generator = OddGenerator(seed, big_endian, often)
    words = generator.make()
    mapped = dice.choice(ALIASES)
    timer = generator.timer() if often or dice.random() < 0.7 else []
    prologue = prologue_to(dice.choice(ALIASES), mapped, timer, often)
    ticks = dice.choice([dice.randrange(40, 200), dice.randrange(40, 2000)]) if often else 1500
    status = (ALL_INTERRUPTS if often else ALL_INTERRUPTS & ~0x700) | IM3
    status = dice.choice([0, CU1, CU1, CU1 | FR]) | (IE | status if often or dice.random() < 0.7 else 0)
    with mock.patch("rdbg.emu.machine.build_board", with_dma_device):
        machine = machine_with(words, handler(ticks, often, dice.random() < 0.3), big_endian, CODE, 0)
    poke_words(machine, 0x80000000, REFILL)
    poke_words(machine, 0x80300000, prologue)
    machine.apply(InputEvent(0, InputKind.POKE_REGISTER, STATUS, status))
    machine.apply(InputEvent(0, InputKind.POKE_REGISTER, PC, 0x80300000))
    return machine
