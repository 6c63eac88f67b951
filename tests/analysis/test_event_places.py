"""``goto exception``, ``interrupt``, ``input``: the N-th is the N-th of the table, and what was found is found once."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest

import rdbg
from rdbg.analysis.place_names import sought
from rdbg.analysis.seeker import Seeker
from rdbg.errors import RdbgError, UsageError
from rdbg.recording.recording import store_path
from rdbg.store.event_rows import EVENT, pack_events, unpack_events
from rdbg.store.snapshot_store import SnapshotStore
from rdbg.timeline import Timeline
from tests.cli.command import TANK
from tests.cli.command import rdbg as command


@pytest.fixture
def recording(tmp_path: Path) -> str:
    file = tmp_path / "tank.rec"
    assert command("record", "-o", file, "--", "-kernel", TANK, "-serial", "null").returncode == 0
    return str(file)


def test_the_nth_is_the_nth_of_the_table_forward_and_back(recording: str) -> None:
    dice = random.Random(1)
    with rdbg.open(recording) as run:
        taken = [row.icount for row in run.interrupts()]
        assert len(taken) > 5
        digests = {}
        for number in (1, 2, len(taken) // 2, len(taken)):
            assert run.goto(f"interrupt {number}") == taken[number - 1]
            digests[number] = run.timeline.machine.digest()
        for number, digest in digests.items():
            assert run.goto(f"interrupt -{len(taken) + 1 - number}") == taken[number - 1]
            assert run.timeline.machine.digest() == digest
        for _ in range(20):
            here = run.goto(dice.randrange(run.end))
            behind, before = [at for at in taken if at > here], [at for at in taken if at < here]
            if len(behind) > 1:
                assert run.goto("interrupt next 2") == behind[1]
                run.goto(here)
            if before:
                assert run.goto("interrupt previous") == before[-1]
        run.goto("end")
        with pytest.raises(UsageError, match="none of them behind here"):
            run.goto("interrupt")
        with pytest.raises(UsageError, match=f"{len(taken)} times, and not {len(taken) + 1}"):
            run.goto(f"interrupt {len(taken) + 1}")
        line = next(run.interrupts()).lines.bit_length() - 1
        assert run.goto(f"interrupt line{line} 1") == taken[0]


def watched_replays(timeline: Timeline) -> list[int]:
    """Where replays that look for something come to, from now on."""
    seen: list[int] = []
    advance = timeline.past.advance

    def noted(request):  # type: ignore[no-untyped-def]
        stop = advance(request)
        seen.append(stop.position)
        return stop

    timeline.past.advance = noted  # type: ignore[method-assign]
    return seen


def test_what_was_found_is_not_looked_for_again_in_a_later_session_either(recording: str) -> None:
    with rdbg.open(recording) as run:
        seen = watched_replays(run.timeline)
        second = run.goto("interrupt 2")
        assert seen and run.timeline.past.known_events().until <= run.end
        last = run.goto("interrupt -1")
        seen.clear()
        assert run.goto("interrupt 2") == second and run.goto("interrupt -1") == last and not seen
    with rdbg.open(recording) as run:
        seen = watched_replays(run.timeline)
        assert run.goto("interrupt 2") == second and run.goto("interrupt -1") == last and not seen
    with closing(SnapshotStore.open(store_path(recording))) as store:
        store._db.execute("UPDATE events SET data = substr(data, 2)")
    with rdbg.open(recording) as run:  # damaged: looked for again
        assert run.goto("interrupt -1") == last


def test_ctrl_c_keeps_what_was_found(recording: str) -> None:
    with rdbg.open(recording) as run:
        run.goto("10%")
        timeline, stood = run.timeline, run.position
        asked = 0

        def soon() -> bool:
            nonlocal asked
            asked += 1
            return asked > 8

        timeline._replayer.paced.pace = timeline._replayer.paced.pace.__class__(slice=20_000)
        with pytest.raises(UsageError, match="is kept: ask again"):
            sought(Seeker(timeline, soon), ["interrupt", "-1"])
        assert run.position == stood
        known = timeline.past.known_events().until
        assert timeline.start < known < timeline.end
        assert run.goto("interrupt -1") == [row.icount for row in run.interrupts()][-1]


def test_exceptions_that_a_branch_raises_are_its_own(recording: str) -> None:
    with rdbg.open(recording) as run:
        timeline = run.timeline
        with pytest.raises(UsageError, match="no instruction raised an exception"):
            run.goto("exception")
        taken = [row.icount for row in run.interrupts()]
        assert run.goto("interrupt -1") == taken[-1]
        run.goto("50%")
        timeline.branch("other")
        shared = [at for at in taken if at < timeline.end]
        assert run.goto("interrupt -1") == shared[-1]
        timeline.switch("main")
        assert run.goto("interrupt -1") == taken[-1]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("exception Nothing", "there is no exception 'Nothing'"),
        ("exception TLBL 0", "the first is 1"),
        ("exception TLBL", "no instruction raised TLBL"),
        ("interrupt line99", "no interrupt line 99"),
        ("interrupt line31", "no interrupt of line 31"),
        ("interrupt 1 2", "names no one of several"),
        ("input next", "there is no input behind here"),
        ("packet -1", "there is no packet in this run"),
    ],
)
def test_what_is_not_there_is_one_line(recording: str, place: str, said: str) -> None:
    with rdbg.open(recording) as run:
        run.goto("50%")
        here = run.position
        with pytest.raises(RdbgError, match=said) as error:
            run.goto(place)
        assert "\n" not in str(error.value) and run.position == here


def test_damaged_rows_are_refused() -> None:
    import numpy as np

    rows = np.zeros(1000, EVENT)
    rows["icount"] = np.arange(1000) * 7
    packed = pack_events(rows)
    assert (unpack_events(packed) == rows).all()
    for damaged in (packed[:-1], b"", b"x" + packed, packed[: len(packed) // 2]):
        with pytest.raises(RdbgError, match="of its exceptions is damaged"):
            unpack_events(damaged)
