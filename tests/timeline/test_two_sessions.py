"""Two sessions on one recording at a time: what one deletes in the middle of what the other does."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rdbg.store.snapshot_store import SnapshotStore
from tests.timeline.test_persistent import Session, record, reopen


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "rec"
    record(path)
    return path


@pytest.fixture
def sessions(recorded: Path, tmp_path: Path) -> tuple[Session, Session]:
    for name in ("rec", "rec.snapshots"):
        shutil.copy(recorded.with_name(name), tmp_path)
    return reopen(tmp_path / "rec"), reopen(tmp_path / "rec")


def after(monkeypatch: pytest.MonkeyPatch, method: str, deed: Callable[[], None]) -> None:
    """Have something happen once, just when a store has done what it was asked."""
    plain = getattr(SnapshotStore, method)
    waiting = [deed]

    def asked(self: SnapshotStore, *arguments: object) -> object:
        found = plain(self, *arguments)
        if waiting:
            waiting.pop()()
        return found

    monkeypatch.setattr(SnapshotStore, method, asked)


def test_a_snapshot_is_saved_though_the_one_whose_pages_it_shares_is_deleted_then(
    sessions: tuple[Session, Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = sessions
    ours.timeline.goto(100_000)
    ours.timeline.snapshots.save("a")
    ours.timeline.goto(200_000)
    digest = ours.timeline.machine.digest()
    after(monkeypatch, "list", lambda: theirs.timeline.snapshots.delete("a"))
    ours.timeline.snapshots.save("b")
    theirs.timeline.snapshots.load("b")
    assert theirs.timeline.machine.digest() == digest
    assert [snapshot.name for snapshot in theirs.timeline.snapshots.here()] == ["init", "b"]
    for session in sessions:
        session.close()


def test_a_snapshot_that_is_deleted_while_it_is_loaded_is_whole(
    sessions: tuple[Session, Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = sessions
    theirs.timeline.goto(123_456)
    theirs.timeline.snapshots.save("a")
    digest = theirs.timeline.machine.digest()
    store = theirs.timeline._replayer.stored.store
    assert store is not None
    for info in store.list():  # no other state shares its pages
        if info.periodic:
            store._remove([info.id])
    after(monkeypatch, "load", lambda: theirs.timeline.snapshots.delete("a"))
    ours.timeline.snapshots.load("a")
    assert ours.timeline.machine.digest() == digest
    for session in sessions:
        session.close()


def test_both_sessions_say_one_size(sessions: tuple[Session, Session]) -> None:
    ours, theirs = sessions
    ours.timeline.goto(100_000)
    ours.timeline.snapshots.save("a")
    sizes = [[each.bytes for each in session.timeline.snapshots.here() if each.name == "a"] for session in sessions]
    assert sizes[0] == sizes[1]
    for session in sessions:
        session.close()
