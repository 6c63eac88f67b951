"""The file's life: in its place only when whole, safe beside other files, clear when the disk is full."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from rdbg.errors import RdbgError
from rdbg.journal.file_header import MAGIC
from rdbg.journal.reader import JournalReader
from rdbg.journal.records import EndOfRun, EndReason, Record
from rdbg.journal.writer import JournalWriter

from .samples import END, header, write


def test_the_old_recording_stands_until_the_new_one_is_published(tmp_path: Path) -> None:
    path = tmp_path / "j"
    write(path, [Record(1, 1, data=b"old")], END)
    old = path.read_bytes()
    abandoned = JournalWriter(str(path), header())
    assert path.read_bytes() == old
    abandoned.discard()
    assert os.listdir(tmp_path) == ["j"] and path.read_bytes() == old
    writer = JournalWriter(str(path), header())
    writer.publish()
    assert os.listdir(tmp_path) == ["j"]
    assert JournalReader(str(path)).header == writer.header
    writer.close(END)


def test_a_draft_left_by_a_killed_recorder_is_reused(tmp_path: Path) -> None:
    (tmp_path / "j.new").write_bytes(MAGIC + b"x" * 10_000)
    write(tmp_path / "j", [], END)
    assert JournalReader(str(tmp_path / "j")).end == END


def test_two_recorders(tmp_path: Path) -> None:
    path = str(tmp_path / "j")
    first = JournalWriter(path, header())
    with pytest.raises(RdbgError, match="another rdbg is starting to record"):
        JournalWriter(path, header())
    first.publish()
    with pytest.raises(RdbgError, match="another rdbg is using this recording"):
        JournalWriter(path, header())
    first.close(END)
    JournalWriter(path, header()).discard()


def test_other_files_are_not_overwritten(tmp_path: Path) -> None:
    image = tmp_path / "vmlinux"
    image.write_bytes(b"\x7fELF...")
    with pytest.raises(RdbgError, match="vmlinux: will not overwrite a file that is not an rdbg journal"):
        JournalWriter(str(image), header())
    assert image.read_bytes() == b"\x7fELF..."
    for path in (tmp_path, Path("/dev/null")):
        with pytest.raises(RdbgError, match="not a regular file"):
            JournalWriter(str(path), header())
    with pytest.raises(RdbgError, match="cannot create: No such file or directory"):
        JournalWriter(str(tmp_path / "no" / "j"), header())
    assert os.listdir(tmp_path) == ["vmlinux"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "j").symlink_to(tmp_path / "data" / "real")
    write(tmp_path / "j", [], END)
    assert (tmp_path / "j").is_symlink() and JournalReader(str(tmp_path / "data" / "real")).end == END


def test_old_chunks_are_flushed_by_time(tmp_path: Path) -> None:
    now = 0.0
    writer = JournalWriter(str(tmp_path / "j"), header(), clock=lambda: now)
    size = writer.size
    writer.append(Record(5, 1, data=b"x"))
    writer.advance(100)
    assert writer.size == size
    now = 1.5
    writer.advance(200)
    assert writer.size > size
    writer.publish()
    assert JournalReader(str(tmp_path / "j")).covered == 200
    writer.discard()


def flip_last_byte(path: Path) -> None:
    """In place; the size stays."""
    data = path.read_bytes()
    with open(path, "r+b") as file:
        file.seek(len(data) - 1)
        file.write(bytes((data[-1] ^ 1,)))


def test_another_program_writes_over_bytes_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "j"
    word = "recording failed at icount .*another program has written to the file .its bytes are not what rdbg wrote"
    for old_date in (False, True):
        writer = JournalWriter(str(path), header())
        writer.publish()
        writer.append(Record(5, 1, data=b"a"))
        writer.sync(10)
        before = os.stat(path)
        flip_last_byte(path)
        if not old_date:
            with pytest.raises(RdbgError, match=word):
                writer.check()
            with pytest.raises(RdbgError, match=word):
                writer.sync(20)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(RdbgError, match=word):
            writer.close(EndOfRun(20, END.reason))
        writer.discard()


def test_a_new_date_alone_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "j"
    writer = JournalWriter(str(path), header())
    writer.publish()
    os.utime(path, ns=(1, 1))
    writer.sync(10)
    os.utime(path, ns=(2, 2))
    writer.close(END)
    reader = JournalReader(str(path))
    os.utime(path, ns=(3, 3))
    reader.check()
    flip_last_byte(path)
    with pytest.raises(RdbgError, match="j: another program has written to the journal while it was open"):
        reader.check()
    reader.close()


def test_a_journal_that_grows_is_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "j"
    writer = JournalWriter(str(path), header())
    writer.publish()
    writer.sync(5)
    reader = JournalReader(str(path))
    writer.sync(10)
    reader.check()
    writer.close(END)
    reader.check()
    reader.close()


def test_order_is_kept(tmp_path: Path) -> None:
    writer = JournalWriter(str(tmp_path / "j"), header())
    writer.append(Record(5, 1))
    with pytest.raises(ValueError, match="after one at 5"):
        writer.append(Record(4, 1))
    writer.discard()


FULL = """
import random, resource, sys
sys.path.insert(0, sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
from tests.journal.samples import header
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.history.history import History
from rdbg.journal.writer import JournalWriter
writer = JournalWriter(sys.argv[1], header())
writer.publish()
history = History.recording(writer)
dice = random.Random(1)
for n in range(1, 20001):
    history.append(InputEvent(n * 10, InputKind.SERIAL, data=dice.randbytes(8)))
    history.advance(n * 10)
print(history.failure)
print(history.end, history.live)
"""


def test_a_full_disk(tmp_path: Path) -> None:
    """One line that stays; the run goes on in memory; what was written is whole."""
    assert resource.RLIMIT_FSIZE >= 0
    path = tmp_path / "j"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path), str(root)], check=True, capture_output=True, text=True
    )
    first, second = done.stdout.splitlines()
    reader = JournalReader(str(path))
    assert first.startswith(f"{path}: recording failed at icount")
    assert first.endswith(f"File too large; the recording is kept up to icount {reader.covered}")
    assert second == "200000 True"
    assert reader.damage is None and reader.count > 500
    assert reader.end is None or reader.end == EndOfRun(0, EndReason.STOPPED)
