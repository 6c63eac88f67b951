"""Runs with very many packets: what is in memory of them does not grow with their number."""

from __future__ import annotations

import dataclasses
import os
import random
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.errors import RdbgError
from rdbg.history import long_logs
from rdbg.history.history import History
from rdbg.history.log import GrowingLog, Log, MemoryLog
from rdbg.history.long_logs import BranchLog, RecordedLog, ScratchLog
from rdbg.journal import chunks
from rdbg.journal.numbers import VAR_INT, var_int
from rdbg.journal.reader import JournalReader
from rdbg.journal.records import INPUT_KINDS, POKE_KINDS, EndOfRun, EndReason, Record
from rdbg.journal.writer import JournalWriter
from tests.journal.samples import header, records

FRAME = bytes(range(256)) * 6
PACKETS = 1_000_000
TRACED = 90_000  # they would take 30 MB
MOST_BYTES = 24 << 20  # of Python's memory, whatever the number of packets


def packet(number: int, size: int = 60) -> Record:
    """Some packet; no two are the same."""
    return Record(1000 * number, int(InputKind.PACKET), 0, 0, number.to_bytes(8, "little") + FRAME[: size - 8])


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("million") / "j")
    writer = JournalWriter(path, header(), clock=lambda: 0.0)
    writer.publish()
    tracemalloc.start()
    history = History.recording(writer)
    for number in range(TRACED):
        record = packet(number)
        history.append(InputEvent(record.icount, InputKind.PACKET, data=record.data))
    # The rest is as these were, and a test has little time: a million takes a minute with memory being traced.
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < MOST_BYTES
    for number in range(TRACED, PACKETS):
        writer.append(packet(number))
    history.close(EndOfRun(1000 * PACKETS, EndReason.STOPPED))
    return path


