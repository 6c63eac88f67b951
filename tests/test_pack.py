"""A recording packed, carried elsewhere and unpacked is the same recording."""

from __future__ import annotations

import os
import random
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from rdbg.emu.machine_api import MachineState
from rdbg.emu.spec import Image, MachineSpec
from rdbg.errors import RdbgError, UsageError
from rdbg.journal.records import EndOfRun, EndReason, Record
from rdbg.recording.pack import pack, unpack
from rdbg.recording.recording import NewRecording, OpenRecording

SPEC = MachineSpec("malta", "24Kf", False, 1 << 28, 3, (Image("bios", "gone/u-boot.bin", b"boot" * 1000),))


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "j"
    new = NewRecording(str(path), SPEC, initial_snapshot="init")
    new.store.save("init", MachineState(0, b"cpu", b"devices"), [(5, os.urandom(4096))], initial=True)
    new.publish()
    new.writer.append(Record(10, 1, data=b"typed"))
    new.writer.close(EndOfRun(100, EndReason.STOPPED))
    new.store.close()
    return path


def test_there_and_back(tmp_path: Path, recording: Path) -> None:
    archive, out = tmp_path / "p", tmp_path / "out"
    out.mkdir()
    before = OpenRecording(str(recording))
    pack(str(recording), str(archive))
    assert sorted(os.listdir(tmp_path)) == ["j", "j.snapshots", "j.snapshots-shm", "j.snapshots-wal", "out", "p"]
    unpack(str(archive), str(out / "k"))
    assert sorted(os.listdir(out)) == ["k", "k.snapshots"]
    after = OpenRecording(str(out / "k"))
    assert before.store is not None and after.store is not None
    assert after.spec() == SPEC
    assert list(after.reader.records()) == list(before.reader.records())
    assert after.store.list() == before.store.list()
    assert dict(after.store.load("init").pages()) == dict(before.store.load("init").pages())
    after.store.save("more", MachineState(50, b"", b""), [])
    before.close()
    after.close()


def test_nothing_is_overwritten(tmp_path: Path, recording: Path) -> None:
    with pytest.raises(UsageError, match="j: this file exists"):
        pack(str(recording), str(recording))
    pack(str(recording), str(tmp_path / "p"))
    for name in ("j", "x"):
        (tmp_path / "x.snapshots").touch()
        with pytest.raises(UsageError, match="this file exists"):
            unpack(str(tmp_path / "p"), str(tmp_path / name))
    assert not (tmp_path / "x").exists()


def test_what_cannot_be_packed(tmp_path: Path, recording: Path) -> None:
    with pytest.raises(RdbgError, match="cannot read the journal"):
        pack(str(tmp_path / "none"), str(tmp_path / "p"))
    with pytest.raises(RdbgError, match=r"cannot copy|cannot write the pack"):
        pack(str(recording), str(tmp_path / "no" / "p"))
    assert sorted(os.listdir(tmp_path)) == ["j", "j.snapshots"]


def test_damaged_packs(tmp_path: Path, recording: Path) -> None:
    """Whatever bytes change: the same recording, or one line and no file."""
    archive = tmp_path / "p"
    pack(str(recording), str(archive))
    good = archive.read_bytes()
    chance = random.Random(1)
    refused = 0
    for turn in range(200):
        data = bytearray(good[: chance.randrange(len(good))] if turn % 4 == 0 else good)
        for _ in range(3):
            if data:
                data[chance.randrange(len(data))] = chance.randrange(256)
        archive.write_bytes(data)
        target = tmp_path / f"out{turn}"
        try:
            unpack(str(archive), str(target))
        except RdbgError as error:
            refused += 1
            assert "\n" not in str(error) and str(error).startswith(f"{archive}: ")
            assert not list(tmp_path.glob("out*"))
        else:
            assert target.read_bytes() == recording.read_bytes()
            for made in tmp_path.glob("out*"):
                made.unlink()
    assert refused > 100


def _zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return path


@pytest.fixture
def members(tmp_path: Path, recording: Path) -> dict[str, bytes]:
    """What stands in a pack."""
    pack(str(recording), str(tmp_path / "good"))
    with zipfile.ZipFile(tmp_path / "good") as packed:
        return {name: packed.read(name) for name in packed.namelist()}


@pytest.mark.parametrize("name", ["p.new", "p.snapshots.new"])
def test_packing_touches_no_other_file(tmp_path: Path, recording: Path, name: str) -> None:
    """Neither a file of the user's, nor what a link leads to, that has a name like the pack's."""
    (tmp_path / "precious").write_text("years of work")
    os.symlink("precious", tmp_path / name)
    pack(str(recording), str(tmp_path / "p"))
    assert zipfile.is_zipfile(tmp_path / "p")
    assert (tmp_path / "precious").read_text() == "years of work" and (tmp_path / name).is_symlink()
    assert not list(tmp_path.glob(".rdbg-*"))


