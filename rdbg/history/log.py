"""The records of a run, in memory or in a journal, behind one small interface."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection
from typing import Protocol

from rdbg.journal.records import Record


class Log(Protocol):
    """Records in order of icount, numbered from 0. `JournalReader` is one, `MemoryLog` the other."""

    @property
    def count(self) -> int:
        """Number of records."""

    def record(self, ordinal: int) -> Record:
        """The record of that number."""

    def find(self, icount: int) -> int:
        """Number of the first record with a greater icount, or ``count``."""

    def next_of(self, ordinal: int, kinds: Collection[int]) -> int | None:
        """Number of the first record at or after ``ordinal`` that is of one of ``kinds``, or None."""

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
    """The records of a run that is going on."""

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
        for kind, ordinals in self._by_kind.items():
            if kind not in kinds:
                continue
            at = bisect_left(ordinals, ordinal)
            if at < len(ordinals) and (found is None or ordinals[at] < found):
                found = ordinals[at]
        return found

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


class BranchLog:
    """The records of a run that left another one: those of the other up to there, then its own.

    Args:
        base: the other run's records; the first ``shared`` of them never change.
        shared: how many.
    """

    def __init__(self, base: Log, shared: int) -> None:
        self._base = base
        self._shared = shared
        self._own = MemoryLog()

    @property
    def count(self) -> int:
        """Number of records."""
        return self._shared + self._own.count

    def record(self, ordinal: int) -> Record:
        """The record of that number."""
        return self._base.record(ordinal) if ordinal < self._shared else self._own.record(ordinal - self._shared)

    def find(self, icount: int) -> int:
        """Number of the first record with a greater icount, or ``count``."""
        own = self._own.find(icount)
        return self._shared + own if own else min(self._base.find(icount), self._shared)

    def next_of(self, ordinal: int, kinds: Collection[int]) -> int | None:
        """Number of the first record at or after ``ordinal`` that is of one of ``kinds``, or None."""
        if ordinal < self._shared:
            found = self._base.next_of(ordinal, kinds)
            if found is not None and found < self._shared:
                return found
        found = self._own.next_of(max(0, ordinal - self._shared), kinds)
        return None if found is None else found + self._shared

    def check(self) -> None:
        """Look whether the shared ones are what they were."""
        self._base.check()

    def append(self, record: Record) -> None:
        """Add a record, not before the latest one."""
        self._own.append(record)

    def truncate(self, count: int) -> None:
        """Forget all records but the first ``count``, at least the shared ones."""
        self._own.truncate(max(0, count - self._shared))
