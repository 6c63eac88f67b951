"""Records that stand in the chunks of a file, of which a bounded part is in memory."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Collection, Iterator
from functools import lru_cache

from rdbg.emu.inputs import InputKind
from rdbg.errors import RdbgError
from rdbg.journal.chunks import CHUNK_HEADER_SIZE, Chunk, parse_payload
from rdbg.journal.records import Record

#: Parsed chunks kept: a replay that goes back and forth inside 64 chunks (32,768 inputs) parses nothing twice.
CACHED_CHUNKS = 64
#: Bytes that these have in the file, at most, before compression; small records take some fifty times as much.
_CACHED_BYTES = 8 << 20
_KINDS = 32


class RecordChunks:
    """The records of a file, numbered from 0: its chunks' headers are in memory, and the latest chunks that were used.

    Args:
        path: of the file, for messages.
        descriptor: of it, open for reading.
    """

    def __init__(self, path: str, descriptor: int) -> None:
        self._path = path
        self.descriptor = descriptor
        self._chunks: list[Chunk] = []
        self._ordinals = array("Q")  # of the chunks' first records
        self._firsts = array("Q")  # the icounts of these
        self._packets = array("Q")  # packets before each chunk
        self._with_kind: dict[int, array[int]] = {}  # chunks that have records of a kind
        self._parsed: OrderedDict[int, list[Record]] = OrderedDict()
        self._parsed_bytes = 0
        self.parsed_records = 0  #: how many were read from the file so far, one that was read twice twice

    @property
    def count(self) -> int:
        """Number of records."""
        return self._chunks[-1].ordinal + self._chunks[-1].count if self._chunks else 0

    @property
    def end_offset(self) -> int:
        """Where the file's last chunk ends; 0: there is none."""
        return self._chunks[-1].end_offset if self._chunks else 0

    def add(self, chunk: Chunk, records: list[Record] | None = None) -> None:
        """Say that the file goes on with a chunk.

        Args:
            chunk: it. An empty one only says how far the run came.
            records: what is in it, if that is known.
        """
        if not chunk.count:
            return
        index = len(self._chunks)
        self._packets.append(self._packets[-1] + self._chunks[-1].packets if self._chunks else 0)
        self._chunks.append(chunk)
        self._ordinals.append(chunk.ordinal)
        self._firsts.append(chunk.first)
        for kind in range(_KINDS):
            if chunk.kinds >> kind & 1:
                self._with_kind.setdefault(kind, array("L")).append(index)
        if records is not None:
            self._keep(index, records)

    def truncate(self, count: int) -> list[Record]:
        """Forget all records but the first ``count``; those of a chunk that is cut in two are given back, and forgotten
        too."""
        rest: list[Record] = []
        while self._chunks and self.count > count:
            index = len(self._chunks) - 1
            chunk = self._chunks[index]
            if chunk.ordinal < count:
                rest = self._load(index)[: count - chunk.ordinal]
            if self._parsed.pop(index, None) is not None:
                self._parsed_bytes -= chunk.records_bytes
            for numbers in self._with_kind.values():
                if numbers and numbers[-1] == index:
                    numbers.pop()
            for of_chunks in (self._chunks, self._ordinals, self._firsts, self._packets):
                of_chunks.pop()
        return rest

    def ends_in(self, kind: int) -> bool:
        """Whether the last chunk has a record of that kind."""
        return bool(self._chunks) and bool(self._chunks[-1].kinds >> kind & 1)

    def record(self, ordinal: int) -> Record:
        """The record of that number, 0 <= ordinal < count."""
        index = bisect_right(self._ordinals, ordinal) - 1
        return self._load(index)[ordinal - self._ordinals[index]]

    def find(self, icount: int) -> int:
        """Number of the first record with a greater icount, or ``count``."""
        index = bisect_right(self._firsts, icount) - 1
        if index < 0:
            return 0
        return self._ordinals[index] + bisect_right(self._load(index), icount, key=_icount)

    def next_of(self, ordinal: int, kinds: Collection[int]) -> int | None:
        """Number of the first record at or after ``ordinal`` that is of one of ``kinds``, or None.

        Chunks without such records are skipped unparsed.
        """
        mask = _mask(frozenset(kinds))
        index: int | None = max(bisect_right(self._ordinals, ordinal) - 1, 0)
        while index is not None and index < len(self._chunks):
            chunk = self._chunks[index]
            if chunk.kinds & mask:
                records = self._load(index)
                for at in range(max(ordinal - chunk.ordinal, 0), chunk.count):
                    if records[at].kind in kinds:
                        return chunk.ordinal + at
            index = self._next_chunk(index + 1, kinds)
        return None

    def packet(self, number: int) -> int | None:
        """Number of the record of the packet of that number, from 1; None: not so many have entered."""
        index = bisect_left(self._packets, number) - 1
        if number < 1 or index < 0 or number > self._packets[index] + self._chunks[index].packets:
            return None
        left = number - self._packets[index]
        for at, record in enumerate(self._load(index)):
            left -= record.kind == InputKind.PACKET
            if not left:
                return self._ordinals[index] + at
        return None

    def packets_before(self, ordinal: int) -> int:
        """How many of the first ``ordinal`` records are packets."""
        index = bisect_left(self._ordinals, ordinal) - 1
        if index < 0:
            return 0
        chunk, before = self._chunks[index], self._packets[index]
        if ordinal >= chunk.ordinal + chunk.count:
            return before + chunk.packets
        if not chunk.packets:
            return before
        records = self._load(index)[: ordinal - chunk.ordinal]
        return before + sum(record.kind == InputKind.PACKET for record in records)

    def records(self) -> Iterator[Record]:
        """All records in order, a chunk in memory at a time."""
        for index in range(len(self._chunks)):
            yield from self._load(index)

    def _next_chunk(self, index: int, kinds: Collection[int]) -> int | None:
        """The first chunk at or after ``index`` that has a record of one of ``kinds``."""
        found: int | None = None
        for kind in kinds:
            numbers = self._with_kind.get(kind)
            if numbers:
                at = bisect_left(numbers, index)
                if at < len(numbers) and (found is None or numbers[at] < found):
                    found = numbers[at]
        return found

    def _load(self, index: int) -> list[Record]:
        records = self._parsed.get(index)
        if records is not None:
            self._parsed.move_to_end(index)
            return records
        chunk = self._chunks[index]
        try:
            payload = os.pread(self.descriptor, chunk.length, chunk.offset + CHUNK_HEADER_SIZE)
        except OSError as error:
            raise RdbgError(f"{self._path}: cannot read the journal: {error.strerror}") from error
        records = parse_payload(chunk, payload)
        if records is None:
            place = f"offset {chunk.offset}, record {chunk.ordinal}, icount {chunk.first}"
            raise RdbgError(
                f"{self._path}: malformed chunk at {place}; the file changed while it was open, or was not written by "
                "rdbg: take a good copy"
            )
        self.parsed_records += len(records)
        self._keep(index, records)
        return records

    def _keep(self, index: int, records: list[Record]) -> None:
        self._parsed[index] = records
        self._parsed_bytes += self._chunks[index].records_bytes
        while len(self._parsed) > 1 and (len(self._parsed) > CACHED_CHUNKS or self._parsed_bytes > _CACHED_BYTES):
            dropped, _ = self._parsed.popitem(last=False)
            self._parsed_bytes -= self._chunks[dropped].records_bytes


def _icount(record: Record) -> int:
    return record.icount


@lru_cache
def _mask(kinds: frozenset[int]) -> int:
    return sum(1 << kind for kind in kinds)
