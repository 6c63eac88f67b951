"""What ends a wait: an interrupt that will be taken, and no other, as QEMU's CPUs before Release 6 have it."""

from __future__ import annotations

import pytest

from rdbg.emu.inputs import InputEvent, InputKind, NoInputs
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


class InPieces(NoInputs):
    """Inputs of one position, given so many at a time: as they came to a live run, or as a replay finds them."""

    def __init__(self, *pieces: list[InputEvent]) -> None:
        self.pieces = list(pieces)

    def next_icount(self) -> int | None:
        return self.pieces[0][0].icount if self.pieces else None

    def take(self, icount: int, idled_until: int | None = None) -> list[InputEvent]:
        return self.pieces.pop(0)


def test_inputs_that_come_one_after_another_in_one_wait_come_each_at_its_time() -> None:
    """A replay let all of them in at the time of the first."""
    code = [WAIT, LOOP, NOP]
    first = [InputEvent(1, InputKind.WAKE, value=1_000_000), InputEvent(1, InputKind.SERIAL_BREAK, 0)]
    second = [InputEvent(1, InputKind.WAKE, value=5_000_000), InputEvent(1, InputKind.SERIAL, 0, 0, b"a")]
    machines = []
    for pieces in ([first, second], [[*first, *second]]):
        machine = machine_with(code)
        machine.inputs = InPieces(*pieces)
        assert machine.run(RunRequest(until=_LONG)).kind is StopKind.IDLE
        machines.append(machine)
    live, replayed = machines
    assert live.now_ns == replayed.now_ns == 5_000_000
    assert live.digest() == replayed.digest()
