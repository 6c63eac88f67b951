"""The records of runs that go on, however long: recent ones are in memory, and the others in a file."""

from __future__ import annotations

import os
import weakref
from collections.abc import Collection

from rdbg.emu.inputs import InputKind
from rdbg.history.log import GrowingLog, Log, MemoryLog
from rdbg.journal.chunks import CHUNK_HEADER_SIZE, build_chunk, build_record, parse_chunk_header
from rdbg.journal.record_chunks import RecordChunks
from rdbg.journal.records import Record
from rdbg.journal.writer import CHUNK_BYTES, CHUNK_RECORDS, JournalWriter

#: What a `ScratchLog` holds in memory at most: records, and bytes of their data.
MOST_RECENT_RECORDS = 1 << 14
MOST_RECENT_BYTES = 8 << 20


class _TwoParts:
    """Records of one log, and after them those of another.

    Args:
        own: the other one.
    """

    def __init__(self, own: GrowingLog) -> None:
        self._own = own

    def _shared(self) -> tuple[Log | RecordChunks, int]:
        """The one log, and how many of its records, which never change, come first."""
        raise NotImplementedError

    @property
    def count(self) -> int:
        """Number of records."""
        return self._shared()[1] + self._own.count

    def record(self, ordinal: int) -> Record:
        """The record of that number."""
        base, shared = self._shared()
        return base.record(ordinal) if ordinal < shared else self._own.record(ordinal - shared)

    def find(self, icount: int) -> int:
        """Number of the first record with a greater icount, or ``count``."""
        base, shared = self._shared()
        own = self._own.find(icount)
        return shared + own if own else min(base.find(icount), shared)

    def next_of(self, ordinal: int, kinds: Collection[int]) -> int | None:
        """Number of the first record at or after ``ordinal`` that is of one of ``kinds``, or None."""
        base, shared = self._shared()
        if ordinal < shared:
            found = base.next_of(ordinal, kinds)
            if found is not None and found < shared:
                return found
        found = self._own.next_of(max(0, ordinal - shared), kinds)
        return None if found is None else found + shared

    def packet(self, number: int) -> int | None:
        """Number of the record of the packet of that number, from 1; None: there are not so many."""
        base, shared = self._shared()
        before = base.packets_before(shared)
        if number <= before:
            return base.packet(number)
        found = self._own.packet(number - before)
        return None if found is None else found + shared

    def packets_before(self, ordinal: int) -> int:
        """How many of the first ``ordinal`` records are packets."""
        base, shared = self._shared()
        if ordinal <= shared:
            return base.packets_before(ordinal)
        return base.packets_before(shared) + self._own.packets_before(ordinal - shared)


class BranchLog(_TwoParts):
    """The records of a run that left another one: those of the other up to there, then its own.

    Args:
        base: the other run's records; the first ``shared`` of them never change.
        shared: how many.
    """

    def __init__(self, base: Log, shared: int) -> None:
        super().__init__(ScratchLog())
        self._base = base
        self._count_shared = shared

    def _shared(self) -> tuple[Log, int]:
        return self._base, self._count_shared

    @property
    def shared_with_first(self) -> int:
        """How many records of the run that all these runs have left are among the shared ones."""
        base = self._base
        return min(self._count_shared, base.shared_with_first) if isinstance(base, BranchLog) else self._count_shared

    def check(self) -> None:
        """Look whether the shared ones are what they were."""
        self._base.check()

    def append(self, record: Record) -> None:
        """Add a record, not before the latest one."""
        self._own.append(record)

    def truncate(self, count: int) -> None:
        """Forget all records but the first ``count``, at least the shared ones."""
        self._own.truncate(max(0, count - self._count_shared))


class RecordedLog(_TwoParts):
    """The records of a run that is being recorded: what the journal has is read from there when it is asked for.

    When the recording breaks off, what comes after is kept in memory.

    Args:
        writer: of the journal; it is given each record after this log.
    """

    def __init__(self, writer: JournalWriter) -> None:
        self._recent = MemoryLog()
        super().__init__(self._recent)
        self._writer = writer
        descriptor = writer.reading()
        weakref.finalize(self, os.close, descriptor)
        self.written = RecordChunks(writer.path, descriptor)

    def _shared(self) -> tuple[RecordChunks, int]:
        return self.written, self.written.count

    def check(self) -> None:
        """The recorder looks after the file while it grows."""

    def append(self, record: Record) -> None:
        """Add a record, not before the latest one."""
        while self._writer.written:
            chunk = self._writer.written.popleft()
            self.written.add(chunk, self._recent.take(chunk.count))
        self._recent.append(record)

    def truncate(self, count: int) -> None:
        """A recording keeps its one past."""
        raise NotImplementedError


class ScratchLog(_TwoParts):
    """The records of a run that nobody records: many go to a file without a name, which ends with this object."""

    def __init__(self) -> None:
        self._recent = MemoryLog()
        super().__init__(self._recent)
        self._recent_bytes = 0
        self._size = 0  # of the file
        self._descriptor = -1
        self._fits = True  # False: the file could not be written; all stays in memory
        self.written = RecordChunks("", -1)

    def _shared(self) -> tuple[RecordChunks, int]:
        return self.written, self.written.count

    def check(self) -> None:
        """Nobody else can change them."""

    def append(self, record: Record) -> None:
        """Add a record, not before the latest one."""
        self._recent.append(record)
        self._recent_bytes += len(record.data)
        full = self._recent.count >= MOST_RECENT_RECORDS or self._recent_bytes >= MOST_RECENT_BYTES
        if full and self._fits:
            self._write_recent()

    def truncate(self, count: int) -> None:
        """Forget all records but the first ``count``."""
        written = self.written.count
        if count >= written:
            self._recent.truncate(count - written)
        else:
            self._recent.truncate(0)
            for record in self.written.truncate(count):
                self._recent.append(record)
            self._size = self.written.end_offset
            os.ftruncate(self._descriptor, self._size)
        self._recent_bytes = sum(len(self._recent.record(at).data) for at in range(self._recent.count))

    def _write_recent(self) -> None:
        records = self._recent.take(self._recent.count)
        try:
            while records:
                records = records[self._write_chunk(records) :]
        except OSError:
            self._fits = False  # the disk is full: memory has to do
        for record in records:
            self._recent.append(record)
        self._recent_bytes = 0

    def _write_chunk(self, records: list[Record]) -> int:
        """Let the file go on with as many of these as make a chunk; gives how many."""
        if self._descriptor < 0:
            import tempfile  # few runs have so many inputs

            with tempfile.TemporaryFile(prefix="rdbg-inputs-") as file:
                self._descriptor = os.dup(file.fileno())
            weakref.finalize(self, os.close, self._descriptor)
            self.written = RecordChunks("the run's inputs in a temporary file", self._descriptor)
        built: list[bytes] = []
        kinds = size = 0
        first = previous = records[0].icount
        for record in records[:CHUNK_RECORDS]:
            built.append(build_record(record, previous))
            previous, size, kinds = record.icount, size + len(built[-1]), kinds | 1 << record.kind
            if size >= CHUNK_BYTES:
                break
        taken = records[: len(built)]
        packets = sum(record.kind == InputKind.PACKET for record in taken)
        data = build_chunk(self.written.count, first, previous, kinds, packets, built)
        chunk = parse_chunk_header(self._size, data[:CHUNK_HEADER_SIZE])
        if chunk is None or os.pwrite(self._descriptor, data, self._size) < len(data):
            raise OSError("not all of it was written")
        self._size = chunk.end_offset
        self.written.add(chunk, taken)
        return len(taken)
