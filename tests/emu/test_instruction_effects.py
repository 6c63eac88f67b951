"""What is told of instructions from their words is what they do on the core that runs the guest."""

from __future__ import annotations

import random
import struct

import pytest

from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.instruction_effects import Doing, Effects
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import StopKind
from rdbg.emu.mips32 import F0, HI, LO
from rdbg.emu.registers import PC
from tests.emu.guests import CODE, NOP, machine_with

_DATA = 0x80200000
_PLAIN = [*range(2, 26), HI, LO, *range(F0, F0 + 32)]
_OPERATIONS = [
    *[0x00] * 10,
    8,
    9,
    10,
    11,
    12,
    13,
    14,
    15,
    *[0x11] * 6,
    *[0x1C] * 3,
    *[0x1F] * 3,
    0x20,
    0x21,
    0x22,
    0x23,
    0x24,
    0x25,
    0x26,
    0x28,
    0x29,
    0x2A,
    0x2B,
    0x2E,
    0x30,
    0x31,
    0x35,
    0x38,
    0x39,
    0x3D,
    0x13,
]
_ACCESSES = range(0x20, 0x40)


def _word(dice: random.Random) -> int:
    op = dice.choice(_OPERATIONS)
    register = lambda: dice.randrange(2, 26)  # noqa: E731
    if op == 0x11:
        kind = dice.choice([0, 3, 4, 7, 16, 17, 20, 21, 2])
        rd = dice.randrange(0, 32, 2)
        if kind < 16:
            return op << 26 | kind << 21 | register() << 16 | (31 if kind == 2 else rd) << 11
        return (
            op << 26
            | kind << 21
            | dice.randrange(0, 32, 2) << 16
            | rd << 11
            | dice.randrange(0, 32, 2) << 6
            | (
                dice.choice(
                    [0, 1, 2, 3, 4, 5, 6, 7, 0x20, 0x21, 0x24, 0x0D, 0x11 if kind > 17 else 6, 0x12, 0x13, 0x32]
                )
            )
        )
    if op == 0x13:
        return op << 26 | 28 << 21 | 0 << 16 | dice.randrange(0, 32, 2) << 6 | dice.choice([0, 1])
    base = 28 if op in _ACCESSES else register()
    if op == 0:
        function = dice.choice(
            [0, 2, 3, 4, 6, 7, 10, 11, 0x10, 0x11, 0x12, 0x13, 0x18, 0x19, 0x1A, 0x1B, *range(0x20, 0x28), 0x2A, 0x2B]
        )
        return (
            base << 21
            | register() << 16
            | register() << 11
            | (dice.randrange(32) if function < 4 else 0) << 6
            | function
        )
    if op == 0x1C:
        number = register()
        return op << 26 | base << 21 | number << 16 | number << 11 | dice.choice([0, 1, 2, 4, 5, 0x20, 0x21])
    if op == 0x1F:
        function = dice.choice([0, 4, 0x20])
        if function == 0x20:
            return op << 26 | register() << 16 | register() << 11 | dice.choice([2, 0x10, 0x18]) << 6 | 0x20
        return (
            op << 26 | base << 21 | register() << 16 | dice.randrange(20, 28) << 11 | dice.randrange(4) << 6 | function
        )
    if op in (0x31, 0x35, 0x39, 0x3D):
        return op << 26 | base << 21 | dice.randrange(0, 32, 2) << 16 | 8 * dice.randrange(32)
    return (
        op << 26
        | base << 21
        | register() << 16
        | (4 * dice.randrange(64) if op in _ACCESSES else dice.randrange(65536))
    )


def _poke(machine: Machine, number: int, value: int) -> None:
    machine.write_register(number, value)


def _after(machine: Machine, word: int, values: dict[int, int], memory: bytes) -> dict[int, int] | None:
    """The registers behind an instruction; None: it raised an exception."""
    order = ">" if machine.big_endian else "<"
    machine.apply(InputEvent(0, InputKind.POKE_MEMORY, 0, CODE & 0x1FFFFFFF, struct.pack(f"{order}2I", word, NOP)))
    machine.apply(InputEvent(0, InputKind.POKE_MEMORY, 0, _DATA & 0x1FFFFFFF, memory))
    for number, value in values.items():
        _poke(machine, number, value)
    _poke(machine, 28, _DATA)
    machine.apply(InputEvent(0, InputKind.POKE_REGISTER, PC, CODE))
    assert machine.step().kind is StopKind.LIMIT
    return {number: machine.read_register(number) for number in values} if machine.pc == CODE + 4 else None


def _effects(machine: Machine, word: int) -> Effects:
    return machine.effects(struct.pack(">I" if machine.big_endian else "<I", word))


@pytest.mark.parametrize("big_endian", [False, True])
def test_registers_that_change_are_those_that_it_sets_and_depend_on_what_it_reads(big_endian: bool) -> None:
    dice = random.Random(big_endian)
    machine = machine_with([NOP, NOP], big_endian=big_endian, status=1 << 29)
    seen: set[str] = set()
    for _ in range(1200):
        word = _word(dice)
        effects = _effects(machine, word)
        values = {number: dice.getrandbits(31) for number in _PLAIN}
        memory = dice.randbytes(256)
        after = _after(machine, word, values, memory)
        if after is None:
            continue
        seen.add(effects.name)
        changed = {number for number in _PLAIN if after[number] != values[number]}
        assert changed <= set(effects.sets), f"{word:#010x} {effects.name}"
        if effects.doing is Doing.COPY and effects.source in values and effects.condition is None:
            assert all(after[number] == values[effects.source] for number in effects.sets if number in values)
        if effects.doing is Doing.CONSTANT:
            assert all(after[number] == effects.constant for number in effects.sets)
        other = {n: v if n in effects.reads else dice.getrandbits(31) for n, v in values.items()}
        again = _after(machine, word, other, memory)
        if again is not None and effects.doing is not Doing.OTHER and effects.condition is None:
            for number in effects.sets:
                if number in after:
                    assert again[number] == after[number], f"{word:#010x} {effects.name} {number}"
    assert len(seen) > 40
