"""One position, one state: in guests that branch, fault and change their own code wherever that is hard to follow."""

from __future__ import annotations

import pytest

from tests.timeline.positions import Trial


@pytest.mark.parametrize("seed", range(12))
def test_every_position_has_one_state(seed: int) -> None:
    trial = Trial(seed, length=1000)
    trial.visit(30)
    assert trial.checked > 50


@pytest.mark.parametrize("seed", range(12))
def test_every_position_of_a_guest_that_is_often_interrupted_has_one_state(seed: int) -> None:
    trial = Trial(seed, length=1500, often=True)
    trial.visit(30)
    assert trial.checked > 50


@pytest.mark.parametrize("seed", range(16))
def test_every_position_of_an_odd_guest_has_one_state(seed: int) -> None:
    trial = Trial(seed, length=1000, often=bool(seed & 2), odd=True)
    trial.visit(30)
    assert trial.checked > 50
