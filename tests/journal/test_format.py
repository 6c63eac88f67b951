"""The journal's bytes: what is written is read back, and a long idle run stays small."""

from __future__ import annotations

import dataclasses
import tempfile
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rdbg.emu.inputs import InputKind
from rdbg.errors import RdbgError
from rdbg.journal import chunks, file_header
from rdbg.journal.header import ImageReference
from rdbg.journal.reader import JournalReader
from rdbg.journal.records import INPUT_KINDS, KIND_DIGEST, POKE_KINDS, EndOfRun, EndReason, Record
from rdbg.journal.writer import JournalWriter

from .samples import END, SPEC, header, records, u64, write


@given(u64, st.integers(0, 31), st.integers(0, 2**32), u64, st.binary(max_size=300))
def test_a_record_is_read_back(delta: int, kind: int, port: int, value: int, data: bytes) -> None:
    built = chunks.build_record(Record(delta, kind, port, value, data), 0)
    parsed = chunks.RecordFormat.parse(built)
    assert (parsed.delta, parsed.tag & 31) == (delta, kind)
    assert (parsed.port or 0, parsed.value or 0, parsed.data or b"") == (port, value, data)
    assert chunks.RecordFormat.compile().parse(built) == parsed


@given(records(), st.integers(0, 5), st.booleans())
def test_a_journal_is_read_back(made: list[Record], flush_every: int, closed: bool) -> None:
    end = EndOfRun(made[-1].icount + 5 if made else 5, EndReason.STOPPED)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "j")
        write(path, made, end if closed else None, flush_every)
        reader = JournalReader(str(path))
        read = list(reader.records())
        assert reader.damage is None
        assert read[: len(made)] == made
        assert len(read) == reader.count == len(made) + closed
        assert reader.end == (end if closed else None)
        assert reader.covered == (end.icount if closed else made[-1].icount if made else 0)
        assert [reader.record(n) for n in range(len(made))] == made
        for icount in {0, *(r.icount for r in made), *(r.icount - 1 for r in made if r.icount)}:
            assert reader.find(icount) == next((n for n, r in enumerate(read) if r.icount > icount), len(read))
        for kinds in (INPUT_KINDS, POKE_KINDS, {KIND_DIGEST}):
            for ordinal in range(len(read) + 1):
                expected = next((n for n in range(ordinal, len(read)) if read[n].kind in kinds), None)
                assert reader.next_of(ordinal, kinds) == expected
        reader.close()


def test_the_header_is_read_back(tmp_path: Path) -> None:
    writer = write(tmp_path / "j", [], END)
    reader = JournalReader(str(tmp_path / "j"))
    assert reader.header == writer.header
    images = {image.path: image.data for image in SPEC.images}
    assert reader.header.spec(lambda reference: images[reference.path]) == SPEC


def test_another_image_is_refused() -> None:
    def other(reference: ImageReference) -> bytes:
        return b"other"

    with pytest.raises(RdbgError, match=r"u-boot.bin: this bios image \(5 bytes\) is not the one .* \(4000 bytes"):
        header().spec(other)


def test_an_idle_run_is_small(tmp_path: Path) -> None:
    writer = JournalWriter(str(tmp_path / "j"), header())
    for position in range(0, 10**9, 500_000):
        writer.advance(position)
        if position % 200_000_000 == 0:
            writer.append(Record(position, KIND_DIGEST, data=bytes(16)))
    writer.close(EndOfRun(10**9, EndReason.STOPPED))
    assert writer.size < 20_000


def test_a_million_events_open_without_parsing_them(tmp_path: Path) -> None:
    chunk = [Record(1000 * n, int(InputKind.SERIAL), data=b"x") for n in range(500)]
    payload = [chunks.build_record(r, 1000 * max(n - 1, 0)) for n, r in enumerate(chunk)]
    with open(tmp_path / "j", "wb") as file:
        file.write(file_header.build_header(header()))
        for n in range(2000):
            first = 500_000 * n
            file.write(chunks.build_chunk(500 * n, first, first + 499_000, 1 << InputKind.SERIAL, 0, payload))
    before = time.process_time()
    reader = JournalReader(str(tmp_path / "j"))
    assert time.process_time() - before < 2
    assert (reader.count, reader.contents.parsed_records) == (1_000_000, 0)
    assert reader.record(700_123).icount == 500_000 * 1400 + 123_000
    assert reader.find(250_000_000) == 250_001
    assert reader.next_of(0, POKE_KINDS) is None
    assert reader.contents.parsed_records == 1000


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "this file is empty, not an rdbg journal"),
        (b"\x7fELF" + bytes(100), "not an rdbg journal .* give a file that rdbg recorded"),
        (b"\x89rdbgJ\n", "text-mode copy"),
        (file_header.MAGIC, "cut off at offset 8, inside its header"),
        (file_header.build_header(header())[:60], "cut off at offset 60, inside its header"),
        (
            file_header.MAGIC + b"\x63" + file_header.build_header(header())[9:],
            "format version 99, and this rdbg reads version 5",
        ),
        (file_header.build_header(header())[:-1] + b"\xff", "header is damaged"),
    ],
    ids=("empty", "executable", "text", "magic alone", "cut in its header", "later version", "damaged header"),
)
def test_what_is_no_journal(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "j"
    path.write_bytes(data)
    with pytest.raises(RdbgError, match=words) as caught:
        JournalReader(str(path))
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [{"shift": 44}, {"rtc_base": 1 << 60}, {"rtc_base": -(1 << 60)}])
def test_a_header_that_no_recorder_writes(tmp_path: Path, change: dict[str, int]) -> None:
    """With these a replay would count alarms for ever."""
    made = header()
    machine = dataclasses.replace(made.machine, **change)
    (tmp_path / "j").write_bytes(file_header.build_header(dataclasses.replace(made, machine=machine)))
    with pytest.raises(RdbgError, match="malformed"):
        JournalReader(str(tmp_path / "j"))


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(RdbgError, match="cannot read the journal: No such file"):
        JournalReader(str(tmp_path / "none"))
    with pytest.raises(RdbgError, match="cannot read the journal: it is a folder"):
        JournalReader(str(tmp_path))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 12), u64, u64)
@example(b"\x81\0" + b"\x80" * 9 + b"\1", 1, 0, 0)  # 2^63 bytes of data
def test_a_forged_chunk_is_refused(payload: bytes, count: int, first: int, last: int) -> None:
    """Checksums that fit do not make sense of a payload that has none: its records, or one line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "j")
        chunk = bytearray(chunks.build_chunk(0, first, last, 2, 0, [payload]))
        chunk[28:32] = count.to_bytes(4, "little")
        chunk[52:56] = zlib.crc32(chunk[:52]).to_bytes(4, "little")
        path.write_bytes(file_header.build_header(header()) + chunk)
        reader = JournalReader(str(path))
        try:
            assert len(list(reader.records())) == reader.count
        except RdbgError as error:
            assert "malformed chunk at offset" in str(error)
        reader.close()
