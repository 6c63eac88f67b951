"""What a session knows of the past is never less than what happened there: else a later search passes over it."""

from __future__ import annotations

import copy
import random

import numpy as np
import pytest

from rdbg.emu.expression import Operation, Step
from rdbg.history.history import History
from rdbg.navigation.pace import Pace
from rdbg.navigation.stops import StopConditions, StopReason, never
from rdbg.timeline import Timeline
from tests.emu.dma_device import dma_machine
from tests.emu.guests import CODE, NOP, addiu, beq, machine_with
from tests.timeline.test_writers import guest as writing_guest
from tests.timeline.test_writers import spec


@pytest.mark.parametrize("seed", range(6))
def test_the_index_knows_of_every_page_that_single_steps_write(seed: int) -> None:
    """In a guest that resets itself, in the middle of blocks, and whose devices write."""
    dice = random.Random(seed)
    made = spec(writing_guest(dice))
    history = History.live_run()
    pace = Pace(spacing=10**9, slice=dice.choice([100, 300]), rung=10**9)
    timeline = Timeline(dma_machine(made, history), history, sleep=False, pace=pace)
    while timeline.position < 3000:
        target = timeline.position + dice.choice([1, 3, 10, 100, 500])
        timeline.run(StopConditions(), lambda: timeline.position >= target)  # noqa: B023
    timeline.close()
    timeline.goto(timeline.start)

    steps = copy.copy(history)
    steps.seek(-1)
    alone = Timeline(dma_machine(made, steps), steps, sleep=False)
    machine = alone.machine
    machine.take_touched()
    for interval in timeline._keeper.index:
        while alone.position < min(interval.end, timeline.end):
            here = alone.position
            alone.step()
            touched = machine.take_touched()
            for page in np.concatenate([touched.written, touched.written_late]).tolist():
                assert interval.pages.changed.meets(page, page), f"icount {here}, page {page:#x}, {interval}"


@pytest.mark.parametrize("place", [CODE + 4, CODE + 8])
def test_where_a_condition_held_it_is_found_again(place: int) -> None:
    """The breakpoint is on a branch: the icount behind its own is no position."""
    machine = machine_with([NOP, addiu(9, 9, 1), beq(0, 0, -2), addiu(8, 8, 1)], [], False, CODE, 0)
    timeline = Timeline(machine, History.live_run(), sleep=False, pace=Pace(slice=50, spacing=100, rung=10))
    timeline.run(StopConditions(), lambda: timeline.position >= 400)
    holds = (Step(Operation.REGISTER, 8), Step(Operation.CONSTANT, 40), Step(Operation.EQUAL), Step(Operation.END))
    conditions = StopConditions(frozenset({place}), conditions={place: (holds,)})
    stops = []
    for _ in range(3):
        timeline.goto(timeline.end)
        stops.append(timeline.reverse_run(conditions, never))
    assert stops[0].reason is StopReason.BREAKPOINT and stops[0].pc == place
    assert stops[1:] == stops[:1] * 2
