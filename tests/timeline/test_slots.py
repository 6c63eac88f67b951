"""A breakpoint in a delay slot stops at its branch, also where a checkpoint stands, on the real machine."""

from __future__ import annotations

import pytest

from rdbg.history.history import History
from rdbg.navigation.pace import Pace
from rdbg.timeline import StopConditions, StopReason, Timeline
from tests.emu.guests import CODE, LOOP, NOP, addiu, i_type, machine_with

TURNS = 50
BRANCH = CODE + 4 * 3
SLOT = BRANCH + 4
#: count down; the branch's slot counts up
BODY = [addiu(8, 0, TURNS), addiu(9, 9, 1), addiu(8, 8, -1), i_type(0x05, 8, 0, -3), addiu(10, 10, 1), LOOP, NOP]
PER_TURN = 4
END = 1 + PER_TURN * TURNS


def never() -> bool:
    return False


def lived() -> Timeline:
    timeline = Timeline(machine_with(BODY), History.live_run(), pace=Pace(spacing=10**9, slice=50, rung=10**9))
    while timeline.position < END:
        timeline.run(StopConditions(), lambda: timeline.position >= END)
    return timeline


def branch_at(turn: int) -> int:
    """Position of the branch in that turn, from 0."""
    return 1 + PER_TURN * turn + 2


@pytest.mark.parametrize("address", [BRANCH, SLOT])
@pytest.mark.parametrize("offset", [-2, -1, 0, 2])
def test_a_checkpoint_there_or_beside_it(address: int, offset: int) -> None:
    timeline = lived()
    keeper = timeline._replayer.keeper
    for turn in (20, 21, 40):
        timeline.goto(branch_at(turn) + offset)
        assert timeline.position == branch_at(turn) + offset
        timeline._replayer.states.checkpoint()
        assert keeper.checkpoints.at(branch_at(turn) + offset) is not None
    conditions = StopConditions(breakpoints=frozenset({address}))
    timeline.goto(END)
    for turn in range(TURNS - 1, 15, -1):
        stop = timeline.reverse_run(conditions, never)
        assert (stop.reason, stop.position, stop.pc) == (StopReason.BREAKPOINT, branch_at(turn), BRANCH)
    for turn in range(17, 45):
        stop = timeline.run(conditions, never, passes=True)
        assert (stop.reason, stop.position, stop.pc) == (StopReason.BREAKPOINT, branch_at(turn), BRANCH)


def test_no_position_in_the_slot() -> None:
    timeline = lived()
    timeline.goto(branch_at(20) + 1)
    assert timeline.position == branch_at(20)
