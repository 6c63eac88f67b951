"""A recording packed, carried elsewhere and unpacked is the same recording."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from rdbg.emu.machine_api import MachineState
from rdbg.emu.spec import Image, MachineSpec
from rdbg.errors import RdbgError, UsageError
from rdbg.journal.records import EndOfRun, EndReason, Record
from rdbg.pack import is_pack, pack, unpack
from rdbg.recording import NewRecording, OpenRecording

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
    assert is_pack(str(archive)) and not is_pack(str(recording))
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
