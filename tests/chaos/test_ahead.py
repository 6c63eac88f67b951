"""Where the guest would go is told as it goes."""

from __future__ import annotations

import pytest

from rdbg.emu.ahead import look_ahead
from tests.emu.guests import CODE, NOP, WAIT, addiu, beq, beql, i_type, lui, lw, machine_with, mfc0, r_type, sw

V0, V1, A0, T0, SP, RA = 2, 3, 4, 8, 29, 31
DATA = 0x80200000


def ori(rt: int, rs: int, immediate: int) -> int:
    return i_type(0x0D, rs, rt, immediate)


def bne(rs: int, rt: int, words: int) -> int:
    return i_type(0x05, rs, rt, words)


#: Calls, branches of all kinds, narrow accesses, a delay loop, a likely branch whose slot is passed over; then a wait.
WAY = [
    lui(A0, DATA >> 16),
    lw(V0, 0, A0),
    addiu(V0, V0, 1),
    sw(V0, 0, A0),
    addiu(T0, 0, 300),
    bne(T0, 0, -1),  # a delay loop, that counts in its slot
    addiu(T0, T0, -1),
    i_type(0x28, A0, V0, 5),  # sb
    i_type(0x25, A0, V1, 4),  # lhu
    beq(V1, 0, 3),
    NOP,
    beql(V0, 0, 4),
    sw(0, 8, A0),  # not taken: passed over
    r_type(0x2B, V1, V0, T0),  # sltu
    bne(V0, 0, 2),
    sw(V0, 12, A0),  # in a slot
    sw(V0, 16, A0),  # jumped over
    lui(V1, 0x8010),
    ori(V1, V1, 4 * 22),
    r_type(0x09, V1, 0, RA),  # jalr to what follows the wait
    sw(V1, -4, SP),
    WAIT,
    lw(V1, 24, A0),
    r_type(0x08, RA, 0, 0),  # jr ra
    sw(RA, 20, A0),
]


@pytest.mark.parametrize("big_endian", [False, True])
def test_it_is_the_way_that_the_guest_goes(big_endian: bool) -> None:
    machine = machine_with(WAY, big_endian=big_endian)
    machine.write_register(SP, DATA + 0x1000)
    before = machine.digest()
    way = look_ahead(machine, CODE, 10_000)
    assert machine.digest() == before
    assert way.followed < 60 and way.waits_at is not None
    start, seen = machine.icount, []
    expected = [(access.at, access.pc) for access in way.accesses]
    while machine.pc != CODE + 4 * WAY.index(WAIT):
        seen.append((machine.icount - start, machine.pc))
        machine.step()
    assert machine.icount - start == way.waits_at == way.length
    slots = {(at + 1, pc + 4) for at, pc in seen}
    assert all(place in seen or place in slots for place in expected)
    assert [access.word - DATA for access in way.accesses] == [0, 0, 4, 4, 12, 0xFFC, 24, 20]
    assert [access.store for access in way.accesses] == [False, True, True, False, True, True, False, True]
    assert [access.stack for access in way.accesses].index(True) == 5
    assert machine.read_register(T0) == 0xFFFFFFFF or machine.read_register(T0) in (0, 1)


def test_a_delay_loop_is_as_long_as_it_runs() -> None:
    code = [lui(A0, DATA >> 16), ori(T0, 0, 60_000), bne(T0, 0, -1), addiu(T0, T0, -1), lw(V0, 0, A0), sw(V0, 0, A0)]
    way = look_ahead(machine_with(code), CODE, 100)
    assert way.accesses[0].at == 2 + 2 * 60_001
    assert way.followed <= 100


def test_a_loop_that_counts_in_memory_is_followed() -> None:
    code = [lui(A0, DATA >> 16), lw(V0, 0, A0), addiu(V0, V0, 1), sw(V0, 0, A0), bne(V0, 0, -4), NOP]
    assert len(look_ahead(machine_with(code), CODE, 50).accesses) > 15


@pytest.mark.parametrize(
    "word",
    [
        0x0000000C,  # syscall
        mfc0(V0, 9),
        0x42000018,  # eret
        lw(V0, 1, A0),  # unaligned
        r_type(0x08, V1, 0, 0),  # to where nothing is
    ],
)
def test_it_ends_where_nothing_can_be_told(word: int) -> None:
    machine = machine_with([word, bne(V0, 0, 3), NOP, *([NOP] * 20)])
    machine.write_register(V1, 0x40)
    assert look_ahead(machine, CODE, 1000).length <= 1


def test_devices_are_not_asked() -> None:
    machine = machine_with([lui(A0, 0xB800), i_type(0x24, A0, V0, 0x3F8), sw(V0, 0, A0)])
    before = machine.save_state()
    assert look_ahead(machine, CODE, 1000).accesses == []
    assert machine.save_state() == before


def test_what_a_handler_accesses_is_seen_behind_what_cannot_be_told() -> None:
    code = [
        lui(A0, 0xB800),
        i_type(0x24, A0, V0, 0x3FD),  # lbu from the serial port
        lui(A0, DATA >> 16),
        beq(V0, 0, 3),
        NOP,
        lw(V1, 8, A0),
        sw(V1, 8, A0),
        NOP,
    ]
    machine = machine_with(code)
    assert look_ahead(machine, CODE, 100).accesses == []
    way = look_ahead(machine, CODE, 8, guess=True)
    assert [access.word - DATA for access in way.accesses[1:]] == [8, 8]


def test_a_loop_that_waits_for_an_interrupt_is_the_end_of_the_way() -> None:
    code = [lui(A0, DATA >> 16), lw(V0, 0, A0), NOP, beq(V0, 0, -3), NOP, sw(V0, 4, A0)]
    way = look_ahead(machine_with(code), CODE, 10_000)
    assert way.followed < 20 and not any(access.store for access in way.accesses)
