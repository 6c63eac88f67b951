"""Other futures of a moment: they begin with what was, go on by themselves, and leave the run as it was."""

from __future__ import annotations

import pytest

from rdbg.errors import RdbgError
from rdbg.timeline import StopConditions, StopReason, Timeline
from tests.timeline.test_recorded import live_timeline

V0 = 2


def at(timeline: Timeline, positions: list[int]) -> list[bytes]:
    """The digests at these positions."""
    found = []
    for position in positions:
        timeline.goto(position)
        found.append(timeline.machine.digest())
    return found


@pytest.fixture(params=["live", "finished"])
def timeline(request: pytest.FixtureRequest) -> Timeline:
    timeline = live_timeline()
    if request.param == "finished":
        timeline.close()
    return timeline


def run_on(timeline: Timeline, instructions: int) -> None:
    """Live, for a while."""
    end = timeline.position + instructions
    timeline.run(StopConditions(), lambda: timeline.position >= end)


def test_a_branch_goes_its_own_way_and_the_run_stays_what_it_was(timeline: Timeline) -> None:
    end = timeline.end
    places = [end * share // 20 for share in range(21)]
    main = at(timeline, places)
    timeline.goto(end // 2)
    fork = timeline.position
    before = timeline.machine.digest()
    timeline.branch("other")
    assert timeline.at_live_end and timeline.machine.digest() == before
    timeline.live_end.write_register(V0, timeline.machine.read_register(V0) ^ 0x5555)
    changed = timeline.machine.digest()
    assert changed != before
    run_on(timeline, end // 2)
    its_places = [fork, fork + 1000, (fork + timeline.end) // 2, timeline.end]
    other = at(timeline, its_places)
    assert other[0] == changed
    assert at(timeline, places[:10]) == main[:10]  # the past is the same
    timeline.goto(timeline.end)
    where = timeline.position

    timeline.switch("main")
    assert timeline.position == fork and timeline.machine.digest() == before
    assert at(timeline, places) == main
    timeline.switch("other")
    assert at(timeline, its_places) == other
    assert timeline.end == where
    names = [(branch.name, branch.parent, branch.current) for branch in timeline.branches()]
    assert names == [("main", "", False), ("other", "main", True)]
    with pytest.raises(RdbgError, match="there is a branch 'other' already"):
        timeline.branch("other")
    with pytest.raises(RdbgError, match="no branch 'third'; there are: main, other"):
        timeline.switch("third")


def test_to_go_to_the_branch_where_one_is_leads_nowhere(timeline: Timeline) -> None:
    timeline.goto(timeline.end // 2)
    timeline.branch("other")
    run_on(timeline, 2000)
    for name in ("other", "main", "other"):
        timeline.switch(name)
        timeline.goto(timeline.position - 500)
        stood, digest = timeline.position, timeline.machine.digest()
        assert timeline.switch(name).position == timeline.position == stood
        assert timeline.machine.digest() == digest


def test_branches_of_branches(timeline: Timeline) -> None:
    end = timeline.end
    places = [end * share // 10 for share in range(11)]
    main = at(timeline, places)
    seen: dict[str, tuple[list[int], list[bytes]]] = {"main": (places, main)}
    for name, place in (("a", end // 2), ("b", end // 4), ("c", end // 3)):
        timeline.goto(place)
        timeline.branch(name)
        timeline.live_end.write_register(V0, ord(name))
        run_on(timeline, end // 3)
        mine = [timeline.end * share // 10 for share in range(11)]
        seen[name] = (mine, at(timeline, mine))
    for name in ("main", "c", "a", "b", "main", "a", "c", "b"):
        timeline.switch(name)
        places, digests = seen[name]
        assert at(timeline, places) == digests, name


def test_a_scratch_branch_is_dropped_by_going_back_before_it(timeline: Timeline) -> None:
    timeline.goto(timeline.end // 2)
    fork, before = timeline.position, timeline.machine.digest()
    timeline.scratch.begin()
    timeline.live_end.write_register(V0, 77)
    run_on(timeline, 2000)
    assert timeline.scratch.active
    while timeline.scratch.active:
        assert timeline.reverse_run(StopConditions(frozenset({timeline.machine.pc})), lambda: False).reason in (
            StopReason.BREAKPOINT,
            StopReason.HISTORY_START,
        )
    assert timeline.position < fork
    timeline.goto(fork)
    assert timeline.machine.digest() == before
    assert [branch.name for branch in timeline.branches()] == ["main"]


def test_a_scratch_branch_can_be_undone_to_a_moment_and_dropped(timeline: Timeline) -> None:
    timeline.goto(timeline.end // 2)
    fork, before = timeline.position, timeline.machine.digest()
    timeline.scratch.begin()
    timeline.live_end.write_register(V0, 77)
    changed, moment = timeline.machine.digest(), timeline.scratch.moment()
    assert moment is not None
    timeline.live_end.write_register(V0, 99)
    run_on(timeline, 3000)
    assert timeline.scratch.come_back(moment)
    assert (timeline.position, timeline.machine.digest()) == (fork, changed)
    run_on(timeline, 500)
    assert timeline.scratch.drop() and not timeline.scratch.drop()
    assert (timeline.position, timeline.machine.digest()) == (fork, before)


def test_a_scratch_branch_that_gets_a_name_stays(timeline: Timeline) -> None:
    timeline.goto(timeline.end // 2)
    timeline.scratch.begin()
    timeline.live_end.write_register(V0, 77)
    timeline.branch("kept")
    timeline.goto(timeline.start)
    assert timeline.branch_name == "kept"
    timeline.switch("main")
    assert [branch.name for branch in timeline.branches()] == ["main", "kept"]


def names(timeline: Timeline) -> list[str]:
    return [snapshot.name for snapshot in timeline.snapshots.here()]


def test_snapshots_of_the_shared_past_are_there_on_every_branch() -> None:
    timeline = live_timeline()
    end, digests = timeline.end, {}

    def save(name: str, position: int) -> None:
        timeline.goto(position)
        timeline.snapshots.save(name)
        digests[name] = timeline.position, timeline.machine.digest()

    def loads(name: str) -> bool:
        timeline.snapshots.load(name)
        return (timeline.position, timeline.machine.digest()) == digests[name]

    save("early", end // 4)
    save("late", end // 2)
    timeline.goto(end // 3)
    timeline.branch("other")
    timeline.live_end.write_register(V0, 77)
    run_on(timeline, end // 2)
    save("own", timeline.end)
    save("before", end // 5)
    assert names(timeline) == ["before", "early", "own"]
    assert [(branch, snapshot.name) for branch, snapshot in timeline.snapshots.elsewhere()] == [("main", "late")]
    assert all(loads(name) for name in ("early", "own", "before"))
    with pytest.raises(RdbgError, match="'late' is of icount .* on branch 'main', .*'monitor switch main'"):
        timeline.snapshots.load("late")
    with pytest.raises(RdbgError, match="no snapshot 'none'; there are: before, early, late, own"):
        timeline.snapshots.load("none")
    timeline.switch("main")
    assert names(timeline) == ["before", "early", "late"]
    assert all(loads(name) for name in ("early", "late", "before"))
    with pytest.raises(RdbgError, match="on branch 'other'"):
        timeline.snapshots.load("own")
    timeline.goto(end // 3)
    timeline.branch("third")
    assert names(timeline) == ["before", "early"]
    save("early", end // 3)  # hides the other of that name, here
    assert loads("early") and timeline.position == digests["early"][0]
    timeline.snapshots.delete("early")
    assert names(timeline) == ["before", "early"] and timeline.snapshots.here()[1].position < end // 3
    timeline.switch("main")
    timeline.snapshots.delete("before")
    assert names(timeline) == ["early", "late"]
    timeline.switch("other")
    assert names(timeline) == ["early", "own"]


def test_a_snapshot_of_before_a_write_and_one_of_after_it_at_one_position() -> None:
    """The branch begins between them: it shares the first alone."""
    timeline = live_timeline()
    timeline.snapshots.save("before")
    before = timeline.machine.digest()
    place = timeline.position
    timeline.branch("other")
    timeline.live_end.write_register(V0, 77)
    timeline.snapshots.save("after")
    assert names(timeline) == ["after", "before"]
    timeline.snapshots.load("before")
    timeline.switch("main")
    assert names(timeline) == ["before"]
    timeline.snapshots.load("before")
    assert (timeline.position, timeline.machine.digest()) == (place, before)
