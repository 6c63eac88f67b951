"""Conditions that are asked when a block is entered: against asking at every step."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from rdbg.emu.expression import Expression, Operation, Step
from rdbg.emu.machine_api import RunRequest, StopKind
from tests.emu.guests import CODE, LOOP, NOP, SKIPPING_HANDLER, addiu, beq, i_type, lui, lw, machine_with, r_type, sw

DATA = 0x80200000
TURNS = 60
#: Registers that a loop changes, that hold its data's address, its turns left.
CHANGED, BASE, LEFT = range(8, 16), 16, 4
COMPARISONS = (Operation.EQUAL, Operation.LESS_SIGNED, Operation.LESS_UNSIGNED)


def bne(rs: int, rt: int, words: int) -> int:
    return i_type(0x05, rs, rt, words)


def loop(dice: random.Random) -> list[int]:
    """A loop of one block: additions, other operations, loads, stores, unaligned loads now and then, which raise."""
    body = []
    for _ in range(dice.randrange(2, 9)):
        rd, rs, rt = (dice.choice(CHANGED) for _ in range(3))
        body.append(
            dice.choice((
                addiu(rd, rd, dice.choice((-3, -1, 0, 1, 2, 4))),
                addiu(rd, rs, dice.randrange(-9, 9)),
                r_type(0x21, rs, rt, rd),  # addu
                r_type(0x26, rs, rt, rd),  # xor
                lui(rd, dice.randrange(3)),
                lw(rd, 4 * dice.randrange(4), BASE),
                sw(rt, 4 * dice.randrange(4), BASE),
                NOP,
            ))
        )  # fmt: skip
    if dice.random() < 0.3:
        body.insert(dice.randrange(len(body)), addiu(17, 17, 1))
        body.insert(dice.randrange(len(body)), lw(dice.choice(CHANGED), 0, 17))
    turn = [*body, addiu(LEFT, LEFT, -1), bne(LEFT, 0, -len(body) - 2), addiu(dice.choice(CHANGED), 0, 1)]
    if dice.random() < 0.5:
        turn[-1] = NOP
    start = [lui(BASE, DATA >> 16), lui(17, DATA >> 16), addiu(LEFT, 0, TURNS), addiu(8, 0, 5), addiu(9, 0, -20)]
    return [*start, *turn, LOOP, NOP]


def condition(dice: random.Random) -> Expression:
    """As GDB sends them, and others."""
    register = dice.choice((*CHANGED, LEFT, LEFT, 37))
    steps = [Step(Operation.REGISTER, register)]
    if dice.random() < 0.7:
        steps.append(Step(Operation.EXTEND_SIGN, dice.choice((32, 32, 32, 8))))
    if dice.random() < 0.3:
        steps += [Step(Operation.CONSTANT, dice.choice((1, 3, 0xFF))), Step(Operation.AND)]
    if dice.random() < 0.2:
        steps += [Step(Operation.CONSTANT, DATA), Step(Operation.LOAD_32), Step(Operation.ADD)]
    if dice.random() < 0.9:
        steps.append(Step(Operation.CONSTANT, dice.choice((0, 1, 7, TURNS // 2, 2**32 - 20, 2**64 - 20))))
        if dice.random() < 0.3:
            steps.append(Step(Operation.SWAP))
        steps.append(Step(dice.choice(COMPARISONS)))
    if dice.random() < 0.2:
        steps.append(Step(Operation.IS_ZERO))
    return (*steps, Step(Operation.END))


def hits(code: Sequence[int], armed: dict[int, Expression], end: int) -> list[tuple[int, int]]:
    """Where a run stops for them up to a position."""
    machine = machine_with(list(code), SKIPPING_HANDLER)
    conditions = {at: (each,) for at, each in armed.items()}
    found: list[tuple[int, int]] = []
    passes = False
    while True:
        stop = machine.run(RunRequest(end, None, frozenset(armed), conditions, passes=passes))
        if stop.kind is not StopKind.BREAKPOINT:
            return found
        found.append((machine.icount, machine.pc))
        passes = True


def last_hit(code: Sequence[int], armed: dict[int, Expression], end: int, slice_length: int | None) -> tuple[int, int]:
    """The last of them, by a run that notes it."""
    machine = machine_with(list(code), SKIPPING_HANDLER)
    conditions = {at: (each,) for at, each in armed.items()}
    found = (-1, -1)
    while True:
        stop = machine.run(RunRequest(end, slice_length, frozenset(armed), conditions, last_hit=True))
        hit = machine.last_breakpoint_hit
        if hit is not None:
            found = (hit.position, hit.pc)
        if stop.kind is not StopKind.PAUSED:
            return found


@pytest.mark.parametrize("seed", range(60))
def test_conditions_stop_where_they_hold_before_a_step(seed: int) -> None:
    dice = random.Random(seed)
    code = loop(dice)
    places = [CODE + 4 * n for n in range(len(code) - 2)]
    armed = {at: condition(dice) for at in dice.sample(places, dice.choice((1, 1, 1, 2, 3)))}
    machine = machine_with(code, SKIPPING_HANDLER)
    expected: list[tuple[int, int]] = []
    branch = CODE + 4 * (len(code) - 4)
    while machine.pc != CODE + 4 * (len(code) - 2):
        for at, each in armed.items():
            # One in a slot is met at its branch, whatever its condition says.
            in_slot = at == branch + 4 and machine.pc == branch
            if in_slot or at == machine.pc and machine.evaluate(each) != 0:
                expected.append((machine.icount, machine.pc))
                break
        machine.step()
    end = machine.icount
    assert hits(code, armed, end) == expected
    for slice_length in (None, 7):
        assert last_hit(code, armed, end, slice_length) == (expected[-1] if expected else (-1, -1))


def test_the_register_of_a_loop_may_be_changed_between_two_runs() -> None:
    """Turns that cannot meet the condition are counted on from the register, which a debugger may write."""
    code = [addiu(8, 0, 1000), addiu(8, 8, -1), bne(8, 0, -2), NOP, LOOP, NOP]
    at = CODE + 4
    machine = machine_with(code)
    sought = (Step(Operation.REGISTER, 8), Step(Operation.CONSTANT, 10), Step(Operation.EQUAL), Step(Operation.END))
    request = RunRequest(until=3000, breakpoints=frozenset({at}), conditions={at: (sought,)})
    machine.run(RunRequest(until=301, breakpoints=request.breakpoints, conditions=request.conditions))
    assert (machine.pc, machine.read_register(8)) == (at, 900)
    machine.write_register(8, 12)
    stop = machine.run(request)
    assert (stop.kind, machine.icount, machine.read_register(8)) == (StopKind.BREAKPOINT, 307, 10)


def test_a_loop_that_changes_its_code_is_asked_as_it_is_then() -> None:
    """A store changes what a turn adds to the register: 40 turns subtract 1, 40 more 3."""
    code = [
        lui(16, CODE >> 16), addiu(16, 16, CODE & 0xFFFF), lw(9, 20, 16), addiu(8, 0, 300), addiu(10, 0, 40),
        addiu(8, 8, -1), addiu(10, 10, -1), bne(10, 0, -3), NOP,
        bne(12, 0, 6), addiu(12, 12, 1), addiu(9, 9, -2), sw(9, 20, 16), addiu(10, 0, 40), beq(0, 0, -10), NOP,
        LOOP, NOP,
    ]  # fmt: skip
    at = CODE + 20
    for number, turns in {300: 1, 290: 1, 261: 1, 260: 1, 259: 0, 257: 1, 256: 0, 143: 1, 142: 0, 140: 0}.items():
        sought = (Step(Operation.REGISTER, 8), Step(Operation.CONSTANT, number), Step(Operation.EQUAL),
                  Step(Operation.END))  # fmt: skip
        machine = machine_with(code)
        expected = []
        while machine.pc != CODE + 4 * (len(code) - 2):
            if machine.pc == at and machine.evaluate(sought) != 0:
                expected.append((machine.icount, machine.pc))
            machine.step()
        assert len(expected) == turns
        assert hits(code, {at: sought}, machine.icount) == expected
        assert last_hit(code, {at: sought}, machine.icount, None) == (expected[-1] if expected else (-1, -1))
