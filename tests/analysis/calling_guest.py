"""Generated guests that do to their call stacks whatever programs do: calls and returns, recursion, tail calls, jump
tables, longjmp, tasks that switch on their own and in interrupts, new tasks that begin where nobody called."""

from __future__ import annotations

import random

from rdbg.emu.machine import Machine
from tests.emu.guests import CODE, ERET, HANDLER, NOP, addiu, beq, i_type, lui, lw, machine_with, mfc0, mtc0, r_type, sw

DATA = 0x80200000
STACKS = 0x80300000
TASKS = 3
FUNCTIONS = 7
V0, T0, T1, DRAW, DEPTH, T9, K0, K1, GP, SP, RA = 2, 8, 9, 16, 17, 25, 26, 27, 28, 29, 31
#: In DATA: the task that runs, a jump buffer, and of each task stack pointer and return address.
RUNNING, BUFFER, TASK = 0, 16, 32
IE, IM7 = 1, 1 << 15


class Assembler:
    """Words with labels."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.words: list[int] = []
        self.labels: dict[str, int] = {}
        self._late: list[tuple[int, str, str]] = []

    def put(self, *words: int) -> None:
        self.words += words

    def label(self, name: str) -> None:
        self.labels[name] = self.base + 4 * len(self.words)

    def jump(self, op: int, name: str, slot: int = NOP) -> None:
        """j or jal."""
        self._late.append((len(self.words), "jump", name))
        self.put(op << 26, slot)

    def address(self, register: int, name: str) -> None:
        """Load an address."""
        self._late.append((len(self.words), "address", name))
        self.put(lui(register, 0), i_type(0x0D, register, register, 0))

    def finish(self, others: dict[str, int]) -> list[int]:
        known = others | self.labels
        for at, how, name in self._late:
            if how == "jump":
                self.words[at] |= known[name] >> 2 & 0x03FFFFFF
            else:
                self.words[at] |= known[name] >> 16
                self.words[at + 1] |= known[name] & 0xFFFF
        return self.words


def calling_guest(seed: int, ticks: int = 300) -> Machine:
    """A guest that runs for ever.

    Args:
        seed: which one.
        ticks: of the timer, about so many between two interrupts.
    """
    dice = random.Random(seed)
    code = Assembler(CODE)
    code.put(lui(GP, DATA >> 16), addiu(DRAW, 0, dice.randrange(1, 30000)), lui(SP, STACKS >> 16))
    for task in range(1, TASKS):
        code.address(T0, f"entry{task}")
        code.put(lui(T1, STACKS >> 16), i_type(0x0D, T1, T1, 0x2000 * task))
        code.put(sw(T1, TASK + 8 * task, GP), sw(T0, TASK + 8 * task + 4, GP))
    code.put(mfc0(T0, 9), addiu(T0, T0, ticks), mtc0(T0, 11), lui(T0, 0), i_type(0x0D, T0, T0, IM7 | IE), mtc0(T0, 12))
    code.jump(2, "loop0")
    for task in range(TASKS):
        code.label(f"entry{task}")
        code.address(K0, f"loop{task}")
        code.put(mtc0(K0, 14), ERET)
        code.label(f"loop{task}")
        code.put(addiu(DEPTH, 0, dice.randrange(2, 6)))
        for _ in range(3):
            code.jump(3, f"f{dice.randrange(FUNCTIONS)}", slot=addiu(V0, 0, 1))
        code.jump(2, f"loop{task}")
    _switch(code)
    for function in range(FUNCTIONS):
        _function(code, dice, function)
    handler = Assembler(HANDLER)
    _handler(handler, dice, ticks)
    words = code.finish({})
    return machine_with(words, handler.finish(code.labels), big_endian=bool(seed & 1))


def _draw(code: Assembler, name: str, one_in: int) -> None:
    """Jump to a label unless a draw says otherwise, one time in so many."""
    code.put(
        r_type(0, 0, DRAW, T0, 5), r_type(0x21, DRAW, T0, DRAW), r_type(2, 0, DRAW, T0, 9), r_type(0x26, DRAW, T0, DRAW)
    )
    code.put(addiu(DRAW, DRAW, 77), i_type(0x0C, DRAW, T0, one_in - 1))
    code.put(beq(T0, 0, 3), NOP)
    code.jump(2, name)


def _switch(code: Assembler) -> None:
    """To the next task, as a function."""
    code.label("switch")
    code.put(
        lw(T0, RUNNING, GP), r_type(0, 0, T0, T1, 3), r_type(0x21, T1, GP, T1), sw(SP, TASK, T1), sw(RA, TASK + 4, T1)
    )
    code.put(addiu(T0, T0, 1), i_type(0x0B, T0, T1, TASKS), i_type(0x05, T1, 0, 2), NOP, addiu(T0, 0, 0))
    code.put(
        sw(T0, RUNNING, GP), r_type(0, 0, T0, T1, 3), r_type(0x21, T1, GP, T1), lw(SP, TASK, T1), lw(RA, TASK + 4, T1)
    )
    code.put(r_type(8, RA, 0, 0), NOP)


def _function(code: Assembler, dice: random.Random, number: int) -> None:
    size = 8 * dice.randrange(1, 6)
    code.label(f"f{number}")
    leaf = dice.random() < 0.15
    if not leaf:
        code.put(addiu(SP, SP, -size), sw(RA, size - 4, SP))
        for piece in range(dice.randrange(2, 6)):
            _piece(code, dice, f"f{number}.{piece}")
        code.put(lw(RA, size - 4, SP))
    if dice.random() < 0.25:
        code.jump(2, "leave" if number == FUNCTIONS - 1 else f"f{number + 1}", NOP if leaf else addiu(SP, SP, size))
    else:
        code.put(r_type(8, RA, 0, 0), NOP if leaf else addiu(SP, SP, size))
    if number == FUNCTIONS - 1:
        code.label("leave")
        code.put(r_type(8, RA, 0, 0, dice.choice([0, 16])), addiu(V0, V0, 1))


def _piece(code: Assembler, dice: random.Random, name: str) -> None:
    other = f"f{dice.randrange(FUNCTIONS)}"
    kind = dice.choice(["call", "call", "call", "register", "table", "switch", "set", "long", "branch"])
    if kind in ("call", "register"):
        code.put(i_type(0x06, DEPTH, 0, 9), addiu(DEPTH, DEPTH, -1))  # blez: deep enough
        if kind == "call":
            code.jump(3, other, slot=dice.choice([NOP, addiu(V0, V0, 3)]))
            code.put(NOP, NOP, NOP, NOP)
        else:
            code.address(T9, other)
            code.put(r_type(9, T9, 0, RA), NOP, NOP, NOP)
        code.put(NOP, NOP)
        code.put(addiu(DEPTH, DEPTH, 1))
    elif kind == "table":
        code.address(V0, f"{name}.case")
        code.put(r_type(8, V0, 0, 0), NOP, NOP)
        code.label(f"{name}.case")
    elif kind == "branch":  # to read PC, and a call that is not taken
        code.put(i_type(0x01, 0, 0x11, 1), NOP, i_type(0x01, 0, 0x10, 3), addiu(V0, V0, 1))
    elif kind == "set":
        code.address(T0, f"{name}.set")
        code.put(sw(T0, BUFFER + 4, GP), sw(SP, BUFFER, GP))
        code.label(f"{name}.set")
    else:
        _draw(code, f"{name}.skip", 4 if kind == "switch" else 8)
        if kind == "switch":
            code.jump(3, "switch")
        else:
            code.put(lw(T0, BUFFER + 4, GP), beq(T0, 0, 5), NOP)
            code.put(lw(SP, BUFFER, GP), lw(RA, BUFFER + 4, GP), r_type(8, RA, 0, 0), sw(0, BUFFER + 4, GP))
        code.label(f"{name}.skip")


def _handler(code: Assembler, dice: random.Random, ticks: int) -> None:
    """Interrupts call, and switch tasks now and then; whatever else goes wrong begins the task anew."""
    code.put(mfc0(K0, 13), i_type(0x0C, K0, K0, 0x7C), beq(K0, 0, 6), NOP)
    code.address(K0, "entry0")
    code.put(lui(SP, STACKS >> 16), r_type(8, K0, 0, 0), sw(0, RUNNING, GP))
    code.put(mfc0(K0, 9), addiu(K0, K0, ticks), mtc0(K0, 11))
    code.put(addiu(SP, SP, -64), sw(RA, 0, SP), mfc0(K0, 14), sw(K0, 4, SP))
    code.put(*[sw(r, 8 + 4 * n, SP) for n, r in enumerate((V0, T0, T1, T9, DEPTH))])
    code.jump(3, "leave")
    if dice.random() < 0.7:
        _draw(code, "stays", 2)
        code.jump(3, "switch")
        code.label("stays")
    code.put(*[lw(r, 8 + 4 * n, SP) for n, r in enumerate((V0, T0, T1, T9, DEPTH))])
    code.put(lw(K0, 4, SP), mtc0(K0, 14), lw(RA, 0, SP), addiu(SP, SP, 64), ERET)
