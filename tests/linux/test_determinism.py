"""At random positions of a running kernel and its programs the state does not depend on the way to it."""

from __future__ import annotations

import random

import pytest

from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import Access, Watch
from rdbg.history.history import History
from rdbg.recording.recording import OpenRecording
from rdbg.timeline import StopConditions, Timeline
from tests.linux.conftest import Recording

pytestmark = [pytest.mark.real("linux-image-4kc-malta:mipsel"), pytest.mark.timeout(900)]

POSITIONS = 60
VISITS = 150
#: The last part of the run, in which the shell and its programs run.
RECENT = 300_000_000


def test_states_are_the_same_whatever_the_way(recording: Recording) -> None:
    chance = random.Random(5)
    opened = OpenRecording(str(recording.path))
    history = History.replay(opened.reader)
    timeline = Timeline(
        Machine(opened.spec(), history), history, store=opened.store, initial_snapshot=opened.header.initial_snapshot
    )
    machine = timeline.machine
    end = timeline.end
    wanted: dict[int, bytes] = {}
    addresses = set()
    user = 0
    for target in sorted(chance.randrange(end - RECENT, end) for _ in range(POSITIONS)):
        timeline.goto(target)
        wanted[timeline.position] = machine.digest()
        addresses.add(machine.pc)
        user += machine.pc < 0x8000_0000
    assert user > 2, "none of the positions lies in user space"
    positions = list(wanted)
    for _ in range(VISITS):
        target = chance.choice(positions)
        way = chance.randrange(6)
        if way == 0:
            timeline.goto(max(0, target - chance.randrange(1, 100_000)))
        elif way == 1:
            timeline.goto(target + chance.randrange(1, 50))
            while timeline.position > target:
                timeline.reverse_step()
        elif way == 2:
            timeline.goto(target - chance.randrange(2, 30))
            while timeline.position < target:
                timeline.step()
        elif way == 3:
            breakpoints = frozenset(chance.sample(sorted(addresses), 3))
            timeline.goto(target - chance.randrange(1, 3_000_000))
            timeline.run(StopConditions(breakpoints=breakpoints), lambda until=target: timeline.position >= until)
        elif way == 4:
            watch = Watch(0x8000_0000 + 4 * chance.randrange(0x60_0000), 4, Access.WRITE)
            timeline.goto(min(end, target + chance.randrange(1, 1_000_000)))
            timeline.reverse_run(StopConditions(watches=(watch,)), lambda until=target: timeline.position <= until)
        timeline.goto(target)
        assert (timeline.position, machine.digest()) == (target, wanted[target]), f"by way {way}"
    opened.close()
