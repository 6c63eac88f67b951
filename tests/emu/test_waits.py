"""What ends a wait: an interrupt that will be taken, and no other, as QEMU's CPUs before Release 6 have it."""

from __future__ import annotations

import pytest

from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.machine_api import RunRequest, StopKind
from rdbg.emu.registers import STATUS
from tests.emu.guests import CODE, HANDLER, LOOP, NOP, WAIT, addiu, beq, machine_with, mfc0, mtc0

_IM7, _IM1 = 0x8000, 0x0200
_IE, _EXL, _ERL = 1, 2, 4
_COUNTS = 0x400
#: Until long after the timer's interrupt.
_LONG = 100_000


def _timer(spin: int) -> list[int]:
    """The timer's interrupt in _COUNTS of Count, and a wait after ``spin`` turns of a loop."""
    return [
        mfc0(8, 9),
        addiu(8, 8, _COUNTS),
        mtc0(8, 11),
        addiu(9, 0, spin),
        addiu(9, 9, -1),
        beq(9, 0, 3),
        NOP,
        beq(0, 0, -4),
        NOP,
        WAIT,
        LOOP,
        NOP,
    ]


_SOFTWARE = [addiu(8, 0, _IM1), mtc0(8, 13), WAIT, LOOP, NOP]
GUESTS = {
    "timer during the wait": (_timer(1), _IM7),
    "timer before the wait": (_timer(4000), _IM7),
    "software interrupt": (_SOFTWARE, _IM1),
}
HELD_OFF = {"IE=0": 0, "EXL": _EXL | _IE, "ERL": _ERL | _IE, "EXL, IE=0": _EXL, "ERL, IE=0": _ERL}


@pytest.mark.parametrize("status", HELD_OFF.values(), ids=HELD_OFF)
@pytest.mark.parametrize("guest", GUESTS)
def test_an_interrupt_that_is_held_off_ends_no_wait(guest: str, status: int) -> None:
    code, mask = GUESTS[guest]
    machine = machine_with(code, status=mask | status)
    stop = machine.run(RunRequest(until=_LONG))
    assert stop.kind is StopKind.IDLE
    assert stop.pc == CODE + 4 * (code.index(WAIT) + 1)
    assert machine.run(RunRequest(until=_LONG)).position == stop.position
    # The debugger lets it be taken.
    machine.apply(InputEvent(stop.position, InputKind.POKE_REGISTER, STATUS, mask | _IE))
    stop = machine.run(RunRequest(until=stop.position + _LONG, breakpoints=frozenset({HANDLER})))
    assert (stop.kind, stop.pc) == (StopKind.BREAKPOINT, HANDLER)


@pytest.mark.parametrize("guest", GUESTS)
def test_one_that_is_taken_ends_it(guest: str) -> None:
    code, mask = GUESTS[guest]
    machine = machine_with(code, status=mask | _IE)
    stop = machine.run(RunRequest(until=_LONG, breakpoints=frozenset({HANDLER})))
    assert (stop.kind, stop.pc) == (StopKind.BREAKPOINT, HANDLER)
