"""Steps back over the handlers of exceptions: only over one that a step forward would have gone over."""

from __future__ import annotations

import pytest

from rdbg.history.history import History
from rdbg.timeline import StopConditions, StopReason, Timeline
from tests.emu.guests import (
    CODE,
    ERET,
    NOP,
    addiu,
    beq,
    i_type,
    lw,
    machine_with,
    mfc0,
    mtc0,
    poke_words,
    r_type,
)
from tests.emu.guests import (
    HANDLER as VECTOR,
)
from tests.timeline.generated_guest import REFILL

#: Interrupts are taken back; of anything else the branch is skipped whose slot it sits in.
HANDLER = [
    mfc0(26, 13), i_type(0x0C, 26, 27, 0x7C), i_type(0x05, 27, 0, 3), mfc0(27, 14),
    mtc0(0, 13), ERET, NOP,
    addiu(27, 27, 8), mtc0(27, 14), ERET,
]  # fmt: skip
JOINED = 5
GUEST = [
    addiu(8, 0, 0x100),
    beq(0, 0, 3), mtc0(8, 13),  # a software interrupt is raised on the way to JOINED
    i_type(0x05, 0, 11, 1), r_type(0x34, 0, 0, 0),  # a trap in the slot of a branch that is not taken
    addiu(9, 9, 1),
    beq(0, 0, -4), NOP,
]  # fmt: skip


def timeline_of(big_endian: bool) -> Timeline:
    return Timeline(machine_with(GUEST, HANDLER, big_endian, status=0x101), History.live_run())


@pytest.mark.parametrize("big_endian", [False, True])
def test_an_older_handler_that_came_here_is_not_taken_for_the_latest(big_endian: bool) -> None:
    timeline = timeline_of(big_endian)
    joined = StopConditions(frozenset({CODE + 4 * JOINED}))
    timeline.run(joined, lambda: False)  # from the interrupt
    assert timeline.reverse_step().position == 1 and timeline.machine.pc == CODE + 4  # over it
    timeline.run(joined, lambda: False)
    timeline.step()
    timeline.run(joined, lambda: False)  # from the trap, which is handled by leaving its branch out
    here = timeline.position
    stop = timeline.reverse_step()
    assert (stop.reason, stop.position) == (StopReason.STEP, here - 1)
    assert timeline.machine.read_memory(stop.pc, 4) == ERET.to_bytes(4, "big" if big_endian else "little")


@pytest.mark.parametrize("big_endian", [False, True])
def test_an_interrupt_before_an_instruction_runs_again_leads_back_to_where_that_faulted(big_endian: bool) -> None:
    guest = [addiu(8, 8, 1), lw(9, 0x1000, 0), addiu(9, 9, 1), beq(0, 0, -4), NOP]
    machine = machine_with(guest, [mtc0(0, 13), ERET], big_endian, status=0x101)
    refill = [*REFILL[:-1], addiu(26, 0, 0x100), mtc0(26, 13), ERET]  # maps the page, and raises a software interrupt
    poke_words(machine, 0x80000000, refill)
    timeline = Timeline(machine, History.live_run())
    timeline.run(StopConditions(frozenset({VECTOR})), lambda: False)
    assert timeline.position == 2 + len(refill)
    stop = timeline.reverse_step()
    assert (stop.reason, stop.position, stop.pc) == (StopReason.STEP, 1, CODE + 4)


@pytest.mark.parametrize("big_endian", [False, True])
def test_an_eret_outside_of_a_handler_is_a_jump(big_endian: bool) -> None:
    """It leads to behind a system call whose handler has returned elsewhere: that one was not left by it."""
    skip = [mfc0(27, 14), addiu(27, 27, 8), mtc0(27, 14), ERET]
    called = [r_type(0x0C, 0, 0, 0), addiu(8, 8, 1), addiu(8, 8, 1)]
    jump = [mtc0(9, 14), ERET, NOP]
    guest = [i_type(0x0F, 0, 9, CODE >> 16), i_type(0x0D, 9, 9, (CODE & 0xFFFF) + 12), *called, *jump]
    timeline = Timeline(machine_with(guest, skip, big_endian), History.live_run())
    jumped = StopConditions(frozenset({CODE + 4 * 6}))
    timeline.run(jumped, lambda: False)
    here = timeline.position
    timeline.step()
    assert timeline.machine.pc == CODE + 12
    stop = timeline.reverse_step()
    assert (stop.reason, stop.position, stop.pc) == (StopReason.STEP, here, CODE + 4 * 6)


@pytest.mark.parametrize("big_endian", [False, True])
def test_a_handler_that_runs_through_the_next_vector_begins_at_its_own(big_endian: bool) -> None:
    """The one for interrupts, at 0x200, is none of its entries."""
    skip = [*[NOP] * 40, mfc0(27, 14), addiu(27, 27, 4), mtc0(27, 14), ERET]
    guest = [addiu(8, 8, 1), r_type(0x0C, 0, 0, 0), addiu(8, 8, 1), beq(0, 0, -4), NOP]
    timeline = Timeline(machine_with(guest, skip, big_endian), History.live_run())
    timeline.run(StopConditions(frozenset({CODE + 8})), lambda: False)
    assert timeline.position == 2 + len(skip)
    stop = timeline.reverse_step()
    assert (stop.reason, stop.position, stop.pc) == (StopReason.STEP, 1, CODE + 4)


@pytest.mark.parametrize("big_endian", [False, True])
def test_an_exception_within_a_handler_is_not_its_entry(big_endian: bool) -> None:
    """A refill handler loads from a table whose page is mapped by the general handler, which returns to what was
    interrupted first; that is run again."""
    table = lw(27, 0x5000, 0)
    maps = [*REFILL[:-1], ERET]
    guest = [addiu(8, 8, 1), lw(9, 0x1000, 0), addiu(9, 9, 1), beq(0, 0, -4), NOP]
    machine = machine_with(guest, maps, big_endian)
    poke_words(machine, 0x80000000, [table, *maps])
    timeline = Timeline(machine, History.live_run())
    timeline.run(StopConditions(frozenset({VECTOR})), lambda: False)
    assert timeline.position == 3  # the load, and that from the table, have faulted
    timeline.run(StopConditions(frozenset({CODE + 8})), lambda: False)
    assert timeline.position == 24
    assert timeline.reverse_step().pc == CODE + 4
    stop = timeline.reverse_step()
    assert (stop.reason, stop.position, stop.pc) == (StopReason.STEP, 0, CODE)
