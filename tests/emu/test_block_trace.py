"""The blocks that a traced run notes are the instructions that run in single steps."""

from __future__ import annotations

import pytest

from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import Entry, RunRequest, StopKind
from tests.timeline.generated_guest import generated_guest

LENGTH = 4000
_REGISTER = 9


def _in_steps(machine: Machine) -> dict[int, tuple[int, int]]:
    """PC and a register at each position at which something can stand."""
    seen = {}
    while machine.icount < LENGTH:
        seen[machine.icount] = (machine.pc, machine.read_register(_REGISTER))
        assert machine.step().kind is StopKind.LIMIT
    return seen


def _traced(machine: Machine) -> list[tuple[int, ...]]:
    rows: list[tuple[int, ...]] = []
    while machine.icount < LENGTH:
        stop = machine.run(RunRequest(until=LENGTH, slice=500, trace=True, trace_register=_REGISTER))
        if stop.kind is StopKind.AMBIGUOUS:
            # A caller goes back and takes single steps; here from the start, since the guest is short.
            taken = machine.take_trace().tolist()[:-1]
            assert all(row[0] < stop.position for row in taken)
            rows += taken
            again = generated_guest(*machine.made_of)  # type: ignore[attr-defined]
            again.made_of = machine.made_of  # type: ignore[attr-defined]
            machine = again
            while machine.icount < stop.position:
                machine.step()
            machine.run(RunRequest(until=stop.position + 400, exact=True, trace=True, trace_register=_REGISTER))
        rows += machine.take_trace().tolist()[:-1]
        if stop.kind is StopKind.LIMIT:
            break
    return [*rows, tuple(machine.take_trace().tolist()[-1])]


@pytest.mark.parametrize("often", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_a_traced_run_notes_what_single_steps_do(seed: int, often: bool) -> None:
    made_of = (seed, bool(seed & 1), often)
    steps = _in_steps(generated_guest(*made_of))
    machine = generated_guest(*made_of)
    machine.made_of = made_of  # type: ignore[attr-defined]
    rows = _traced(machine)
    assert rows[0][0] == 0
    covered = set()
    for (icount, pc, value, *_), (end, *_) in zip(rows, rows[1:], strict=False):
        assert icount < end
        for n in range(end - icount):
            if icount + n in steps:
                assert steps[icount + n][0] == pc + 4 * n, f"icount {icount + n}"
                covered.add(icount + n)
        if icount in steps:
            assert steps[icount][1] == value
    last = rows[-1][0]
    assert {at for at in steps if at < last} == covered
    assert last > LENGTH - 3
    assert any(row[3] == Entry.EXCEPTION for row in rows)
    assert not often or any(row[3] == Entry.INTERRUPT for row in rows)
    for (icount, pc, *_), (end, vector, _, entry, *_) in zip(rows, rows[1:], strict=False):
        if entry == Entry.EXCEPTION and end - 1 in steps:
            assert steps[end - 1][0] == pc + 4 * (end - 1 - icount)
            assert vector & 0xFFFFFC7F in (0x80000000, 0xBFC00200)


def test_runs_without_it_note_nothing_and_a_full_trace_pauses() -> None:
    machine = generated_guest(1, True, False)
    machine.run(RunRequest(until=2000))
    assert machine.take_trace().tolist()[0][:2] == (machine.icount, machine.pc)
    rows, stops = 0, 0
    while machine.icount < 1_500_000:
        stop = machine.run(RunRequest(until=1_500_000, trace=True))
        assert stop.kind in (StopKind.PAUSED, StopKind.LIMIT)
        stops += stop.kind is StopKind.PAUSED
        taken = machine.take_trace()
        rows += len(taken) - 1
        assert taken["icount"][-1] == machine.icount
        if stop.kind is StopKind.LIMIT:
            break
    assert stops > 0 and rows > 1 << 16
