"""What is due in the middle of straight-line code happens right there; what comes before it is what the CPU does."""

from __future__ import annotations

import random

import pytest

from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest
from tests.emu.guests import (
    CODE,
    ERET,
    LOOP,
    NOP,
    addiu,
    i_type,
    lui,
    lw,
    machine_with,
    mfc0,
    mtc0,
    poke_words,
    r_type,
    sw,
)
from tests.emu.guests import HANDLER as HANDLER_AT

COMPARE, STATUS, EPC = 11, 12, 14
TIMER_ON = 0x8001  # IM7, IE
DATA = 0x80102000

#: The handler notes EPC and sets Compare far ahead.
HANDLER = [mfc0(27, EPC), addiu(26, 26, 1), mtc0(0, COMPARE), ERET]

LOADS = (0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26)
STORES = (0x28, 0x29, 0x2A, 0x2B, 0x2E)
SIZES = {0x20: 1, 0x24: 1, 0x28: 1, 0x21: 2, 0x25: 2, 0x29: 2, 0x23: 4, 0x2B: 4}


def instruction(dice: random.Random) -> int:
    """Any instruction that goes on to the next and raises nothing; $16 points to data, $8 to $15 are free."""

    def free() -> int:
        return dice.choice([0, *range(8, 16)])

    kind = dice.randrange(9)
    if kind < 3:
        function = dice.choice([0x21, 0x23, 0x24, 0x25, 0x26, 0x27, 0x2A, 0x2B, 0x0A, 0x0B, 0x04, 0x06, 0x07])
        rotates = 1 if function == 0x06 and dice.random() < 0.3 else 0
        return r_type(function, free(), free(), free(), rotates)
    if kind == 3:
        return r_type(dice.choice([0, 2, 3]), 0, free(), free(), dice.randrange(32))
    if kind == 4:
        return i_type(dice.choice([0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E]), free(), free(), dice.getrandbits(16))
    if kind == 5:
        return lui(free(), dice.getrandbits(16))
    if kind == 6:
        op = dice.choice(LOADS + STORES)
        return i_type(op, 16, free(), dice.randrange(64) & -SIZES.get(op, 1))
    if kind == 7:  # mul, ext, ins, seb, seh, wsbh, clz, rotr
        register = free()
        return dice.choice(
            [
                0x70000002 | free() << 21 | free() << 16 | free() << 11,
                0x7C000000 | free() << 21 | free() << 16 | 7 << 11 | 3 << 6,
                0x7C000004 | free() << 21 | free() << 16 | 9 << 11 | 3 << 6,
                *(0x7C000020 | free() << 16 | free() << 11 | sa << 6 for sa in (2, 0x10, 0x18)),
                0x70000020 | free() << 21 | register << 16 | register << 11,
                0x00200002 | free() << 16 | free() << 11 | 5 << 6,
            ]
        )
    return dice.choice([NOP, 0x0000000F, 0xCE000000, r_type(0x18, free(), free(), 0), r_type(0x12, 0, 0, free())])


def prepared(code: list[int], dice: random.Random, big_endian: bool) -> Machine:
    machine = machine_with([*code, LOOP, NOP], HANDLER, big_endian)
    for register in range(8, 16):
        machine.core.registers.write_gpr(register, dice.choice([0, 1, 0x7FFFFFFF, 0x80000000, dice.getrandbits(32)]))
    machine.core.registers.write_gpr(16, DATA)
    machine.core.registers.write_cp0(STATUS, 0, TIMER_ON)
    return machine


@pytest.mark.parametrize("seed", range(24))
def test_code_before_an_interrupt_is_what_single_steps_make_of_it(seed: int) -> None:
    dice = random.Random(seed)
    code = [sw(0, 0, 16), lw(0, 0, 16), *(instruction(dice) for _ in range(20))]
    registers = dice.getrandbits(32)
    for ticks in range(1, len(code)):
        machines = [prepared(code, random.Random(registers), bool(seed & 1)) for _ in range(2)]
        at_once, stepped = machines
        for machine in machines:
            machine.core.registers.write_cp0(COMPARE, 0, machine.core.registers.read_cp0(9, 0) + ticks)
        end = 6 * len(code)
        at_once.run(RunRequest(until=end))
        while stepped.icount < at_once.icount:
            stepped.step()
        assert at_once.read_register(26) == 1
        assert at_once.digest() == stepped.digest(), ticks


def test_a_timer_strikes_between_any_two_instructions_of_a_straight_line() -> None:
    """It came at the next jump only, so a lost update could not happen."""
    code = [addiu(8, 8, 1) for _ in range(40)]
    for ticks in range(1, 30):
        machine = prepared(code, random.Random(0), False)
        machine.core.registers.write_gpr(8, 0)
        machine.core.registers.write_cp0(COMPARE, 0, ticks)
        due = -(-6 * ticks // 8)  # a tick is 6 ns, an instruction 8 ns
        machine.run(RunRequest(until=due))
        epc = machine.core.registers.read_cp0(EPC, 0)
        assert (machine.icount, machine.pc, epc) == (due, HANDLER_AT, CODE + 4 * due)
        assert machine.read_register(8) == due


def test_a_device_s_time_is_that_of_its_access_when_a_part_of_the_block_has_run_before() -> None:
    ports, mode, low = 0xB000, 0x43, 0x40
    load_counter = [i_type(0x28, 8, 0, low)] * 2
    set_mode = [lui(8, ports), addiu(9, 0, 0x34), i_type(0x28, 8, 9, mode)]
    code = [*set_mode, *load_counter, *[NOP] * 9, *load_counter, LOOP, NOP]

    def run(until: int, machine: Machine) -> bytes:
        machine.run(RunRequest(until=until))
        return machine.digest()

    machine = machine_with(code)
    start = machine.save_state()
    for until in range(3, len(code)):
        wanted = run(until, machine_with(code))
        for before in range(3, len(code)):
            machine.load_state(start)
            run(before, machine)
            machine.load_state(start)
            assert run(until, machine) == wanted, (before, until)


@pytest.mark.parametrize("big_endian", [False, True])
def test_a_timer_strikes_before_a_branch_whose_slot_is_passed_over_and_cannot_be_fetched(big_endian: bool) -> None:
    """``bnel $0, $0`` in the last word of a mapped page, the next one unmapped: its block is done by hand."""
    low = (CODE & 0x1FFFFFFF) >> 6 | 0x1F  # valid, dirty, global
    page = CODE & 0x1FFFFFFF
    maps = [lui(8, page >> 16), mtc0(8, 10), lui(8, low >> 16), i_type(0x0D, 8, 8, low & 0xFFFF), mtc0(8, 2),
            addiu(8, 0, 1), mtc0(8, 3), mtc0(0, 0), mtc0(0, 5), 0x42000002]  # fmt: skip
    near_end = 0xFE0
    leads_there = [lui(25, page >> 16), i_type(0x0D, 25, 25, near_end), r_type(8, 25, 0, 0), NOP]
    started = len(maps) + len(leads_there)
    for due in range(started, started + 8):
        machine = machine_with([*[addiu(9, 9, 1)] * 7, i_type(0x15, 0, 0, 4)], HANDLER, big_endian, CODE + near_end)
        poke_words(machine, 0x80300000, [*maps, *leads_there])
        machine.core.registers.write_pc(0x80300000)
        machine.core.registers.write_cp0(STATUS, 0, TIMER_ON)
        machine.core.registers.write_cp0(COMPARE, 0, due * 8 // 6)
        machine.run(RunRequest(until=due))
        assert machine.core.registers.read_cp0(EPC, 0) == page + near_end + 4 * (due - started)
