"""The records of a run, in memory or in a file, behind one small interface."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection
from typing import Protocol

from rdbg.emu.inputs import InputKind
from rdbg.journal.records import Record


class Log(Protocol):
    """Records in order of icount, numbered from 0. `JournalReader` is one, of a run that is over."""

    @property
    def count(self) -> int:
        """Number of records."""

    def record(self, ordinal: int) -> Record:
        """The record of that number."""

    def find(self, icount: int) -> int:
        """Number of the first record with a greater icount, or ``count``."""

    def next_of(self, ordinal: int, kinds: Collection[int]) -> int | None:
        """Number of the first record at or after ``ordinal`` that is of one of ``kinds``, or None."""

    def packet(self, number: int) -> int | None:
        """Number of the record of the packet of that number, from 1, that entered; None: not so many have."""

    def packets_before(self, ordinal: int) -> int:
        """How many of the first ``ordinal`` records are packets that entered."""

    def check(self) -> None:
        """Look whether the records are what they were.

        Raises:
            RdbgError: another program has changed their file.
        """


class GrowingLog(Log, Protocol):
    """The records of a run that goes on."""

    def append(self, record: Record) -> None:
        """Add a record, not before the latest one."""

    def truncate(self, count: int) -> None:
        """Forget all records but the first ``count``."""


class MemoryLog:
    """Records in memory."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._icounts: list[int] = []
        self._by_kind: dict[int, list[int]] = {}

    @property
    def count(self) -> int:
        """Number of records."""
        return len(self._records)

    def record(self, ordinal: int) -> Record:
        """The record of that number."""
        return self._records[ordinal]

    def find(self, icount: int) -> int:
        """Number of the first record with a greater icount, or ``count``."""
        return bisect_right(self._icounts, icount)

    def next_of(self, ordinal: int, kinds: Collection[int]) -> int | None:
        """Number of the first record at or after ``ordinal`` that is of one of ``kinds``, or None."""
        found: int | None = None
        if ordinal >= len(self._records):
            return None  # at the live end, where this is asked most
        for kind, ordinals in self._by_kind.items():
            if kind not in kinds:
                continue
            at = bisect_left(ordinals, ordinal)
            if at < len(ordinals) and (found is None or ordinals[at] < found):
                found = ordinals[at]
        return found

    def packet(self, number: int) -> int | None:
        """Number of the record of the packet of that number, from 1; None: there are not so many."""
        packets = self._by_kind.get(InputKind.PACKET, [])
        return packets[number - 1] if 1 <= number <= len(packets) else None

    def packets_before(self, ordinal: int) -> int:
        """How many of the first ``ordinal`` records are packets."""
        return bisect_left(self._by_kind.get(InputKind.PACKET, []), ordinal)

    def check(self) -> None:
        """Nobody else can change them."""

    def append(self, record: Record) -> None:
        """Add a record, not before the latest one."""
        if self._icounts and record.icount < self._icounts[-1]:
            raise ValueError(f"record at icount {record.icount} after one at {self._icounts[-1]}")
        self._by_kind.setdefault(record.kind, []).append(len(self._records))
        self._records.append(record)
        self._icounts.append(record.icount)

    def truncate(self, count: int) -> None:
        """Forget all records but the first ``count``."""
        del self._records[count:]
        del self._icounts[count:]
        for ordinals in self._by_kind.values():
            del ordinals[bisect_left(ordinals, count) :]

    def take(self, count: int) -> list[Record]:
        """Forget the first ``count`` records, and number the others from 0; gives those that are forgotten."""
        taken, rest = self._records[:count], self._records[count:]
        self.truncate(0)
        for record in rest:
            self.append(record)
        return taken