def test_a_million_packets_open_without_parsing_one_and_little_is_in_memory(million: str) -> None:
    tracemalloc.start()
    reader = JournalReader(million)
    assert (reader.count, reader.contents.parsed_records) == (PACKETS + 1, 0)
    opened, _ = tracemalloc.get_traced_memory()
    assert reader.packet(700_001) == 700_000 and reader.record(700_000) == packet(700_000)
    assert reader.packet(PACKETS + 1) is reader.packet(0) is None
    assert reader.packets_before(123_456) == 123_456
    assert reader.next_of(0, POKE_KINDS) is None
    assert reader.contents.parsed_records <= 3 * 512
    for number in range(0, PACKETS, PACKETS // 90):
        assert reader.record(number) == packet(number)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    reader.close()
    assert opened < 4 << 20 and most < MOST_BYTES


@pytest.mark.parametrize("size", [60, 1514])
@pytest.mark.parametrize("content", ["random", "alike"])
def test_a_journal_is_hardly_longer_than_its_packets(tmp_path: Path, size: int, content: str) -> None:
    dice = random.Random(size)
    writer = JournalWriter(str(tmp_path / "j"), header(), clock=lambda: 0.0)
    icount = 0
    for number in range(5000):
        # As of a guest that waits: a WAKE says how long.
        icount += dice.randrange(100_000)
        data = dice.randbytes(size) if content == "random" else packet(number, size).data
        writer.append(Record(icount, int(InputKind.WAKE), 0, icount << 3))
        writer.append(Record(icount, int(InputKind.PACKET), 0, 0, data))
    writer.close(EndOfRun(icount, EndReason.STOPPED))
    # Random bytes are what no packets are: with these, what stands beside shows, which is 12 bytes a packet at most.
    most = 5000 * (size + 13) if content == "random" and size == 60 else 1.1 * 5000 * size
    assert writer.size < most


def logs(folder: Path) -> dict[str, tuple[GrowingLog, Callable[[Record], None]]]:
    """Each sort of log, and what adds a record to it."""
    writer = JournalWriter(str(folder / "j"), header(), clock=lambda: 0.0)
    recorded = RecordedLog(writer)

    def record(made: Record) -> None:
        recorded.append(made)
        writer.append(made)

    scratch, base = ScratchLog(), MemoryLog()
    branch = BranchLog(base, 0)
    return {
        "recorded": (recorded, record),
        "scratch": (scratch, scratch.append),
        "branch": (branch, branch.append),
    }


def same(log: Log, truth: MemoryLog, dice: random.Random) -> None:
    """Check that a log answers as one in memory does."""
    assert log.count == truth.count
    for _ in range(30):
        at = dice.randrange(truth.count + 1)
        if at < truth.count:
            assert log.record(at) == truth.record(at)
        icount = dice.randrange(2000 * (truth.count + 1))
        assert log.find(icount) == truth.find(icount)
        for kinds in (INPUT_KINDS, POKE_KINDS, {int(InputKind.PACKET)}, {int(InputKind.LINK)}):
            assert log.next_of(at, kinds) == truth.next_of(at, kinds)
        assert log.packets_before(at) == truth.packets_before(at)
        number = dice.randrange(truth.count + 2)
        assert log.packet(number) == truth.packet(number)


@pytest.mark.parametrize("name", ["recorded", "scratch", "branch"])
def test_a_long_log_answers_as_one_in_memory(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_logs, "MOST_RECENT_RECORDS", 700)
    dice = random.Random(name)
    log, append = logs(tmp_path)[name]
    truth, icount = MemoryLog(), 0
    kinds = [*[int(InputKind.PACKET)] * 8, int(InputKind.SERIAL), int(InputKind.POKE_MEMORY), int(InputKind.LINK)]
    for _ in range(6):
        for _ in range(900):
            icount += dice.choice((0, 0, 1, 900, 3000))
            made = Record(icount, dice.choice(kinds), dice.randrange(3), dice.randrange(2), dice.randbytes(9))
            append(made)
            truth.append(made)
        same(log, truth, dice)
        if name != "recorded":
            left = dice.randrange(truth.count // 2, truth.count)
            log.truncate(left)
            truth.truncate(left)
            same(log, truth, dice)
            icount = truth.record(truth.count - 1).icount
    shared = dice.randrange(truth.count)
    branch = BranchLog(log, shared)
    truth.truncate(shared)
    for made in [Record(icount + n, int(InputKind.PACKET), data=b"%d" % n) for n in range(1000)]:
        branch.append(made)
        truth.append(made)
    same(branch, truth, dice)


def test_what_a_run_forgets_gives_its_space_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that comes back to one place again and again does not fill the disk."""
    monkeypatch.setattr(long_logs, "MOST_RECENT_BYTES", 100_000)
    log = ScratchLog()
    sizes: list[int] = []
    written = os.pwrite

    def noted(descriptor: int, data: bytes, offset: int) -> int:
        sizes.append(offset + len(data))
        return written(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", noted)
    dice = random.Random(8)
    for _ in range(20):
        for number in range(log.count, 1000):
            log.append(Record(number * 1000, int(InputKind.PACKET), data=dice.randbytes(1000)))
        assert os.fstat(log.written.descriptor).st_size == log.written.end_offset > 800_000
        log.truncate(dice.randrange(100))
        assert os.fstat(log.written.descriptor).st_size < 110_000
    assert max(sizes) < 1_200_000


def test_a_run_that_nobody_records_keeps_little_in_memory() -> None:
    tracemalloc.start()
    history = History.live_run()
    for number in range(40_000):
        record = packet(number, 1514)
        history.append(InputEvent(record.icount, InputKind.PACKET, data=record.data))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < MOST_BYTES < 40_000 * 1514
    assert history.fork(history.end).known.records()[123] == packet(123, 1514)


def test_a_run_that_nobody_records_goes_on_where_no_file_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes, offset: int) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(long_logs, "MOST_RECENT_RECORDS", 100)
    monkeypatch.setattr("os.pwrite", full)
    log = ScratchLog()
    for number in range(1000):
        log.append(packet(number))
    assert [log.record(number) for number in range(1000)] == [packet(number) for number in range(1000)]


def test_a_recording_whose_file_is_spoilt_says_so_when_it_reads_its_past(tmp_path: Path) -> None:
    log, append = logs(tmp_path)["recorded"]
    assert isinstance(log, RecordedLog)
    for number in range(40_000):  # more than is kept of what was written
        append(packet(number))
    draft = tmp_path / "j.new"
    draft.write_bytes(bytes(draft.stat().st_size))
    with pytest.raises(RdbgError, match="malformed chunk at offset"):
        log.record(0)
    assert log.record(39_999) == packet(39_999)


@settings(max_examples=100, deadline=None)
@given(records())
def test_records_are_built_as_they_are_described(made: list[Record]) -> None:
    before = 0
    for record in made:
        fields = {"delta": record.icount - before, "port": record.port, "value": record.value, "data": record.data}
        built = chunks.build_record(record, before)
        assert built == chunks.RecordFormat.build({"tag": built[0], **fields})
        before = record.icount


@given(st.integers(0, 2**64 - 1))
def test_numbers_are_built_as_they_are_described(number: int) -> None:
    assert var_int(number) == VAR_INT.build(number)


def test_a_compressed_chunk_that_lies_is_refused() -> None:
    made = [chunks.build_record(packet(n), 1000 * (n - 1) if n else 0) for n in range(400)]
    data = chunks.build_chunk(0, 0, 400_000, 1 << InputKind.PACKET, 400, made)
    head = data[: chunks.CHUNK_HEADER_SIZE]
    chunk, payload = chunks.parse_chunk_header(0, head), data[chunks.CHUNK_HEADER_SIZE :]
    assert chunk is not None and 0 < chunk.length < chunk.unpacked == sum(map(len, made))
    assert chunks.parse_payload(chunk, payload) == [packet(n) for n in range(400)]
    for change in ({"unpacked": 0}, {"unpacked": chunk.unpacked - 1}, {"unpacked": 1 << 27}, {"packets": 399}):
        assert chunks.parse_payload(dataclasses.replace(chunk, **change), payload) is None
    for junk in (b"", payload[:-1], bytes(len(payload)), payload[:30] + bytes(len(payload) - 30)):
        forged = dataclasses.replace(chunk, length=len(junk), payload_crc=zlib.crc32(junk))
        assert chunks.parse_payload(forged, junk) is None
