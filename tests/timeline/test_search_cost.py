"""What searches cost, in instructions that the machine runs: it grows with the run, not with its square."""

from __future__ import annotations

import pytest

from rdbg.emu.expression import Operation, Step
from rdbg.emu.machine_api import Access, Watch
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.navigation.pace import Pace
from rdbg.timeline import StopConditions, StopReason, Timeline
from tests.timeline.toy import Op, Toy
from tests.timeline.toy64 import Toy64

#: Stores to one word, and, in another block, to another that is watched.
PROGRAM = [
    Op("store", 0, 0), Op("add", 1, 3), Op("branch", 1, 7), Op("add", 1, 1), Op("store", 0, 64), Op("add", 2, 7),
    Op("add", 1, 1), Op("add", 1, 9), Op("branch", 1, 0), Op("add", 1, 5), Op("add", 1, 1),
]  # fmt: skip
#: Offsets in memory: of that word, and of one that is never written.
WATCHED, NEVER = 64, 128
RUNG = 100
PACE = Pace(slice=200, spacing=2000, rung=RUNG)


def lived(kind: type[Toy], length: int, ambiguous: int = 0, memory: int = 1 << 24) -> tuple[Toy, Timeline]:
    """A machine at the end of a run."""
    machine = kind(PROGRAM, ambiguous)
    machine.regs[0] = 0
    timeline = Timeline(machine, History.live_run(LiveQueue(lambda port: 16)), checkpoint_memory=memory, pace=PACE)
    timeline.run(StopConditions(), lambda: timeline.position >= length)
    return machine, timeline


def stores(kind: type[Toy], offset: int) -> StopConditions:
    """Stops at stores to a word."""
    return StopConditions(watches=(Watch(kind.data + offset, 4, Access.WRITE),))


def hits(timeline: Timeline, conditions: StopConditions) -> list[int]:
    """All hits from here back, latest first, as a debugger finds them that tests a condition at each."""
    found = []
    while timeline.reverse_run(conditions, lambda: False).reason is StopReason.WATCHPOINT:
        found.append(timeline.position)
        timeline.reverse_step()
    return found


@pytest.mark.parametrize("kind", [Toy, Toy64])
def test_going_from_hit_to_hit_costs_little_more_than_one_pass(kind: type[Toy]) -> None:
    machine, timeline = lived(kind, 20_000)
    watched = stores(kind, WATCHED)
    end, before = timeline.position, machine.instructions_run
    found = hits(timeline, watched)
    assert len(found) > 500
    # The way to each hit, from a checkpoint near it, and twice: behind the access and before it.
    each = (machine.instructions_run - before - 3 * end) / len(found)
    assert each < 5 * RUNG
    timeline.goto(0)
    forward = []
    while timeline.run(watched, lambda: timeline.position >= end).reason is StopReason.WATCHPOINT:
        timeline.step()
        forward.append(timeline.position)
    assert found == forward[::-1]


@pytest.mark.parametrize("kind", [Toy, Toy64])
@pytest.mark.parametrize("memory", [0, 1 << 24])
def test_places_that_must_be_looked_at_closely(kind: type[Toy], memory: int) -> None:
    """Exceptions that have no one place, in a run with room for its checkpoints and in one without."""
    cost = []
    for length in (2_000, 8_000):
        machine, timeline = lived(kind, length, ambiguous=8, memory=memory)
        assert machine.instructions_run > 1.5 * length  # much of it was run again
        before = machine.instructions_run
        assert timeline.reverse_run(stores(kind, NEVER), lambda: False).reason is StopReason.HISTORY_START
        cost.append((before, machine.instructions_run - before))
    for short, long in zip(*cost, strict=True):
        assert long < 6 * short


def conditional(machine: Toy, value: int) -> StopConditions:
    """Stops in code that runs all the time, where its counter has a value."""
    pc, counter = machine.places[4], machine.architecture.registers[2].number
    steps = (Step(Operation.REGISTER, counter), Step(Operation.CONSTANT, value), Step(Operation.EQUAL))
    return StopConditions(frozenset({pc}), conditions={pc: ((*steps, Step(Operation.END)),)})


def value_at(machine: Toy, timeline: Timeline, position: int) -> int:
    """What the counter has where that code runs next."""
    timeline.goto(position)
    timeline.run(StopConditions(frozenset({machine.places[4]})), lambda: False)
    return machine.regs[2]


@pytest.mark.parametrize("kind", [Toy, Toy64])
def test_a_condition_that_was_asked_about_costs_little_more(kind: type[Toy]) -> None:
    machine, timeline = lived(kind, 20_000)
    end = timeline.position
    early, later = (conditional(machine, value_at(machine, timeline, position)) for position in (1_000, 10_000))
    timeline.goto(end)
    cost, found = [], []
    for _ in range(2):
        before = machine.instructions_run
        found.append(timeline.reverse_run(early, lambda: False))
        cost.append(machine.instructions_run - before)
        timeline.goto(end)
    assert found[0] == found[1] and found[0].reason is StopReason.BREAKPOINT and 1_000 <= found[0].position < 1_100
    assert cost[0] > 18_000 and cost[1] < 1_000, cost
    # What was not asked about is not known.
    assert 10_000 <= timeline.reverse_run(later, lambda: False).position < 10_100
    # What comes later is found, too.
    timeline.goto(end)
    value = machine.regs[2]
    for _ in range(20):
        value = value * 5 + 7 & machine._register_mask
    ahead = conditional(machine, value)
    assert timeline.reverse_run(ahead, lambda: False).reason is StopReason.HISTORY_START
    timeline.goto(end)
    timeline.run(StopConditions(), lambda: timeline.position >= end + 3_000)
    assert timeline.reverse_run(ahead, lambda: False).position > end
    timeline.goto(0)
    assert timeline.run(early, lambda: False).position == found[0].position
    assert timeline.run(ahead, lambda: False, passes=True).position > end
