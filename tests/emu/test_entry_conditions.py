"""Conditions that are asked when a block is entered: against asking at every step."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from rdbg.emu.expression import Expression, Operation, Step
from rdbg.emu.machine_api import RunRequest, ScanHit, StopKind
from rdbg.emu.spec import Semihosting
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


def equals(register: int, number: int) -> Expression:
    """A register, unsigned, is a number."""
    return (Step(Operation.REGISTER, register), Step(Operation.CONSTANT, number), Step(Operation.EQUAL),
            Step(Operation.END))  # fmt: skip


@pytest.mark.parametrize(("call", "start"), [(0x7000007F, [addiu(25, 0, 5)]), (0x41400000 | 8 << 16 | 2 << 11, [])])
def test_what_is_done_by_hand_in_the_slot_of_a_loop_changes_registers_too(call: int, start: list[int]) -> None:
    """A call of the host answers in $2 and $3, and rdpgpr sets the register in another field than most: a turn of the
    loop leaves none of them as they were."""
    code = [*start, addiu(8, 0, 9), addiu(2, 0, 7), addiu(25, 25, 1), addiu(8, 8, -1), bne(8, 0, -3), call, LOOP, NOP]
    top = CODE + 4 * (len(code) - 6)
    semihosting = Semihosting(("first", "second"))
    machine = machine_with(code, semihosting=semihosting)
    seen: dict[tuple[int, int], list[int]] = {}
    while machine.pc != CODE + 4 * (len(code) - 2):
        if machine.pc == top:
            for register in (2, 3):
                seen.setdefault((register, machine.read_register(register)), []).append(machine.icount)
        machine.step()
    assert len(seen) > 4
    for (register, number), places in seen.items():
        conditions = {top: (equals(register, number),)}
        request = RunRequest(machine.icount, None, frozenset({top}), conditions)
        run = machine_with(code, semihosting=semihosting)
        stops = []
        while run.run(replace(request, passes=bool(stops))).kind is StopKind.BREAKPOINT:
            stops.append(run.icount)
        assert stops == places
        run = machine_with(code, semihosting=semihosting)
        run.run(replace(request, last_hit=True))
        assert run.last_breakpoint_hit == ScanHit(places[-1], top)


@pytest.mark.parametrize("raising", [r_type(0x34, 9, 0, 0), lw(9, 1, 0)])  # a trap, and an unaligned load
def test_a_hit_of_a_block_that_ends_early_stays_if_it_comes_before_that(raising: int) -> None:
    """Also where a breakpoint on the block's slot has been noted as the last one."""
    code = [addiu(8, 0, 9), addiu(8, 8, -1), NOP, raising, addiu(11, 11, 1), bne(8, 0, -5), NOP, LOOP, NOP]
    branch = CODE + 20
    for at in (CODE + 4, CODE + 8, CODE + 12):
        for number in (7, 6, 5):
            armed = {at: equals(8, number), branch + 4: equals(0, 1)}
            machine = machine_with(code, SKIPPING_HANDLER)
            expected = (-1, -1)
            while machine.icount < 100 and machine.pc != branch + 8:
                end = machine.icount
                assert last_hit(code, armed, end, None) == expected
                if machine.pc == branch or machine.pc == at and machine.evaluate(armed[at]) != 0:
                    expected = (machine.icount, machine.pc)
                machine.step()


def test_what_was_hit_before_a_block_that_runs_again_stays_hit() -> None:
    """Two traps in one block, of which either may have been taken, behind two hits: these are taken back, and not the
    hit before the block."""
    trap = r_type(0x34, 8, 10, 0)
    start = [addiu(8, 0, 5), addiu(10, 0, 2), NOP, beq(0, 0, 1), NOP]
    code = [*start, addiu(8, 8, -1), NOP, NOP, trap, addiu(11, 11, 1), trap, bne(8, 0, -7), NOP, LOOP, NOP]
    top = CODE + 4 * len(start)
    armed = {CODE + 8: equals(0, 0), top: equals(8, 3), top + 4: equals(8, 2)}
    machine = machine_with(code, SKIPPING_HANDLER)
    conditions = {at: (each,) for at, each in armed.items()}
    stop = machine.run(RunRequest(200, None, frozenset(armed), conditions, last_hit=True))
    assert (stop.kind, stop.pc) == (StopKind.AMBIGUOUS, top)
    assert machine.last_breakpoint_hit == ScanHit(2, CODE + 8)
