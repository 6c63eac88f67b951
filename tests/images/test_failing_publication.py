"""Putting a recording in place fails: nothing is published, and the run is as it was."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rdbg.cli.qemu_options import parse_line
from rdbg.errors import RdbgError
from rdbg.history.recorder import Recorder
from rdbg.journal import writer
from rdbg.journal.writer import JournalWriter
from rdbg.session.session import Session
from rdbg.session.surroundings import Surroundings
from rdbg.store.first_contents import FirstContents
from rdbg.store.snapshot_store import SnapshotStore
from rdbg.timeline import StopConditions
from tests.cli.command import rdbg
from tests.images.sectors import GUEST
from tests.images.test_guest_with_disk import image, run_to

WORDS = ("-M", "malta", "-m", "16", "-kernel", str(GUEST), "-serial", "null", "-net", "none")

#: What may fail: of which class which function, and how often it works before.
FAILURES = [
    (FirstContents, "open", 1),
    (SnapshotStore, "list", 0),
    (JournalWriter, "publish", 0),
    (os, "replace", 1),
]


def _session(folder: Path, *words: str) -> Session:
    line = parse_line([*WORDS, "-drive", f"file={folder / 'disk'},format=raw", *words])
    return Session(line.options, Surroundings(terminal=False))


def _fail(patch: pytest.MonkeyPatch, place: Any, name: str, works: int) -> None:
    original: Callable[..., Any] = getattr(place, name)
    left = works

    def failing(*arguments: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left == -1:
            raise (OSError(5, "Input/output error") if place in (os, writer) else RdbgError("it fails here"))
        return original(*arguments, **options)

    patch.setattr(place, name, failing)


@pytest.mark.parametrize(
    ("place", "name", "works", "replaces"),
    [*((*each, False) for each in FAILURES), (os, "replace", 2, True)],
)
def test_a_live_run_that_cannot_become_a_recording_leaves_none_and_can_become_one_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Any, name: str, works: int, replaces: bool
) -> None:
    image(tmp_path / "disk")
    path = tmp_path / "kept"
    if replaces:
        assert rdbg("record", "-o", path, "--", "-kernel", "examples/guest/tank.elf", "-serial", "null").returncode == 0
    before = {each.name: each.read_bytes() for each in tmp_path.glob("kept*")}
    made = _session(tmp_path)
    run_to(made, 300_000)
    made.timeline.snapshots.save("early")
    made.timeline.bookmarks.put("there")
    digest = made.timeline.machine.digest()
    with monkeypatch.context() as patch:
        _fail(patch, place, name, works)
        with pytest.raises(RdbgError):
            made._record(str(path), replaces)
    assert {each.name: each.read_bytes() for each in tmp_path.glob("kept*")} == before
    assert not made.timeline.history.recorded and made.timeline.machine.digest() == digest
    assert [each.name for each in made.timeline.snapshots.here()] == ["early"]
    run_to(made, 400_000)
    made.timeline.snapshots.load("early")
    assert made.timeline.machine.digest() == digest
    made.timeline.goto(made.timeline.end)
    made._record(str(path), replaces)
    run_to(made, 600_000)
    made.timeline.snapshots.save("late")
    made.close()
    assert not made.failed
    replayed = rdbg("replay", path)
    assert replayed.returncode == 0 and b"digests agree" in replayed.stderr, replayed.stderr
    assert b"early" in rdbg("info", path).stdout


@pytest.mark.parametrize(("place", "name", "works"), [(FirstContents, "open", 0), (SnapshotStore, "list", 1)])
def test_a_recording_that_cannot_begin_leaves_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Any, name: str, works: int
) -> None:
    image(tmp_path / "disk")
    path = tmp_path / "kept"
    assert rdbg("record", "-o", path, "--", "-kernel", "examples/guest/tank.elf", "-serial", "null").returncode == 0
    before = {each.name: each.read_bytes() for each in tmp_path.glob("kept*")}
    with monkeypatch.context() as patch:
        _fail(patch, place, name, works)
        with pytest.raises(RdbgError):
            _session(tmp_path, "-icount", f"rr=record,rrfile={path},rrsnapshot=init").close()
    assert {each.name: each.read_bytes() for each in tmp_path.glob("kept*")} == before


def test_a_disk_that_cannot_have_the_folder_s_names_makes_no_failure_of_what_is_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image(tmp_path / "disk")
    made = _session(tmp_path)
    run_to(made, 300_000)
    _fail(monkeypatch, writer, "sync_directory", 0)
    made._record(str(tmp_path / "kept"), False)
    made.close()
    assert rdbg("info", tmp_path / "kept").returncode == 0


def test_a_watcher_that_the_host_has_no_room_for_is_a_failure_of_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image(tmp_path / "disk")
    made = _session(tmp_path)
    run_to(made, 300_000)

    start = threading.Thread.start

    def no_room(thread: threading.Thread) -> None:
        if thread.name == "journal":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", no_room)
    made._record(str(tmp_path / "kept"), False)
    assert "can't start new thread" in (made.timeline.history.failure or "")
    assert isinstance(made.timeline.history._recorder, Recorder)
    made.timeline.run(StopConditions(), lambda: True)
    made.close()
    assert made.failed
