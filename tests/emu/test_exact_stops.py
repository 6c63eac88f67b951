"""Positions: every instruction is counted, every position is reached exactly, none lies in a delay slot."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest, StopKind
from rdbg.emu.registers import PC
from tests.emu.guests import (
    CODE,
    ERET,
    LOOP,
    NOP,
    SKIPPING_HANDLER,
    add,
    addiu,
    beq,
    beql,
    lui,
    lw,
    machine_with,
    mfc0,
    mtc0,
    poke_words,
    r_type,
    sw,
)

RUN = 120

registers = st.integers(8, 15)
plain = st.one_of(
    st.builds(addiu, registers, registers, st.integers(-300, 300)),
    st.builds(lambda d, s, t: r_type(0x21, s, t, d), registers, registers, registers),
    st.builds(lambda t, n: sw(t, 4 * n, 16), registers, st.integers(0, 20)),
    st.builds(lambda t, n: lw(t, 4 * n, 16), registers, st.integers(0, 20)),
    st.builds(add, registers, registers, registers),
    st.builds(mfc0, registers, st.sampled_from([9, 12, 13, 14])),
    st.just(0x0000000C),  # syscall
    st.builds(lambda s, t: r_type(0x34, s, t, 0), registers, registers),  # teq
    st.builds(lambda t, n: lw(t, n, 16), registers, st.integers(0, 20)),  # may be unaligned
)
slot = plain.filter(lambda w: w != 0x0000000C)
branch = st.tuples(
    st.builds(lambda make, s, t, n: make(s, t, n), st.sampled_from([beq, beql]), registers, registers,
              st.integers(1, 6)), slot
)  # fmt: skip
#: The handler keeps EPC in a delay slot's branch from being taken again for ever: it always goes on behind the slot.
HANDLER = [mfc0(26, 14), mfc0(27, 13), r_type(0x02, 0, 27, 27, 31), r_type(0x00, 0, 27, 27, 2),
           r_type(0x21, 26, 27, 26), addiu(26, 26, 4), mtc0(26, 14), ERET]  # fmt: skip
programs = st.lists(st.one_of(plain.map(lambda w: (w,)), branch), min_size=5, max_size=40).map(
    lambda parts: [w for part in parts for w in part]
)


def load(words: list[int], big_endian: bool) -> Machine:
    return machine_with([lui(16, 0x8020), addiu(10, 0, 0x7FFF), r_type(0, 0, 10, 10, 16), *words, LOOP, NOP],
                        HANDLER, big_endian)  # fmt: skip


def advance(machine: Machine, until: int) -> None:
    """Run to a position, single-stepping where Unicorn cannot say which instruction trapped."""
    first = machine.save_state()
    pages = [int(page) for page in machine.nonzero_pages()]
    data = machine.read_pages(pages)
    stop = machine.run(RunRequest(until=until))
    if stop.kind is StopKind.AMBIGUOUS:
        now = [int(page) for page in machine.nonzero_pages()]
        machine.load_state(first)
        machine.write_pages(now, bytes(4096 * len(now)))
        machine.write_pages(pages, data)
        stop = machine.run(RunRequest(until=until, exact=True))
    assert stop.kind is StopKind.LIMIT


@settings(max_examples=60, deadline=None)
@given(programs, st.booleans())
def test_every_position_is_the_same_however_reached(words: list[int], big_endian: bool) -> None:
    stepped = load(words, big_endian)
    digests = {0: stepped.digest()}
    while stepped.icount < RUN:
        before = stepped.icount
        stepped.step()
        assert stepped.icount - before in (1, 2)
        digests[stepped.icount] = stepped.digest()
    straight = load(words, big_endian)
    for position in range(1, RUN):
        if position % 3:
            continue
        advance(straight, position)
        expected = max(p for p in digests if p <= position)
        assert straight.icount == expected
        assert straight.digest() == digests[expected]
    leaping = load(words, big_endian)
    advance(leaping, RUN - 1)
    expected = max(p for p in digests if p <= RUN - 1)
    assert (leaping.icount, leaping.digest()) == (expected, digests[expected])


@settings(max_examples=40, deadline=None)
@given(programs, st.integers(1, RUN - 1))
def test_what_was_executed_is_told(words: list[int], cut: int) -> None:
    stepped, straight = load(words, False), load(words, False)
    straight.take_touched()
    for low, high in ((0, cut), (cut, RUN)):
        advance(straight, high)
        blocks = straight.take_touched().executed_blocks
        assert blocks is not None
        covered = {int(pc) + at for pc, size in blocks for at in range(0, int(size), 4)}
        while stepped.icount < straight.icount:
            assert stepped.pc in covered, (low, high)
            stepped.step()


def test_a_nullified_slot_counts_as_it_does_on_qemu() -> None:
    machine = machine_with([addiu(8, 0, 1), beql(8, 0, 4), addiu(9, 0, 5), addiu(10, 0, 7), LOOP, NOP])
    machine.run(RunRequest(until=2))
    assert (machine.icount, machine.pc) == (1, CODE + 4)
    machine.run(RunRequest(until=3))
    assert (machine.icount, machine.pc) == (3, CODE + 12)
    machine.run(RunRequest(until=4))
    assert machine.icount == 4
    assert machine.read_register(9) == 0
    assert machine.read_register(10) == 7


@pytest.mark.parametrize("taken", [True, False])
def test_a_likely_branch_to_its_own_fall_through(taken: bool) -> None:
    """Both ways lead to the same address, and count the same."""
    machine = machine_with([addiu(8, 0, 0 if taken else 1), beql(8, 0, 1), addiu(9, 0, 5), addiu(10, 0, 7), LOOP, NOP])
    machine.run(RunRequest(breakpoints=frozenset({CODE + 16})))
    assert machine.icount == 4
    assert machine.read_register(9) == (5 if taken else 0)


def test_a_branch_at_the_end_of_a_page() -> None:
    words = [NOP] * 1022 + [addiu(8, 0, 1), beq(0, 0, 2), addiu(9, 0, 2), NOP, addiu(10, 0, 3), LOOP, NOP]
    machine = machine_with(words)
    machine.run(RunRequest(until=1024))
    assert (machine.icount, machine.pc) == (1023, CODE + 4 * 1023)
    machine.step()
    assert (machine.icount, machine.pc) == (1025, CODE + 4 * 1026)
    assert machine.read_register(9) == 2


def test_a_breakpoint_on_a_slot_stops_at_its_branch() -> None:
    machine = machine_with([addiu(8, 0, 1), beq(0, 0, 2), addiu(9, 0, 2), NOP, addiu(10, 0, 3), LOOP, NOP])
    stop = machine.run(RunRequest(breakpoints=frozenset({CODE + 8})))
    assert (stop.kind, stop.pc, stop.position) == (StopKind.BREAKPOINT, CODE + 4, 1)
    stop = machine.run(RunRequest(breakpoints=frozenset({CODE + 8, CODE + 16}), passes=True))
    assert (stop.kind, stop.pc) == (StopKind.BREAKPOINT, CODE + 16)


@pytest.mark.parametrize("nops", [0, 1, 2, 9], ids=lambda nops: f"{nops} nops")
@pytest.mark.parametrize("length", [299, 300, 375, 376, 900, 3000])
def test_long_straight_runs_do_not_crash(length: int, nops: int) -> None:
    """Unicorn 2.1.4 crashes on a block of 376 instructions, whether it emits anything for them or not."""
    words = ([addiu(8, 8, 1), *[NOP] * nops] * length)[:length]
    machine = machine_with([*words, LOOP, NOP])
    machine.run(RunRequest(until=length))
    assert machine.read_register(8) == words.count(addiu(8, 8, 1))
    assert machine.pc == CODE + 4 * length


def test_long_runs_that_replace_each_other_do_not_crash() -> None:
    """A page that shows long runs at ever other places, with nops or without."""
    machine = machine_with([NOP] * 1100)
    for start in range(0, 500, 60):
        words = [*[LOOP, NOP] * (start // 2), *[[addiu(8, 8, 1), NOP][start // 60 % 2]] * 400, LOOP, NOP]
        poke_words(machine, CODE, words)
        machine.write_register(PC, CODE + 4 * start)
        machine.run(RunRequest(until=machine.icount + 400))
        assert machine.pc == CODE + 4 * (start + 400)


def test_ambiguous_traps_are_told_apart_by_single_steps() -> None:
    """Both adds overflow with the registers as they stand at the second."""
    words = [lui(8, 0x7FFF), add(9, 8, 10), addiu(10, 8, 0), add(9, 8, 10), NOP, LOOP, NOP]
    machine = machine_with(words, SKIPPING_HANDLER)
    stop = machine.run(RunRequest(until=5))
    assert (stop.kind, stop.rerun_from) == (StopKind.AMBIGUOUS, 0)
    machine = machine_with(words, SKIPPING_HANDLER)
    machine.run(RunRequest(until=4, exact=True))
    assert machine.pc == 0x80000180
    assert machine.core.registers.read_cp0(14, 0) == CODE + 12
