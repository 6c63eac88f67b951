"""Reading a journal: chunk headers at opening, records a chunk at a time when asked for."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterator

from rdbg.errors import RdbgError
from rdbg.host.regular_file import open_regular
from rdbg.journal import file_header
from rdbg.journal.chunks import Chunk
from rdbg.journal.header import JournalHeader
from rdbg.journal.record_chunks import RecordChunks
from rdbg.journal.records import KIND_END, EndOfRun, Record, end_of
from rdbg.journal.recovery import Damage, survey


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
        self.contents = RecordChunks(path, self._fd)  #: the records
        for chunk in found.chunks:
            self.contents.add(chunk)

    @property
    def count(self) -> int:
        """Number of records."""
        return self.contents.count

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
        if not self.contents.ends_in(KIND_END):
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
        return self.contents.record(ordinal)

    def find(self, icount: int) -> int:
        """Number of the first record with a greater icount, or ``count``."""
        return self.contents.find(icount)

    def next_of(self, ordinal: int, kinds: Collection[int]) -> int | None:
        """Number of the first record at or after ``ordinal`` that is of one of ``kinds``, or None."""
        return self.contents.next_of(ordinal, kinds)

    def packet(self, number: int) -> int | None:
        """Number of the record of the packet of that number, from 1; None: not so many have entered."""
        return self.contents.packet(number)

    def packets_before(self, ordinal: int) -> int:
        """How many of the first ``ordinal`` records are packets."""
        return self.contents.packets_before(ordinal)

    def records(self) -> Iterator[Record]:
        """All records in order, a chunk in memory at a time."""
        return self.contents.records()

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
