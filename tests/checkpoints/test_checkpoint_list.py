"""Thinning keeps checkpoints dense near now and the end, and their number logarithmic."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rdbg.checkpoints.checkpoint import Checkpoint, CheckpointList
from rdbg.checkpoints.keeper import CheckpointKeeper
from rdbg.checkpoints.page_store import PageTable
from rdbg.emu.machine_api import MachineState, RunRequest
from rdbg.emu.output_mark import OutputMark
from tests.timeline.toy import Op, Toy
from tests.timeline.toy64 import Toy64


def checkpoint(position: int) -> Checkpoint:
    return Checkpoint(MachineState(position, b"", b""), PageTable(np.zeros(1, np.uint32)), 0, OutputMark())


def test_spacing_grows_with_distance() -> None:
    checkpoints = CheckpointList()
    step, limit = 20_000_000, 100
    for number in range(2000):
        position = number * step
        checkpoints.put(checkpoint(position))
        while len(checkpoints) > limit:
            victim = checkpoints.least_useful([position], position)
            assert victim is not None
            checkpoints.remove(victim)
    positions = [one.position for one in checkpoints]
    end = positions[-1]
    assert positions[0] == 0 and len(positions) == limit
    for before, after in zip(positions, positions[1:], strict=False):
        # The least expected replay: a gap in proportion to the square root of its distance.
        fair = 2 * math.sqrt((end - before) * end) / limit
        assert after - before <= max(2 * step, 2.5 * fair), (before, after)
    assert positions[-2] == end - step
    assert positions[-10] > end - 50 * step > positions[10]


def test_where_the_user_has_been_stays_near() -> None:
    checkpoints, step, been = CheckpointList(), 20_000_000, 777 * 20_000_000
    for number in range(2000):
        checkpoints.put(checkpoint(number * step))
        while len(checkpoints) > 30:
            victim = checkpoints.least_useful([number * step, been], number * step)
            assert victim is not None
            checkpoints.remove(victim)
    near = checkpoints.latest(been)
    assert near is not None and near.position >= been - step


def test_of_two_alike_the_larger_goes() -> None:
    checkpoints = CheckpointList()
    for number in range(10):
        checkpoints.put(checkpoint(number * 10**9))
    victim = checkpoints.least_useful([], 9 * 10**9, lambda one: 10**9 if one.position == 6 * 10**9 else 10**6)
    assert victim is not None and victim.position == 6 * 10**9


def test_the_first_is_never_given_up() -> None:
    checkpoints = CheckpointList()
    checkpoints.put(checkpoint(0))
    assert checkpoints.least_useful([10], 10) is None
    checkpoints.put(checkpoint(5))
    victim = checkpoints.least_useful([10], 10)
    assert victim is not None and victim.position == 5
    assert checkpoints.latest(4) is not None and checkpoints.next(0) is victim


@pytest.mark.parametrize("kind", [Toy, Toy64])
def test_a_checkpoint_costs_what_was_written_and_memory_is_given_back(kind: type[Toy]) -> None:
    body = [Op("store", 0, 0), Op("add", 0, 9), Op("branch", 0, 0), Op("add", 1, 3)]
    machine = kind(body * 30 + [Op("add")])
    keeper = CheckpointKeeper(machine, memory_limit=60_000)
    base = keeper.bytes_used
    for number in range(200):
        machine.run(RunRequest(until=machine.icount + 40))
        keeper.take(0, OutputMark(), machine.icount)
        assert keeper.bytes_used - base <= 60_000 or len(keeper.checkpoints) == 1
        if number % 10 == 0:
            place = next(iter(keeper.checkpoints))
            keeper.restore(place.state, place.table)
            machine.run(RunRequest(until=place.position + 2 * number))
    for place in list(keeper.checkpoints):
        keeper.restore(place.state, place.table)
        digest = machine.digest()
        other = kind(body * 30 + [Op("add")])
        other.run(RunRequest(until=place.position))
        assert other.digest() == digest
