"""Which instruction set a register last, in guests that branch, fault and are interrupted wherever that is hard."""

from __future__ import annotations

import random

import pytest

from rdbg.analysis.last_set import LastSet
from rdbg.analysis.replayed_run import ReplayedRun
from tests.timeline.positions import Trial

_REGISTERS = range(8, 16)


@pytest.mark.parametrize("often", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_register_was_set_where_single_steps_see_it_change(seed: int, often: bool) -> None:
    trial = Trial(seed, length=1200, often=often)
    timeline = trial.timeline
    timeline.goto(timeline.start)
    history: list[tuple[int, int, list[int]]] = []
    while True:
        machine = timeline.machine
        history.append((machine.icount, machine.pc, [machine.read_register(n) for n in range(32)]))
        if timeline.position >= timeline.end:
            break
        timeline.step()
    dice = random.Random(seed)
    places = {position: index for index, (position, _, _) in enumerate(history)}
    found = 0
    for _ in range(25):
        index, register = dice.randrange(1, len(history)), dice.choice(_REGISTERS)
        position = history[index][0]
        changed = next((n for n in range(index, 0, -1) if history[n][2][register] != history[n - 1][2][register]), None)
        with ReplayedRun(timeline) as run:
            setting = next(LastSet(run).before(register, position), None)
        if setting is None:
            assert changed is None
            continue
        found += 1
        if changed is not None and setting.by == "":
            assert setting.stand >= history[changed - 1][0]
        if setting.value is not None:
            assert setting.value == history[index][2][register]
        assert setting.stand in places
        if not setting.by:
            assert setting.effects is not None and register in setting.effects.sets
            assert history[places[setting.stand]][1] + 4 * (setting.icount - setting.stand) == setting.pc
        value = history[dice.randrange(index)][2][register]
        last = next(
            (n for n in range(index, 0, -1) if history[n][2][register] == value != history[n - 1][2][register]), None
        )
        with ReplayedRun(timeline) as run:
            to_value = next(LastSet(run).before(register, position, value), None)
        if last is not None:
            assert to_value is not None and to_value.value == value and to_value.icount >= history[last - 1][0]
    assert found > 15
