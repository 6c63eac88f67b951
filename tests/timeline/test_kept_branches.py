"""Branches kept beside a recording: another session goes to the same states, and on from their end."""

from __future__ import annotations

import io
import random
import sqlite3
from pathlib import Path

import pytest

from rdbg.emu.endpoint import serial_port
from rdbg.errors import RdbgError, UsageError
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.journal.records import EndOfRun, EndReason, Record
from rdbg.navigation.stops import StopConditions
from rdbg.recording.overview import write_info
from rdbg.recording.recording import store_path
from rdbg.store.kept_branch import KeptBranch, pack_branch, unpack_branch
from rdbg.timeline import Timeline
from tests.timeline.test_recorded import LENGTH, PACE, Replay, record

MEMORY = 0x80100000


class Session(Replay):
    """A recording opened anew, whose branches take input."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.queue = LiveQueue(self.machine.input_room)
        self.history = History.replay(self.opened.reader, self.queue)
        self.timeline = Timeline(self.machine, self.history, store=self.opened.store, pace=PACE)

    def on(self, count: int) -> None:
        """Go on for so many instructions."""
        goal = self.timeline.position + count
        self.timeline.run(StopConditions(), lambda: self.timeline.position >= goal)

    def digests(self, positions: list[int]) -> dict[int, bytes]:
        found = {}
        for position in positions:
            self.timeline.goto(position)
            found[self.timeline.position] = self.timeline.machine.digest()
        return found

    def end(self) -> None:
        self.timeline.close()
        self.opened.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    record(tmp_path / "rec")
    return tmp_path / "rec"


def positions(end: int) -> list[int]:
    dice = random.Random(4)
    return [dice.randrange(end) for _ in range(12)] + [end]


def diverted(session: Session, name: str, fork: int) -> int:
    """Make a kept branch with the debugger's writes and typed input; its end."""
    timeline = session.timeline
    timeline.goto(fork)
    timeline.branch(name, keep=True)
    timeline.live_end.write_memory(MEMORY, name.encode())
    session.queue.send(serial_port(0), b"other")
    session.on(30_000)
    timeline.live_end.write_register(timeline.machine.architecture.number_of("r8"), 77)
    session.on(20_000)
    return timeline.end


