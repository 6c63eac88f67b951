"""Reading a journal: chunk headers at opening, records a chunk at a time when asked for."""

from __future__ import annotations

import fcntl
import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Collection, Iterator

from rdbg.errors import RdbgError
from rdbg.host.regular_file import open_regular
from rdbg.journal import chunks, file_header
from rdbg.journal.chunks import Chunk
from rdbg.journal.header import JournalHeader
from rdbg.journal.records import KIND_END, EndOfRun, Record, end_of
from rdbg.journal.recovery import Damage, survey

#: Parsed chunks kept: a replay that goes back and forth inside 64 chunks (32,768 inputs) parses nothing twice.
CACHED_CHUNKS = 64
#: Bytes that these have in the file, at most; a chunk's records take some fifty times as much.
_CACHED_BYTES = 8 << 20


class JournalReader:
    """A recorded journal, opened for replay, dump or info.

    Records are numbered from 0 in the order of the file. A torn or damaged journal opens too: it then ends at the last
    whole chunk before the damage, and ``damage`` says so.

    Args:
        path: the file.

    Raises:
        RdbgError: it cannot be read, is no journal, or its header is damaged.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._fd = open_regular(path, "the journal")
        except RdbgError as error:
            raise RdbgError(f"{error}; give the name of a recording") from error
        try:
            self._changed_ns = os.fstat(self._fd).st_mtime_ns
            self.header, first_chunk = self._read_header()
            found = survey(self._fd, first_chunk, self.header.start)
        except OSError as error:
            self.close()
            raise RdbgError(f"{path}: cannot read the journal: {error.strerror}") from error
        except RdbgError:
            self.close()
            raise
        self.damage: Damage | None = found.damage
        self.size = found.size
        self._chunks = found.chunks
        # Empty chunks only say how far the run came; a search by record number must not land on one.
        self._full = tuple(chunk for chunk in found.chunks if chunk.count)
        self._ordinals = [chunk.ordinal for chunk in self._full]
        self._firsts = [chunk.first for chunk in self._full]
        self._parsed: OrderedDict[int, list[Record]] = OrderedDict()
        self._parsed_bytes = 0

    @property
    def count(self) -> int:
        """Number of records."""
        return self._full[-1].ordinal + self._full[-1].count if self._full else 0

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        """The usable chunks."""
        return self._chunks

    @property
    def covered(self) -> int:
        """Last icount up to which no input is missing."""
        return self._chunks[-1].last if self._chunks else self.header.start

    @property
    def end(self) -> EndOfRun | None:
        """How the run ended; None: the recorder was killed, or still runs."""
        if not self._full or not self._full[-1].kinds >> KIND_END & 1:
            return None
        last = self.record(self.count - 1)
        try:
            return end_of(last) if last.kind == KIND_END else None
        except ValueError as error:
            raise RdbgError(
                f"{self.path}: record {self.count - 1}: unknown reason {last.port} for the end of the run"
            ) from error

    def record(self, ordinal: int) -> Record:
        """The record of that number, 0 <= ordinal < count."""
        index = bisect_right(self._ordinals, ordinal) - 1
        return self._load(index)[ordinal - self._ordinals[index]]

    def find(self, icount: int) -> int:
        """Number of the first record with a greater icount, or ``count``."""
        index = bisect_right(self._firsts, icount) - 1
        if index < 0:
            return 0
        records = self._load(index)
        return self._ordinals[index] + bisect_right(records, icount, key=_icount)

    def next_of(self, ordinal: int, kinds: Collection[int]) -> int | None:
        """Number of the first record at or after ``ordinal`` that is of one of ``kinds``, or None.

        Chunks without such records are skipped unparsed.
        """
        mask = sum(1 << kind for kind in kinds)
        for index in range(max(bisect_right(self._ordinals, ordinal) - 1, 0), len(self._full)):
            chunk = self._full[index]
            if not chunk.kinds & mask:
                continue
            records = self._load(index)
            for at in range(max(ordinal - chunk.ordinal, 0), chunk.count):
                if records[at].kind in kinds:
                    return chunk.ordinal + at
        return None

    def records(self) -> Iterator[Record]:
        """All records in order, a chunk in memory at a time."""
        for index in range(len(self._full)):
            yield from self._load(index)

    def check(self) -> None:
        """Look whether the file still is what it was when it was opened. (One that is being recorded may have grown.)

        Raises:
            RdbgError: it is not, or cannot be read.
        """
        try:
            changed_ns = os.fstat(self._fd).st_mtime_ns
            if changed_ns == self._changed_ns:
                return
            header, first_chunk = self._read_header()
            found = survey(self._fd, first_chunk, header.start).chunks
        except OSError as error:
            raise RdbgError(f"{self.path}: cannot read the journal: {error.strerror}") from error
        except RdbgError:
            header, found = self.header, ()
        if header != self.header or found[: len(self._chunks)] != self._chunks:
            raise RdbgError(
                f"{self.path}: another program has written to the journal while it was open; take a good copy"
            )
        self._changed_ns = changed_ns

    def lock(self) -> None:
        """Keep a new recording from taking this one's name while it is open."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            pass  # it is still being recorded, which keeps others off as well; or this file system has no locks

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _read_header(self) -> tuple[JournalHeader, int]:
        length, crc = file_header.parse_file_header(self.path, os.pread(self._fd, file_header.FILE_HEADER_SIZE, 0))
        body = os.pread(self._fd, length, file_header.FILE_HEADER_SIZE)
        return file_header.parse_header_body(self.path, body, length, crc), file_header.FILE_HEADER_SIZE + length

    def _load(self, index: int) -> list[Record]:
        records = self._parsed.get(index)
        if records is not None:
            self._parsed.move_to_end(index)
            return records
        chunk = self._full[index]
        try:
            payload = os.pread(self._fd, chunk.length, chunk.offset + chunks.CHUNK_HEADER_SIZE)
        except OSError as error:
            raise RdbgError(f"{self.path}: cannot read the journal: {error.strerror}") from error
        records = chunks.parse_payload(chunk, payload)
        if records is None:
            raise RdbgError(
                f"{self.path}: malformed chunk at offset {chunk.offset}, record {chunk.ordinal}, icount {chunk.first}; "
                "the file changed while it was open, or was not written by rdbg: take a good copy"
            )
        self._parsed[index] = records
        self._parsed_bytes += chunk.length
        while len(self._parsed) > 1 and (len(self._parsed) > CACHED_CHUNKS or self._parsed_bytes > _CACHED_BYTES):
            dropped, _ = self._parsed.popitem(last=False)
            self._parsed_bytes -= self._full[dropped].length
        return records


def _icount(record: Record) -> int:
    return record.icount
