"""Which instruction set a register last, in guests that branch, fault and are interrupted wherever that is hard."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import rdbg as rdbg_package
from rdbg.analysis.last_set import LastSet
from rdbg.analysis.replayed_run import ReplayedRun
from tests.cli.command import TANK, rdbg
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
            with ReplayedRun(timeline) as run:
                assert next(LastSet(run).before(register, position, setting.value), None) == setting
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


@pytest.mark.parametrize("seed", range(2))
def test_those_that_gave_a_value_are_those_among_all_that_gave_it(seed: int) -> None:
    trial = Trial(seed, length=400, often=bool(seed))
    timeline = trial.timeline
    compared = 0
    with ReplayedRun(timeline) as run:
        for register in (8, 9, 10, 31):
            every = list(LastSet(run).before(register, timeline.end))
            values = sorted({each.value for each in every if each.value is not None})
            for value in random.Random(seed).sample(values, min(4, len(values))):
                assert list(LastSet(run).before(register, timeline.end, value)) == [
                    each for each in every if each.value == value
                ]
                compared += 1
    assert compared > 10


def test_a_value_that_a_register_never_had_is_missed_without_standing_behind_each_instruction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = tmp_path / "tank.rec"
    assert rdbg("record", "-o", recording, "--", "-kernel", TANK, "-serial", "null").returncode == 0
    went: list[int] = []
    go = ReplayedRun.go

    def counted(run: ReplayedRun, position: int) -> None:
        went.append(position)
        go(run, position)

    monkeypatch.setattr(ReplayedRun, "go", counted)
    with rdbg_package.open(str(recording)) as run:
        run.goto(150_000)
        for value in ("0xdeadbeef", "0x10000000000", "0x1000000000000000000"):
            assert "was not set to" in run.command("lastset", "v0", "==", value)
            assert len(went) < 100, len(went)
            went.clear()