def test_another_session_goes_to_the_same_states_and_on(path: Path) -> None:
    first = Session(path)
    before = first.digests(positions(first.timeline.end))
    end = diverted(first, "other", LENGTH // 2)
    truth = first.digests(positions(end))
    first.timeline.goto(end)
    first.end()  # the end of the session keeps it as it is
    second = Session(path)
    timeline = second.timeline
    assert [(each.name, each.kept, each.end) for each in timeline.branches()][1:] == [("other", True, end)]
    stop = timeline.switch("other")
    assert stop.position == end and timeline.branch_name == "other"
    assert second.digests(list(truth)) == truth
    timeline.switch("main")
    assert second.digests(list(before)) == before
    timeline.switch("other")
    timeline.goto(end)
    second.queue.send(serial_port(0), b"more")
    second.on(10_000)
    later = timeline.end
    more = second.digests([end, later - 1, later])
    timeline.switch("main")  # to leave it keeps it
    second.opened.close()
    third = Session(path)
    third.timeline.switch("other")
    assert third.timeline.end == later and third.digests(list(more)) == more
    assert third.digests(list(truth)) == truth
    third.end()


def test_switching_to_a_kept_branch_leaves_the_run_where_the_user_stood(path: Path) -> None:
    first = Session(path)
    diverted(first, "one", LENGTH // 2)
    diverted(first, "two", LENGTH // 2 + 1000)
    first.end()
    second = Session(path)
    timeline = second.timeline
    stood = timeline.goto(LENGTH // 4).position
    for name in ("one", "two"):  # one from the run itself, one from a branch
        timeline.switch(name)
    assert timeline.switch("main").position == stood
    second.end()


def test_a_branch_that_cannot_be_kept_says_where_the_machine_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(path)

    def full(*_values: object) -> None:
        raise RdbgError("the disk is full")

    monkeypatch.setattr(type(session.opened.store.notes), "put_branch", full)
    with pytest.raises(RdbgError, match="^the disk is full; the machine is on branch 'one', in memory alone$"):
        session.timeline.branch("one", keep=True)
    assert session.timeline.branch_name == "one" and not session.timeline.branches()[-1].kept
    session.end()


def test_a_branch_of_a_branch_is_kept_whole(path: Path) -> None:
    first = Session(path)
    middle = diverted(first, "one", LENGTH // 2)
    digest = first.timeline.machine.digest()
    first.timeline.branch("three")  # of a kept one, where a CPU may wait: the machine does not move
    assert first.timeline.machine.digest() == digest
    first.timeline.switch("one")
    first.timeline.goto(middle - 5_000)
    first.timeline.branch("two", keep=True)
    first.timeline.live_end.write_memory(MEMORY + 64, b"two")
    first.on(9_000)
    truth = first.digests(positions(first.timeline.end - 1))  # a CPU that waits is at its end
    first.end()
    second = Session(path)
    second.timeline.kept.delete("one")
    second.timeline.switch("two")
    assert second.digests(list(truth)) == truth
    second.end()
    third = Session(path)
    assert [each.name for each in third.timeline.branches()] == ["main", "two"]
    third.end()


def test_branches_are_listed_and_deleted_by_name(path: Path) -> None:
    first = Session(path)
    end = diverted(first, "other", 50_000)
    with pytest.raises(UsageError, match="the machine is on branch 'other'"):
        first.timeline.kept.delete("other")
    first.timeline.switch("main")
    first.timeline.branch("passing")
    with pytest.raises(UsageError, match="the run itself"):
        first.timeline.kept.delete("main")
    first.end()
    told = io.StringIO()
    assert write_info(str(path), told)
    assert "branches    1" in told.getvalue() and f"to {end:,}, 7 inputs of its own" in told.getvalue()
    second = Session(path)
    with pytest.raises(RdbgError, match="no branch 'passing'; there are: main, other"):
        second.timeline.kept.delete("passing")
    second.timeline.kept.delete("other")
    second.end()
    third = Session(path)
    assert len(third.timeline.branches()) == 1
    third.end()


def test_the_name_of_another_sessions_branch_is_not_taken(path: Path) -> None:
    first, second = Session(path), Session(path)
    diverted(first, "other", 50_000)
    second.timeline.goto(60_000)
    with pytest.raises(UsageError, match="has another branch 'other' already"):
        second.timeline.branch("other", keep=True)
    assert second.timeline.branch_name == "main"
    first.end()
    second.end()


def test_what_is_damaged_or_of_another_version_is_left_out_with_a_line(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = Session(path)
    diverted(first, "other", 50_000)
    first.end()
    with sqlite3.connect(store_path(str(path))) as store:
        store.execute("UPDATE branches SET data = substr(data, 1, length(data) - 3)")
    store.close()
    second = Session(path)
    assert len(second.timeline.branches()) == 1 and "branch 'other' is damaged" in caplog.text
    second.timeline.kept.delete("other")
    second.end()
    told = io.StringIO()
    assert write_info(str(path), told) and "branches" not in told.getvalue()


def test_bytes_of_branches_are_read_whole_or_refused() -> None:
    records = [Record(100 + at // 3, 1, 0, 0, bytes(at % 7)) for at in range(2000)]
    end = EndOfRun(900, EndReason.SHUTDOWN, 3)
    kept = KeptBranch(100, 1, 5, 600, 900, bytes(16), records, end)
    packed = pack_branch(kept)
    assert unpack_branch("x", packed) == kept
    with pytest.raises(RdbgError, match="is kept in version 9"):
        unpack_branch("x", b"\x09" + packed[1:])
    dice = random.Random(2)
    for _ in range(200):
        cut = packed[: dice.randrange(len(packed))]
        with pytest.raises(RdbgError, match="branch 'x' is damaged"):
            unpack_branch("x", cut)
    for _ in range(200):
        changed = bytearray(packed)
        changed[dice.randrange(40, len(packed))] ^= 1 << dice.randrange(8)
        try:
            unpack_branch("x", bytes(changed))
        except RdbgError as error:
            assert "\n" not in str(error)


def test_a_branch_that_comes_to_another_state_is_said_to(path: Path) -> None:
    first = Session(path)
    diverted(first, "other", 50_000)
    first.end()
    from rdbg.store.snapshot_store import SnapshotStore

    store = SnapshotStore.open(store_path(str(path)))
    kept = unpack_branch("other", store.notes.branches()["other"])
    forged = KeptBranch(
        kept.fork, kept.entered, kept.shared, kept.position, kept.end, bytes(range(16)), kept.records, kept.finished
    )
    store.notes.put_branch("other", pack_branch(forged))
    store.close()
    second = Session(path)
    with pytest.raises(RdbgError, match="does not come to the state that it had"):
        second.timeline.switch("other")
    second.end()


def test_what_another_session_does_to_branches_is_seen(path: Path) -> None:
    first = Session(path)
    for name in ("one", "two"):
        diverted(first, name, LENGTH // 2)
    first.end()

    def names(session: Session) -> dict[str, bool]:
        return {branch.name: branch.kept for branch in session.timeline.branches()[1:]}

    here, there = Session(path), Session(path)
    here.timeline.switch("two")
    here.timeline.switch("main")
    assert names(here) == names(there) == {"one": True, "two": True}
    for name in ("one", "two"):
        there.timeline.kept.delete(name)
    diverted(there, "three", LENGTH // 4)
    there.timeline.switch("main")
    there.timeline.switch("three")
    digest = there.timeline.machine.digest()
    there.timeline.switch("main")
    assert names(here) == {"three": True, "two": False}  # where this session has been it can go on
    with pytest.raises(RdbgError, match="there is no branch 'one'"):
        here.timeline.switch("one")
    here.timeline.switch("three")
    assert here.timeline.machine.digest() == digest
    here.timeline.switch("two")
    here.timeline.switch("main")  # does not bring it back
    third = Session(path)
    assert names(third) == {"three": True}
    here.timeline.switch("two")
    here.timeline.branch("two", keep=True)
    assert names(here) == names(there) == names(third) == {"three": True, "two": True}
    for session in (here, there, third):
        session.end()


def test_a_branch_that_is_deleted_while_one_is_on_it_stays_in_memory_alone(path: Path) -> None:
    first = Session(path)
    diverted(first, "one", LENGTH // 2)
    there = Session(path)
    there.timeline.kept.delete("one")
    first.timeline.switch("main")
    assert [branch.kept for branch in first.timeline.branches()[1:]] == [False]
    assert there.timeline.branches()[1:] == []
    first.end()
    there.end()


@pytest.mark.parametrize("kept", [False, True])
def test_a_snapshot_of_an_earlier_session_is_loaded_on_a_branch(path: Path, kept: bool) -> None:
    first = Session(path)
    first.timeline.goto(LENGTH // 4)
    first.timeline.snapshots.save("early")
    stood, digest = first.timeline.position, first.timeline.machine.digest()
    if kept:
        diverted(first, "one", LENGTH // 2)
    first.end()
    second = Session(path)
    timeline = second.timeline
    if kept:
        timeline.switch("one")
    else:
        diverted(second, "one", LENGTH // 2)
    assert timeline.snapshots.load("early").position == stood
    assert (timeline.branch_name, timeline.machine.digest()) == ("one", digest)
    timeline.goto(timeline.end)
    second.end()
