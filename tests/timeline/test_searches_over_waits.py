"""What happened before a CPU went idle is found from behind a debugger's write, by every search."""

from __future__ import annotations

from typing import Literal

import pytest

from rdbg.emu.machine_api import Access, Watch
from rdbg.history.history import History
from rdbg.navigation.stops import StopConditions, StopReason, never
from rdbg.timeline import Timeline
from tests.emu.guests import CODE, ERET, NOP, WAIT, addiu, beq, lui, machine_with, mfc0, mtc0, sw

DATA = 0x80200000
STORE = CODE + 16  # of every turn; then the CPU waits for its timer
GUEST = [
    lui(20, DATA >> 16), addiu(26, 0, 1000), mtc0(26, 11),
    addiu(9, 9, 1), sw(9, 0, 20), WAIT, beq(0, 0, -4), NOP,
]  # fmt: skip
HANDLER = [mfc0(26, 9), addiu(26, 26, 1000), mtc0(26, 11), ERET]
TURNS = 5


@pytest.fixture(params=[False, True])
def timeline(request: pytest.FixtureRequest) -> Timeline:
    """In a live run, behind a write by the debugger that came after some waits."""
    timeline = Timeline(machine_with(GUEST, HANDLER, request.param, status=0x8001), History.live_run(), sleep=False)
    for turn in range(TURNS):
        timeline.run(StopConditions(frozenset({STORE})), never, passes=turn > 0)
    timeline.live_end.write_memory(DATA + 64, b"abcd")
    timeline.step()
    return timeline


def test_writes(timeline: Timeline) -> None:
    found = timeline.past.last_writes(DATA, 4, TURNS)
    order: Literal["big", "little"] = "big" if timeline.machine.big_endian else "little"
    assert [int.from_bytes(each.write.new, order) for each in found] == list(range(TURNS, 0, -1))


def test_accesses_and_breakpoints(timeline: Timeline) -> None:
    for conditions in (StopConditions(frozenset({STORE})), StopConditions(watches=(Watch(DATA, 4, Access.WRITE),))):
        timeline.goto(timeline.end)
        reason = StopReason.WATCHPOINT if conditions.watches else StopReason.BREAKPOINT
        for turn in range(TURNS, 0, -1):
            stop = timeline.reverse_run(conditions, never)
            assert stop.reason is reason and timeline.machine.read_register(9) == turn
            timeline.goto(stop.position - (reason is StopReason.WATCHPOINT))