@pytest.mark.parametrize("name", ["out.new", "out.snapshots.new"])
def test_unpacking_touches_no_other_file(tmp_path: Path, recording: Path, name: str) -> None:
    pack(str(recording), str(tmp_path / "p"))
    (tmp_path / "precious").write_text("years of work")
    os.symlink("precious", tmp_path / name)
    unpack(str(tmp_path / "p"), str(tmp_path / "out"))
    assert (tmp_path / "precious").read_text() == "years of work" and (tmp_path / name).is_symlink()
    for target in ("out", "out.snapshots"):
        (tmp_path / target).unlink()
        os.symlink("precious", tmp_path / target)
        with pytest.raises(UsageError, match="this file exists"):
            unpack(str(tmp_path / "p"), str(tmp_path / "out"))
        (tmp_path / target).unlink()
        (tmp_path / "out").unlink(missing_ok=True)
        (tmp_path / "out.snapshots").unlink(missing_ok=True)
        unpack(str(tmp_path / "p"), str(tmp_path / "out"))
    assert not list(tmp_path.glob(".rdbg-*"))


@pytest.mark.parametrize("name", ["j.new", "j.snapshots.new", "j.snapshots.old"])
def test_recording_overwrites_no_file_of_the_user_s(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("years of work")
    with pytest.raises(RdbgError, match=f"{name}: "):
        NewRecording(str(tmp_path / "j"), SPEC)
    assert os.listdir(tmp_path) == [name] and (tmp_path / name).read_text() == "years of work"
    (tmp_path / name).rename(tmp_path / "precious")
    os.symlink("precious", tmp_path / name)
    with pytest.raises(RdbgError):
        NewRecording(str(tmp_path / "j"), SPEC)
    assert sorted(os.listdir(tmp_path)) == sorted([name, "precious"])
    assert (tmp_path / "precious").read_text() == "years of work"


def test_what_a_killed_recorder_left_is_overwritten(tmp_path: Path) -> None:
    for content in (b"", b"store"):
        for name in ("j.new", "j.snapshots.new", "j.snapshots.old"):
            (tmp_path / name).write_bytes(b"")
            if content and name != "j.new":
                sqlite3.connect(tmp_path / name).execute("PRAGMA journal_mode = WAL")
        new = NewRecording(str(tmp_path / "j"), SPEC)
        new.publish()
        new.writer.close(EndOfRun(100, EndReason.STOPPED))
        new.store.close()
        assert sorted(os.listdir(tmp_path)) == ["j", "j.snapshots"]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("flip", [0, 1])
def test_members_compressed_in_other_ways(tmp_path: Path, members: dict[str, bytes], method: int, flip: int) -> None:
    bad = _zip(tmp_path / "bad", members, method)
    data = bytearray(bad.read_bytes())
    data[60] ^= flip
    bad.write_bytes(data)
    with pytest.raises(RdbgError, match="not as 'rdbg pack' makes it"):
        unpack(str(bad), str(tmp_path / "out"))
    assert not list(tmp_path.glob("out*"))


def test_a_pack_that_is_a_bomb(tmp_path: Path, members: dict[str, bytes]) -> None:
    bad = _zip(tmp_path / "bad", {**members, "journal": bytes(400 << 20)})
    assert bad.stat().st_size < 1 << 20
    with pytest.raises(RdbgError, match="not as 'rdbg pack' makes it"):
        unpack(str(bad), str(tmp_path / "out"))
    assert not list(tmp_path.glob("out*"))


def test_a_recording_that_packs_very_well(tmp_path: Path, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `pack` makes, `unpack` takes: it is compressed less then."""
    monkeypatch.setattr("rdbg.recording.pack._MORE_BYTES", 0)
    monkeypatch.setattr("rdbg.recording.pack._MOST_TIMES", 1)
    pack(str(recording), str(tmp_path / "p"))
    unpack(str(tmp_path / "p"), str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == recording.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda members: {**members, "journal": b"no journal"},
        lambda members: {**members, "snapshots": b"no store" * 1000},
        lambda members: {**members, "snapshots": members["snapshots"][:8192]},
        lambda members: {"journal": members["snapshots"], "snapshots": members["journal"]},
        lambda members: {**members, "../journal": b""},
        lambda members: {},
    ],
)
def test_packs_of_something_else(
    tmp_path: Path, members: dict[str, bytes], change: Callable[[dict[str, bytes]], dict[str, bytes]]
) -> None:
    bad = _zip(tmp_path / "bad", change(members))
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(RdbgError, match="not a packed recording") as caught:
        unpack(str(bad), str(tmp_path / "out"))
    assert "\n" not in str(caught.value) and ".rdbg-" not in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == before


def test_packs_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name in (str(tmp_path / "fifo"), "/dev/zero", str(tmp_path)):
        with pytest.raises(RdbgError, match="cannot read the pack"):
            unpack(name, str(tmp_path / "out"))
