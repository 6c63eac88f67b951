"""A recording's two files: together, in place only when whole, and found again after a kill at any moment."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from rdbg.emu.machine_api import MachineState
from rdbg.emu.spec import Image, MachineSpec
from rdbg.errors import RdbgError
from rdbg.journal.records import EndOfRun, EndReason
from rdbg.recording.recording import NewRecording, OpenRecording, store_path
from rdbg.store import transaction
from rdbg.store.snapshot_store import SnapshotStore

SPEC = MachineSpec("malta", "24Kf", False, 1 << 28, 3, (Image("bios", "gone/u-boot.bin", b"boot" * 1000),))
END = EndOfRun(100, EndReason.STOPPED)


def record(path: Path, start: bytes, spec: MachineSpec = SPEC) -> None:
    new = NewRecording(str(path), spec, ("rdbg", "record"), "init")
    new.store.save("init", MachineState(0, start, b""), [(0, start * 4096)], initial=True)
    new.publish()
    new.store.save("later", MachineState(50, start, b""), [])
    new.store.close()
    new.writer.close(END)


def check(path: Path, start: bytes) -> None:
    opened = OpenRecording(str(path))
    assert opened.spec() == SPEC
    assert opened.store is not None
    assert opened.store.load(opened.header.initial_snapshot).state == MachineState(0, start, b"")
    assert opened.reader.end == END
    opened.close()


def test_two_files_are_all_it_takes(tmp_path: Path) -> None:
    record(tmp_path / "j", b"a")
    assert sorted(os.listdir(tmp_path)) == ["j", "j.snapshots"]
    (tmp_path / "elsewhere").mkdir()
    for name in ("j", "j.snapshots"):
        shutil.move(tmp_path / name, tmp_path / "elsewhere" / name)
    check(tmp_path / "elsewhere" / "j", b"a")


def test_the_earlier_recording_stands_until_published(tmp_path: Path) -> None:
    path = tmp_path / "j"
    record(path, b"a")
    new = NewRecording(str(path), SPEC, initial_snapshot="init")
    new.store.save("init", MachineState(0, b"b", b""), [])
    check(path, b"a")
    new.discard()
    check(path, b"a")
    assert sorted(os.listdir(tmp_path)) == ["j", "j.snapshots"]
    record(path, b"b")
    check(path, b"b")
    assert sorted(os.listdir(tmp_path)) == ["j", "j.snapshots"]


def test_a_recording_of_an_older_format_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "j"
    record(path, b"a")
    with open(path, "r+b") as journal:
        journal.seek(8)
        journal.write(b"\1\0")
    with contextlib.closing(sqlite3.connect(store_path(str(path)))) as store:
        store.execute("PRAGMA user_version = 1")
    with pytest.raises(RdbgError, match="version 1"):
        OpenRecording(str(path))
    record(path, b"b")
    check(path, b"b")
    assert sorted(os.listdir(tmp_path)) == ["j", "j.snapshots"]


def test_a_folder_in_the_way_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "j.snapshots").mkdir()
    with pytest.raises(RdbgError, match="cannot replace the snapshot store"):
        record(tmp_path / "j", b"a")
    assert os.listdir(tmp_path) == ["j.snapshots"]


@pytest.mark.parametrize("kind", ["text", "database"])
def test_what_is_no_store_is_not_replaced(tmp_path: Path, kind: str) -> None:
    if kind == "text":
        (tmp_path / "j.snapshots").write_text("years of work, " * 100)
    else:
        with contextlib.closing(sqlite3.connect(tmp_path / "j.snapshots")) as other:
            other.execute("CREATE TABLE thesis (page TEXT)")
    before = (tmp_path / "j.snapshots").read_bytes()
    with pytest.raises(RdbgError, match="will not overwrite .*choose another name"):
        record(tmp_path / "j", b"a")
    assert (tmp_path / "j.snapshots").read_bytes() == before


@pytest.mark.parametrize("moment", range(4))
def test_killed_while_publishing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    """Whichever renaming is the last that happens, a whole recording has the name."""
    path = tmp_path / "j"
    record(path, b"a")

    def child() -> None:
        left = moment
        original = os.replace

        def counted(source: str, target: str) -> None:
            nonlocal left
            if left == 0:
                os._exit(0)
            left -= 1
            original(source, target)

        monkeypatch.setattr(os, "replace", counted)
        record(path, b"b")

    for again in range(2):  # twice: the leftovers of a killed one do no harm to the next
        pid = os.fork()
        if pid == 0:
            try:
                child()
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        # Killed at the last renaming, the second needs one less: the store of "a" is out of the way already.
        check(path, b"b" if moment + again >= 3 else b"a")
    record(path, b"c")
    check(path, b"c")
    assert sorted(os.listdir(tmp_path)) == ["j", "j.snapshots"]


def test_images_without_a_store(tmp_path: Path) -> None:
    image = tmp_path / "bios"
    image.write_bytes(b"boot")
    spec = replace(SPEC, images=(Image("bios", str(image), b"boot"),))
    new = NewRecording(str(tmp_path / "j"), spec)
    new.publish()
    new.store.close()
    new.writer.close(END)
    os.unlink(tmp_path / "j.snapshots")
    assert OpenRecording(str(tmp_path / "j")).spec() == spec
    image.write_bytes(b"toot")
    with pytest.raises(RdbgError, match="this bios image .* is not the one that was recorded"):
        OpenRecording(str(tmp_path / "j")).spec()
    image.unlink()
    with pytest.raises(RdbgError, match="bios image is not in .*j.snapshots, and .*: cannot read .*: No such file"):
        OpenRecording(str(tmp_path / "j")).spec()


def test_a_lost_or_foreign_store(tmp_path: Path) -> None:
    record(tmp_path / "j", b"a")
    record(tmp_path / "k", b"b")
    os.replace(store_path(str(tmp_path / "k")), store_path(str(tmp_path / "j")))
    with pytest.raises(RdbgError, match="j.snapshots: this snapshot store belongs to another recording"):
        OpenRecording(str(tmp_path / "j"))
    with pytest.raises(RdbgError, match="k.snapshots: no snapshot store there; .* copy it along"):
        OpenRecording(str(tmp_path / "k"))


def test_what_is_in_use_or_not_ours_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "j"
    (tmp_path / "j.snapshots").write_bytes(b"my photographs" * 100)
    with pytest.raises(RdbgError, match="j.snapshots: .*no rdbg snapshot store"):
        NewRecording(str(path), SPEC)
    assert os.listdir(tmp_path) == ["j.snapshots"]
    os.unlink(tmp_path / "j.snapshots")
    record(path, b"a")
    opened = OpenRecording(str(path))
    with pytest.raises(RdbgError, match="another rdbg is using this recording"):
        NewRecording(str(path), SPEC)
    opened.close()
    NewRecording(str(path), SPEC).discard()


def test_an_old_store_alone_is_found(tmp_path: Path) -> None:
    record(tmp_path / "j", b"a")
    os.replace(tmp_path / "j.snapshots", tmp_path / "j.snapshots.old")
    check(tmp_path / "j", b"a")
    assert SnapshotStore.open(str(tmp_path / "j.snapshots.old")).find("init") is not None


@pytest.mark.parametrize("log", ["-wal", "-journal"])
def test_a_log_left_behind_harms_nothing_and_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, log: str
) -> None:
    """A recorder was killed, its two files moved away, and its log forgotten: SQLite would play it into the next."""
    left = leftover_log(tmp_path / "elsewhere")
    for number in (1, 2):
        for name in ("j", "j.snapshots"):
            (tmp_path / name).unlink(missing_ok=True)
        (tmp_path / f"j.snapshots{log}").write_bytes(left)
        (tmp_path / "j.snapshots-shm").write_bytes(bytes(32768))
        record(tmp_path / "j", b"b")
        check(tmp_path / "j", b"b")
        assert (tmp_path / f"j.snapshots{log}.old{number}").read_bytes() == left
        assert f"it is kept as {tmp_path}/j.snapshots{log}.old{number}" in caplog.text
    assert not list(tmp_path.glob("j.snapshots-shm"))


@pytest.mark.parametrize("log", ["-wal", "-journal"])
@pytest.mark.parametrize("whole", [True, False])
def test_a_log_that_lies_where_a_recording_is_copied_to_harms_nothing_and_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, log: str, whole: bool
) -> None:
    """Whether it holds all of another store, or the pages of one change."""
    (tmp_path / "elsewhere").mkdir()
    if whole:
        left = leftover_log(tmp_path / "elsewhere")
    else:
        record(tmp_path / "elsewhere" / "j", b"b")
        left = log_of_one_change(tmp_path / "elsewhere" / "j.snapshots", monkeypatch)
    record(tmp_path / "j", b"a")
    (tmp_path / f"j.snapshots{log}").write_bytes(left)
    check(tmp_path / "j", b"a")
    assert (tmp_path / f"j.snapshots{log}.old1").read_bytes() == left
    assert f"it is kept as {tmp_path}/j.snapshots{log}.old1" in caplog.text
    assert sorted(path.name for path in tmp_path.glob("j*")) == ["j", "j.snapshots", f"j.snapshots{log}.old1"]


def test_a_killed_recorders_own_log_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(tmp_path / "j", b"a")
    store = tmp_path / "j.snapshots"
    before = store.read_bytes()
    left = log_of_one_change(store, monkeypatch)
    store.write_bytes(before)
    (tmp_path / "j.snapshots-wal").write_bytes(left)
    opened = OpenRecording(str(tmp_path / "j"))
    assert opened.store is not None and opened.store.notes.bookmarks() == {"later": 1}
    opened.close()
    assert not caplog.records


def log_of_one_change(path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The write-ahead log of a store when somebody has been killed before it was folded into the file."""
    store = SnapshotStore.open(str(path))
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "fold_log", lambda connection: None)
        store.notes.put_bookmark("later", 1)
        log = path.with_name(f"{path.name}-wal").read_bytes()
    store.close()
    assert log
    return log


def leftover_log(folder: Path) -> bytes:
    """A write-ahead log full of another store's pages."""
    folder.mkdir(exist_ok=True)
    store = SnapshotStore.create(str(folder / "s"), b"another recording")
    store._db.execute("BEGIN")
    for number in range(50):
        store._db.execute("INSERT INTO images VALUES (?, ?)", (str(number).encode(), os.urandom(4096)))
    store._db.execute("COMMIT")
    log = (folder / "s-wal").read_bytes()
    store.close()
    assert len(log) > 100_000
    return log
