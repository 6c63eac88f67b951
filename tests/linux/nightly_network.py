"""A run on the user network, replayed three times with nobody there: the same at 200 places, whatever the way."""

from __future__ import annotations

import random

import pytest

from rdbg.emu.machine import Machine
from rdbg.history.history import History
from rdbg.recording.recording import OpenRecording
from rdbg.timeline import Timeline
from tests.linux.test_networking import Networked, networked

__all__ = ["networked"]

pytestmark = [pytest.mark.real("linux-image-4kc-malta:mipsel", "libslirp0"), pytest.mark.timeout(3600)]

POSITIONS = 200


def _states(recording: Networked, positions: list[int]) -> dict[int, bytes]:
    opened = OpenRecording(str(recording.path))
    history = History.replay(opened.reader)
    machine = Machine(opened.spec(), history)
    timeline = Timeline(machine, history, store=opened.store, initial_snapshot=opened.header.initial_snapshot)
    states = {}
    for position in positions:
        timeline.goto(position)
        states[timeline.position] = machine.digest()
    opened.close()
    return states


def test_states_are_the_same_in_each_replay(networked: Networked) -> None:  # noqa: F811
    chance = random.Random(11)
    opened = OpenRecording(str(networked.path))
    assert opened.reader.end is not None
    end = opened.reader.end.icount
    opened.close()
    places = sorted(chance.sample(range(end // 4, end), POSITIONS))
    wanted = _states(networked, places)
    for _ in range(2):
        assert _states(networked, chance.sample(places, POSITIONS)) == wanted
