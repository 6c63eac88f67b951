"""States that the recording's store holds: where a replay can begin without having been there in this session."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from rdbg.checkpoints.checkpoint import Checkpoint
from rdbg.checkpoints.keeper import CheckpointKeeper
from rdbg.checkpoints.page_store import PageTable
from rdbg.errors import RdbgError
from rdbg.history.history import History
from rdbg.store.index_codec import PackedIndex, unpack_index
from rdbg.store.snapshot import SnapshotInfo, Table
from rdbg.store.snapshot_store import SnapshotStore


def _position(info: SnapshotInfo) -> tuple[int, int]:
    return info.position, info.id


class StoredStates:
    """The stored states of a run. Each costs a line in a list until it is restored.

    Args:
        keeper: of the machine; takes the pages of a state that is loaded.
        history: of the run.
        store: the recording's; None: there is none.
    """

    def __init__(self, keeper: CheckpointKeeper, history: History, store: SnapshotStore | None) -> None:
        self.store = store
        self._keeper = keeper
        self._history = history
        self._infos: list[SnapshotInfo] = []
        self._discarded: set[int] = set()
        # Tables whose stored form is known: a state is loaded as a difference to one of them. Start, and latest.
        self._known: list[tuple[Table, PageTable]] = []
        self._inherited: SnapshotStore | None = None
        if store is not None:
            self.update(store.list())

    @property
    def positions(self) -> list[int]:
        """Where there are states, sorted."""
        return [info.position for info in self._infos]

    def update(self, infos: Iterable[SnapshotInfo]) -> None:
        """Say what the store holds now. What a torn journal does not cover is left out, and what has no digest (older
        recordings' own states)."""
        self._infos = []
        for info in infos:
            live_or_covered = self._history.live or info.position <= self._history.end
            usable = bool(info.digest) and info.id not in self._discarded
            if info.position >= self._history.start and live_or_covered and usable:
                insort(self._infos, info, key=_position)

    def know(self, info: SnapshotInfo, table: PageTable) -> None:
        """Say that a stored state has the pages of ``table``."""
        if self.store is not None:
            rows = self._rows(info, self.store.load(info).table)
            self._known.append((rows, self._keeper.store.retain(table)))

    def latest(self, position: int) -> SnapshotInfo | None:
        """The latest one at or before ``position``."""
        at = bisect_right(self._infos, (position + 1, -1), key=_position)
        return self._infos[at - 1] if at else None

    def next(self, position: int) -> SnapshotInfo | None:
        """The first one after ``position``."""
        at = bisect_right(self._infos, (position + 1, -1), key=_position)
        return self._infos[at] if at < len(self._infos) else None

    def discard(self, info: SnapshotInfo) -> None:
        """Do not offer this one again."""
        self._discarded.add(info.id)
        self._infos = [each for each in self._infos if each.id != info.id]

    def load(self, info: SnapshotInfo) -> Checkpoint:
        """Bring a state into memory; its table belongs to the caller.

        Raises:
            RdbgError: it is gone, damaged, or not of this run.
        """
        assert self.store is not None
        if info.entered > self._history.entered_at(info.position):
            raise RdbgError(f"snapshot {info.name!r} at icount {info.position} has more input than the journal")
        loaded, pages = self.store.load(info), self._keeper.store
        rows = self._rows(info, loaded.table)
        base, numbers = pages.zero_table(), np.flatnonzero(rows).astype(np.uint32)
        for known_rows, known_table in self._known:
            different = _different(rows, known_rows)
            if len(different) <= len(numbers):
                base, numbers = known_table, different
        data = b"".join(content for _, content in loaded.pages(numbers))
        table = pages.derive(base, numbers, data)
        for _, old in self._known[1:]:
            pages.release(old)
        self._known[1:] = [(rows, pages.retain(table))]
        return Checkpoint(loaded.state, table, info.entered, info.output)

    def _rows(self, info: SnapshotInfo, rows: Table) -> Table:
        """A stored table, without what is beyond the machine's pages."""
        count = self._keeper.store.page_count
        if rows[count:].any():
            raise RdbgError(f"snapshot {info.name!r} is of a machine with more memory; it is not of this run")
        return rows[:count]

    def reopen(self) -> None:
        """Take a connection of one's own to the store: this is a copy of the process that opened it."""
        if self.store is not None:
            self._inherited = self.store  # kept: to close it here would touch the other process' locks
            self.store = SnapshotStore.open(self.store.path)

    def load_index(self) -> None:
        """Let the keeper's index begin with what earlier sessions learnt."""
        data = self.store.notes.index() if self.store is not None else None
        known = unpack_index(data) if data is not None else PackedIndex()
        for interval in known.intervals:
            if interval.start >= self._history.start:
                self._keeper.index.record(interval.start, interval.end, interval.pages)
        for words in known.words:
            if words.start >= self._history.start:
                self._keeper.index.words.note(words)
        if not self._history.live:
            self._keeper.index.forget_after(self._history.end)


def _different(rows: Table, others: Table) -> NDArray[np.uint32]:
    """Pages for which two stored tables name different rows; the shorter one goes on with pages of zeros."""
    length = min(len(rows), len(others))
    longer = rows if len(rows) > length else others
    inside, beyond = np.flatnonzero(rows[:length] != others[:length]), np.flatnonzero(longer[length:]) + length
    return np.concatenate([inside, beyond]).astype(np.uint32)
