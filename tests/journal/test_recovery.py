"""Torn and damaged journals: at most the unflushed end is lost, and nothing goes by unseen."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from rdbg.history.history import History
from rdbg.journal import file_header
from rdbg.journal.reader import JournalReader
from rdbg.journal.records import EndOfRun, EndReason, Record

from .samples import header, records, write

HEADER_SIZE = len(file_header.build_header(header()))


@settings(max_examples=6, deadline=None)
@given(records(max_size=12), st.integers(1, 4))
def test_cut_at_every_offset(made: list[Record], flush_every: int) -> None:
    """Whatever the length that is left, the whole chunks replay and the notice is there iff something is missing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "j")
        write(path, made, EndOfRun(2**51, EndReason.STOPPED), flush_every)
        data = path.read_bytes()
        chunks = JournalReader(str(path)).chunks
        for size in range(HEADER_SIZE, len(data)):
            path.write_bytes(data[:size])
            reader = JournalReader(str(path))
            whole = [chunk for chunk in chunks if chunk.end_offset <= size]
            assert list(reader.records()) == made[: sum(chunk.count for chunk in whole)]
            at_border = size == (whole[-1].end_offset if whole else HEADER_SIZE)
            assert (reader.damage is None) == at_border
            assert reader.end is None
            assert reader.covered == (whole[-1].last if whole else 0)
            history = History.replay(reader)
            assert history.notice is not None and f"up to icount {reader.covered}" in history.notice
            assert history.end == reader.covered and not history.live
            reader.close()


@settings(max_examples=150, deadline=None)
@given(records(max_size=12), st.integers(1, 4), st.data())
def test_any_byte_changed(made: list[Record], flush_every: int, data: st.DataObject) -> None:
    """A changed byte ends the journal before its chunk; what is before is right."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "j")
        write(path, made, EndOfRun(2**51, EndReason.STOPPED), flush_every)
        good = path.read_bytes()
        chunks = JournalReader(str(path)).chunks
        offset = data.draw(st.integers(HEADER_SIZE, len(good) - 1))
        flip = data.draw(st.integers(1, 255))
        path.write_bytes(good[:offset] + bytes([good[offset] ^ flip]) + good[offset + 1 :])
        reader = JournalReader(str(path))
        bad = next(chunk for chunk in chunks if chunk.offset <= offset < chunk.end_offset)
        assert list(reader.records()) == made[: bad.ordinal]
        assert reader.damage is not None
        assert (reader.damage.offset, reader.damage.record) == (bad.offset, bad.ordinal)
        assert reader.damage.icount == reader.covered
        line = reader.damage.line("F")
        assert "\n" not in line and f"offset {bad.offset}, record {bad.ordinal}" in line
        assert reader.damage.torn == (bad is chunks[-1])


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_garbage_after_the_header(garbage: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "j")
        path.write_bytes(file_header.build_header(header()) + garbage)
        reader = JournalReader(str(path))
        assert reader.count == 0 and (reader.damage is None) == (not garbage)


def test_a_chunk_taken_out_of_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "j"
    write(path, [Record(n, 1, data=b"x") for n in range(9)], EndOfRun(9, EndReason.STOPPED), 3)
    data = path.read_bytes()
    second = JournalReader(str(path)).chunks[1]
    path.write_bytes(data[: second.offset] + data[second.end_offset :])
    reader = JournalReader(str(path))
    assert reader.count == 3 and reader.covered == 2
    assert reader.damage is not None and not reader.damage.torn


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from tests.journal.samples import header
from rdbg.journal.writer import JournalWriter
from rdbg.journal.records import Record
writer = JournalWriter(sys.argv[1], header())
writer.publish()
for n in range(1, 2001):
    writer.append(Record(n * 10, 1, data=b"x"))
    if n == 1500:
        writer.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kill_9_keeps_what_was_flushed(tmp_path: Path) -> None:
    path = tmp_path / "j"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), str(root)], check=False)
    assert done.returncode == -signal.SIGKILL
    history = History.replay(JournalReader(str(path)))
    assert history.end >= 15_000
    assert history.notice is not None and "killed" in history.notice
    # The name can be used again at once: a dead process holds no lock.
    write(path, [], EndOfRun(5, EndReason.STOPPED))
    assert JournalReader(str(path)).covered == 5
