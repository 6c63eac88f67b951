"""Generated guests that do, at random places, all that makes it hard to tell where a run stands.

Branches of every kind as the last words of a page, likely ones to their own fall-through, some that Unicorn folds; code
that changes itself within a straight line, through every mapping; exceptions in slots and of branches; timer
interrupts. Each guest runs for ever, through whatever it makes of itself.

A guest that is often interrupted has a timer of 20 to 2,000 instructions, and opens and closes the door to interrupts,
makes them by stores to devices and to Cause, and waits for them, all of it also in slots.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.machine import Machine
from rdbg.emu.registers import PC, STATUS
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

PAGES = 3
WORDS = 1024 * PAGES
DATA = 0x80200000
#: Where the same code is mapped by the TLB: the refill handler maps all pages there to themselves.
MAPPED = CODE & 0x1FFFFFFF
UNCACHED = CODE | 0x20000000
PORTS = 0xB000  #: upper half of the address of Malta's ISA ports, uncached, as they are at reset
IE, CU1, IM7 = 1, 1 << 29, 1 << 15
#: Software interrupts, that of the interrupt controller, and the timer's.
ALL_INTERRUPTS = IM7 | 1 << 10 | 1 << 9 | 1 << 8
EI, DI = 0x41606020, 0x41606000

DATA_BASE, CODE_BASE, ALIAS_BASE, MAPPED_BASE = 16, 17, 18, 23  #: registers
COUNTER, TURNS = 19, 20
#: What the guest's arithmetic changes.
WORK = range(8, 16)

TICKS = 1500

#: Kinds of stores: operation, register, and which byte of the word they are given, by byte order.
STORES = {"sh": (0x29, 24, (0, 2)), "sb": (0x28, 24, (0, 3)), "swl": (0x2A, 24, (3, 0)), "swr": (0x2E, 24, (0, 3)),
          "swc1": (0x39, 8, (0, 0)), "sdc1": (0x3D, 8, (0, 0))}  # fmt: skip

REFILL = [mfc0(26, 8), r_type(0x02, 0, 26, 26, 13), r_type(0x00, 0, 26, 26, 7), i_type(0x0D, 26, 26, 0x1F),
          mtc0(26, 2), i_type(0x0D, 26, 26, 0x5F), mtc0(26, 3), 0x42000006, ERET]  # fmt: skip
#: Of anything but interrupts the instruction is skipped, with its branch if it sits in a slot. Who has jumped elsewhere
#: is sent to the start.
SKIPPING = [
    mfc0(27, 14), i_type(0x01, 26, 0x01, 2), addiu(27, 27, 4), addiu(27, 27, 4),
    r_type(0x00, 0, 27, 26, 3), r_type(0x02, 0, 26, 26, 19), i_type(0x0E, 26, 26, 0x10), i_type(0x04, 26, 0, 2),
    r_type(0x02, 0, 27, 27, 2), lui(27, CODE >> 18), r_type(0x00, 0, 27, 27, 2), mtc0(27, 14), addiu(22, 22, 1), ERET,
]  # fmt: skip
#: Takes what the devices and Cause want: their interrupts off, the controller's by a poll, its end.
ACKNOWLEDGE = [
    mtc0(0, 13), lui(27, PORTS), i_type(0x28, 27, 0, 0x3F9), i_type(0x24, 27, 26, 0x3FA), addiu(26, 0, 0x0C),
    i_type(0x28, 27, 26, 0x20), i_type(0x24, 27, 26, 0x20), addiu(26, 0, 0x20), i_type(0x28, 27, 26, 0x20),
]  # fmt: skip
#: The interrupt controllers from the start: edges, two of them, all lines of the first open.
CONTROLLERS = [
    lui(24, PORTS),
    *(word for port in (0x20, 0xA0)
      for at, value in ((0, 0x11), (1, 0x20 + (port >> 4)), (1, 4 if port == 0x20 else 2), (1, 1), (1, 0))
      for word in (addiu(25, 0, value), i_type(0x28, 24, 25, port + at))),
]  # fmt: skip


def general_handler(ticks: int, often: bool) -> list[int]:
    """At the general vector: interrupts are taken, and the timer set anew to ``ticks`` from now."""
    taken = [*(ACKNOWLEDGE if often else []), mfc0(27, 9), addiu(27, 27, ticks), mtc0(27, 11), addiu(21, 21, 1), ERET,
             NOP]  # fmt: skip
    return [mfc0(26, 13), i_type(0x0C, 26, 27, 0x7C), i_type(0x05, 27, 0, len(taken)), *taken, *SKIPPING]


class Generator:
    """Draws the guest's code.

    Args:
        seed: the same seed gives the same guest.
        big_endian: byte order.
        often: whether the guest is often interrupted.
    """

    def __init__(self, seed: int, big_endian: bool, often: bool = False) -> None:
        self.dice = random.Random(seed)
        self.often = often
        self.big_endian = big_endian
        self.words: list[int] = []

    # --- instructions ------------------------------------------------------------------------
    def work(self) -> int:
        return self.dice.choice(WORK)

    def alu(self) -> int:
        r = self.dice
        return r.choice([
            addiu(self.work(), self.work(), r.randrange(-300, 300)),
            r_type(0x21, self.work(), self.work(), self.work()),
            r_type(0x23, self.work(), self.work(), self.work()),
            r_type(0x26, self.work(), self.work(), self.work()),
            i_type(0x0B, self.work(), self.work(), r.randrange(65536)),
            r_type(0x00, 0, self.work(), self.work(), r.randrange(32)),
        ])  # fmt: skip

    def access(self) -> int:
        r = self.dice
        op = r.choice([0x20, 0x21, 0x23, 0x24, 0x28, 0x29, 0x2B, 0x22, 0x26, 0x2A, 0x2E, 0x30, 0x38, 0x31, 0x39])
        return i_type(op, DATA_BASE, self.work(), r.randrange(64) * (1 if r.random() < 0.2 else 4))

    def trap(self) -> int:
        """Something that may raise an exception in the middle of a block."""
        r = self.dice
        return r.choice([
            r_type(0x34, self.work(), self.work(), 0),                      # teq
            r_type(0x33, self.work(), self.work(), 0),                      # tltu
            i_type(0x01, self.work(), 0x0E, r.randrange(65536)),            # tnei
            r_type(0x20, self.work(), self.work(), self.work()),            # add
            i_type(0x23, DATA_BASE, self.work(), r.randrange(32)),          # perhaps unaligned
            i_type(0x2B, DATA_BASE, self.work(), r.randrange(32)),
            i_type(0x23, 0, self.work(), r.randrange(4096)),                # mapped
            0x7C00003B | self.work() << 16 | r.choice([0, 1, 2, 3]) << 11,  # rdhwr
            mfc0(self.work(), r.choice([9, 12, 13, 14, 17])),
            self.float_operation(),
        ])  # fmt: skip

    def float_operation(self) -> int:
        r = self.dice
        reg = lambda: 2 * r.randrange(4)  # noqa: E731
        return r.choice([
            0x46000000 | r.choice([16, 17]) << 21 | reg() << 16 | reg() << 11 | reg() << 6 | r.choice([0, 1, 2, 3]),
            0x46000030 | 17 << 21 | reg() << 16 | reg() << 11 | r.randrange(8) << 8 | r.randrange(16),  # c.cond.d
            0x44800000 | self.work() << 16 | reg() << 11,                    # mtc1
            0x44000000 | self.work() << 16 | reg() << 11,                    # mfc1
        ])  # fmt: skip

    def ends_block(self) -> int:
        return self.dice.choice([0x0000000C, 0x0000000D, mfc0(self.work(), 9), 0x48000000 | self.work() << 16,
                                 0x7C000000 | 0x3F, 0xBC950000 | CODE_BASE << 21 & 0x03E00000])  # fmt: skip

    def plain(self) -> int:
        draw = self.dice.random()
        if draw < 0.6:
            return self.alu()
        if draw < 0.85:
            return self.access()
        return self.trap()

    def branch_word(self, words: int) -> int:
        """A branch over ``words`` words from its slot, of any kind; many that Unicorn folds."""
        r = self.dice
        rs = self.work()
        rt = r.choice([self.work(), rs, 0])
        if r.random() < 0.15:
            rs = 0
        return r.choice([
            i_type(r.choice([0x04, 0x05, 0x14, 0x15]), rs, rt, words),
            i_type(r.choice([0x14, 0x15]), rs, rs, words),
            i_type(r.choice([0x06, 0x07, 0x16, 0x17]), rs, 0, words),
            i_type(0x01, rs, r.choice([0x00, 0x01, 0x02, 0x03, 0x10, 0x11, 0x12, 0x13]), words),
            0x45000000 | r.randrange(8) << 18 | r.randrange(4) << 16 | words & 0xFFFF,
        ])  # fmt: skip

    # --- pieces ------------------------------------------------------------------------------
    def branch(self) -> list[int]:
        r = self.dice
        over = r.choice([1, 1, 1, 2, 3, 5])
        slot = r.choice([self.alu, self.plain, self.trap, self.access])()
        if r.random() < 0.08:
            slot = self.ends_block()
        elif r.random() < 0.06:
            slot = self.branch_word(1)  # reserved, or an ordinary branch behind one that is folded away
        return [self.branch_word(over), slot, *[self.plain() for _ in range(over + 1)]]

    def chain(self) -> list[int]:
        """Branch upon branch, each landing at the next."""
        return [word for _ in range(self.dice.randrange(2, 6)) for word in (self.branch_word(1), self.alu())]

    def loop(self) -> list[int]:
        r = self.dice
        body = [self.plain() for _ in range(r.randrange(4))]
        close = r.choice([0x05, 0x15, 0x07, 0x17])
        return [addiu(COUNTER, 0, r.randrange(2, 12)), *body, addiu(COUNTER, COUNTER, -1),
                i_type(close, COUNTER, 0, -len(body) - 2), self.plain()]  # fmt: skip

    def jump(self) -> list[int]:
        """Through a register, with or without the hint that clears hazards, or a reserved one."""
        r = self.dice
        how = r.choice([(8, 0, 0), (8, 0, 16), (9, 31, 0), (9, 31, 16), (9, 24, 0), (8, 0, 3)])
        return [i_type(0x01, 0, 0x11, 1), NOP, addiu(25, 31, 20), r_type(how[0], 25, 0, how[1], how[2]), self.plain(),
                self.plain(), self.plain()]  # fmt: skip

    def floating_modes(self) -> list[int]:
        r = self.dice
        if r.random() < 0.5:  # the coprocessor on or off
            return [mfc0(24, 12), lui(25, CU1 >> 16), r_type(r.choice([0x25, 0x26]), 24, 25, 24), mtc0(24, 12)]
        return [lui(24, r.choice([0, 0x80])), i_type(0x0D, 24, 24, r.choice([0, 0, 0x0800, 0x0400, 0x0F80])),
                0x44C0F800 | 24 << 16]  # fmt: skip

    def other_space(self) -> list[int]:
        """Another address space: what was mapped is no longer."""
        return [addiu(24, 0, self.dice.randrange(4)), mtc0(24, 10)]

    def elsewhere(self) -> list[int]:
        """Go on at the same place in another mapping."""
        base = self.dice.choice([CODE, MAPPED, UNCACHED]) >> 16
        return [i_type(0x01, 0, 0x11, 1), NOP, lui(24, base), i_type(0x0C, 31, 25, 0xFFFF), r_type(0x25, 24, 25, 25),
                addiu(25, 25, 20), r_type(8, 25, 0, 0), self.plain(), NOP]  # fmt: skip

    def change_ahead(self) -> list[int]:
        """A store into the straight line ahead, by one of all ways."""
        r = self.dice
        how = r.choice([*["sw"] * 3, *STORES, "sc", "slot", "branch", "synci", "twice"])
        base = r.choice([CODE_BASE, CODE_BASE, ALIAS_BASE, MAPPED_BASE])
        between = [r.choice([self.alu, self.plain])() for _ in range(r.choice([0, 0, 1, 2, 3]))]
        target = self.work()
        changed = [addiu(target, target, 1), addiu(target, target, 2)]  # the first, or for sdc1 both
        if r.random() < 0.2 and how != "sdc1":  # what changes is a slot
            between = [*between, i_type(0x04, 0, 0, 2)]
        lead = self.new_instruction(how, target)
        if how == "sdc1" and (len(self.words) + len(lead) + 1 + len(between)) % 2:
            lead = [self.alu(), *lead]

        def store(place: int) -> list[int]:
            op, source, byte = STORES.get(how, (0x2B, 24, (0, 0)))
            word = i_type(op, base, source, place + byte[self.big_endian])
            if how == "slot":
                return [self.branch_word(1), word]
            if how == "sc":
                return [i_type(0x30, base, 24, place), r_type(0x25, 25, 0, 24), i_type(0x38, base, 24, place)]
            if how == "synci":
                return [word, i_type(0x01, base, 0x1F, place)]
            if how == "twice":
                return [i_type(0x2B, base, 24, 4 * (WORDS - 1 - r.randrange(8))), word]
            return [word]

        place = 4 * (len(self.words) + len(lead) + len(store(0)) + len(between))
        if place > 0x7FF0:
            return [self.alu()]
        return [*lead, *store(place), *between, *changed, self.alu()]

    def new_instruction(self, how: str, target: int) -> list[int]:
        """Put what is to be stored into register 24, 25 for sc, f8 and f9 for the floating-point unit."""
        turn = self.dice.randrange(256)
        if how in ("sh", "sb"):  # the immediate alone
            return [addiu(24, TURNS, turn)]
        if how == "branch":  # a branch becomes arithmetic and a branch again
            return [lui(24, 0x1000), i_type(0x0C, TURNS, 25, 1), r_type(0x00, 0, 25, 25, 27), addiu(25, 25, 1),
                    r_type(0x21, 24, 25, 24)]  # fmt: skip
        words = [lui(24, addiu(target, target, 0) >> 16), i_type(0x0C, TURNS, 25, 0xFF), r_type(0x25, 24, 25, 24)]
        if how == "sc":
            words.append(r_type(0x25, 24, 0, 25))
        if how in ("swc1", "sdc1"):
            words += [0x44800000 | 24 << 16 | 8 << 11, 0x44800000 | 24 << 16 | 9 << 11]
        return words

    def beside_code(self) -> list[int]:
        """A counter among the code."""
        place = 4 * (1024 * self.dice.randrange(PAGES) + 1)
        if place > 0x7FFF:
            return [self.alu()]
        return [i_type(0x23, CODE_BASE, 24, place), addiu(24, 24, 1), i_type(0x2B, CODE_BASE, 24, place)]

    def timer(self) -> list[int]:
        return [mfc0(24, 9), addiu(24, 24, self.dice.randrange(20, 400)), mtc0(24, 11)]

    # --- interrupts --------------------------------------------------------------------------
    def device_store(self) -> list[int]:
        """A store that raises an interrupt, lets one through, or holds it off."""
        r = self.dice
        port, value = r.choice(
            [(0x3F9, 2), (0x3F9, 0), (0x3FC, 8), (0x3F8, 0x41), (0x21, 0xEF), (0x21, 0), (0x21, 0xFF)]
        )
        store = [i_type(0x28, 24, 25, port)]
        if r.random() < 0.3:
            store = [self.branch_word(1), *store]
        return [lui(24, PORTS), addiu(25, 0, value), *store, self.plain(), self.plain()]

    def interval_timer(self) -> list[int]:
        """The PIT, from a few of its ticks on."""
        r = self.dice
        return [lui(24, PORTS), addiu(25, 0, r.choice([0x30, 0x34])), i_type(0x28, 24, 25, 0x43),
                addiu(25, 0, r.randrange(2, 20)), i_type(0x28, 24, 25, 0x40), i_type(0x28, 24, 0, 0x40),
                self.plain()]  # fmt: skip

    def opening(self) -> list[int]:
        """The door closes, something waits behind it, and it opens: in a line, or in a slot."""
        r = self.dice
        software = [addiu(24, 0, r.choice([0x100, 0x200, 0x300])), mtc0(24, 13)]
        behind = r.choice([software, software, [self.alu() for _ in range(r.randrange(30))]])
        by_status = [mfc0(24, 12), i_type(0x0D, 24, 24, 1), mtc0(24, 12)]
        by_eret = [i_type(0x01, 0, 0x11, 1), NOP, mfc0(24, 12), i_type(0x0D, 24, 24, 3), addiu(25, 31, 24),
                   mtc0(24, 12), mtc0(25, 14), ERET, NOP]  # fmt: skip
        opens = r.choice([[EI], [EI], [self.branch_word(1), EI], by_status, by_eret])
        return [DI, *behind, *opens, self.plain(), self.plain(), EI]

    def software_interrupt(self) -> list[int]:
        """At once, in straight-line code or from a slot."""
        store = [mtc0(24, 13)]
        if self.dice.random() < 0.3:
            store = [self.branch_word(1), *store]
        return [addiu(24, 0, self.dice.choice([0x100, 0x200])), *store, self.plain(), self.plain()]

    def wait(self) -> list[int]:
        """For the timer, which comes sooner or later, or has come."""
        r = self.dice
        return [EI, *self.timer(), *[self.alu() for _ in range(r.choice([0, 0, 5, 30]))], WAIT, self.plain()]

    # --- the whole ---------------------------------------------------------------------------
    def pieces(self) -> list[tuple[Callable[[], list[int]], float]]:
        """What makes the pieces of the code, and how often each is asked."""
        r = self.dice
        pieces: list[tuple[Callable[[], list[int]], float]] = [
            (lambda: [self.plain() for _ in range(r.randrange(1, 6))], 2), (self.branch, 4), (self.chain, 1),
            (self.loop, 0.5), (self.jump, 0.5), (self.floating_modes, 0.4), (self.elsewhere, 0.5),
            (self.change_ahead, r.choice([0, 1, 3])), (self.beside_code, r.choice([0, 0, 0.5])), (self.timer, 0.3),
            (lambda: [self.ends_block()], 0.5), (self.other_space, 0.2),
        ]  # fmt: skip
        if self.often:
            pieces += [(self.device_store, 1), (self.interval_timer, 0.3), (self.opening, 2),
                       (self.software_interrupt, 1), (self.wait, 1)]  # fmt: skip
        return pieces

    def make(self) -> list[int]:
        """The code's words."""
        r = self.dice
        pieces = self.pieces()
        makers, weights = [piece[0] for piece in pieces], [piece[1] for piece in pieces]
        self.words = [i_type(0x04, 0, 0, 3), NOP, NOP, NOP, addiu(TURNS, TURNS, 1)]
        for page in range(PAGES):
            start, end = 1024 * page, 1024 * (page + 1)
            self.words += [NOP] * (start - len(self.words))
            for _ in range(r.randrange(2, 12)):
                self.words += r.choices(makers, weights)[0]()
            # over the empty middle to shortly before the page's end
            self.leap(end - r.randrange(4, 24))
            while len(self.words) < end - 2:
                piece = r.choices(makers, weights)[0]()
                if len(self.words) + len(piece) > end + 6:
                    piece = [self.alu()]
                self.words += piece
            # the last words of the page
            if len(self.words) < end and page < PAGES - 1:
                while len(self.words) < end - 1:
                    self.words.append(self.alu())
                self.words += [self.branch_word(r.choice([1, 1, 2, 3])), self.plain(), *[self.alu() for _ in range(4)]]
        del self.words[WORDS - 24 :]
        self.words += [NOP] * 8
        back = [lui(25, CODE >> 16), r_type(8, 25, 0, 0), NOP]
        self.words += back * ((0x4000 - len(self.words)) // len(back))  # the rest of 64 KiB leads back
        return self.words

    def leap(self, to: int) -> None:
        """Jump over the words up to ``to``."""
        here = len(self.words)
        if to > here + 2:
            self.words += [i_type(0x04, 0, 0, to - here - 1), NOP, *[NOP] * (to - here - 2)]


def prologue_to(entry: int, mapped: int, timer: Sequence[int], often: bool) -> list[int]:
    """What a guest does first.

    Args:
        entry: address by which it enters its code.
        mapped: that by which it reaches its code through the TLB.
        timer: instructions that start one.
        often: whether it is often interrupted.
    """
    return [
        *(CONTROLLERS if often else []),
        lui(DATA_BASE, DATA >> 16), lui(CODE_BASE, CODE >> 16), lui(ALIAS_BASE, UNCACHED >> 16),
        lui(MAPPED_BASE, mapped >> 16),
        addiu(8, 0, 1), addiu(9, 0, 1), addiu(10, 0, -1), lui(11, 0x7FFF),
        *timer,
        lui(25, entry >> 16), r_type(8, 25, 0, 0), NOP,
    ]  # fmt: skip


def generated_guest(seed: int, big_endian: bool, often: bool = False) -> Machine:
    """A machine at the start of the guest that ``seed`` stands for.

    Args:
        seed: the same seed gives the same guest.
        big_endian: byte order.
        often: whether it is often interrupted.
    """
    dice = random.Random(seed ^ 0x5EED)
    generator = Generator(seed, big_endian, often)
    words = generator.make()
    timer = generator.timer() if often or dice.random() < 0.7 else []
    prologue = prologue_to(CODE, MAPPED, timer, often)
    ticks = dice.choice([dice.randrange(20, 200), dice.randrange(20, 2000)]) if often else TICKS
    status = ALL_INTERRUPTS if often else IM7
    status = dice.choice([0, CU1, CU1]) | (IE | status if often or dice.random() < 0.7 else 0)
    machine = machine_with(words, general_handler(ticks, often), big_endian, CODE, 0)
    poke_words(machine, 0x80000000, REFILL)
    poke_words(machine, 0x80300000, prologue)
    machine.apply(InputEvent(0, InputKind.POKE_REGISTER, STATUS, status))
    machine.apply(InputEvent(0, InputKind.POKE_REGISTER, PC, 0x80300000))
    return machine
