"""States that the recording's store holds: where a replay can begin without having been there in this session."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from rdbg.checkpoints.checkpoint import Checkpoint
from rdbg.checkpoints.keeper import CheckpointKeeper
from rdbg.checkpoints.page_store import PageTable
from rdbg.emu.state_digest import StateDigest
from rdbg.errors import RdbgError
from rdbg.history.history import History
from rdbg.navigation.read_ahead import ReadAhead
from rdbg.quick_dataclass import dataclass
from rdbg.store.index_codec import PackedIndex, unpack_index
from rdbg.store.snapshot import SnapshotInfo, StoredSnapshot, Table, nearest_table
from rdbg.store.snapshot_store import SnapshotStore


def _position(info: SnapshotInfo) -> tuple[int, int]:
    return info.position, info.id


@dataclass(frozen=True)
class LoadedState:
    """A stored state in memory.

    Args:
        checkpoint: it; its table belongs to whoever asked for it.
        digests: of its pages; they are what was saved.
    """

    checkpoint: Checkpoint
    digests: StateDigest


@dataclass(frozen=True)
class _Known:
    """A table whose stored form is known: states are loaded as differences to it."""

    rows: Table
    table: PageTable
    digests: StateDigest


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
        self._kept: list[_Known] = []  # the start, and what was read ahead
        self._latest: _Known | None = None  # what was loaded last
        self._ahead: ReadAhead | None = None
        self._looked_ahead = False
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
        start, end = self._history.start, None if self._history.live else self._history.end
        usable = (
            info
            for info in infos
            if start <= info.position
            and (end is None or info.position <= end)
            and info.digest
            and info.id not in self._discarded
        )
        self._infos = sorted(usable, key=_position)

    def know(self, info: SnapshotInfo, table: PageTable, digests: StateDigest) -> None:
        """Say that a stored state has the pages of ``table``, and these digests."""
        if self.store is not None:
            rows = self._rows(info, self.store.load(info).table)
            self._kept.append(_Known(rows, self._keeper.store.retain(table), digests))

    def read_ahead(self) -> None:
        """Begin to read some states, beside whatever else happens, if nothing was loaded yet: most of their pages are
        those of other states, too, and need not be read when one of these is asked for. Once is enough."""
        if self._looked_ahead or self.store is None or self._history.live:
            return
        self._looked_ahead = True
        if self._infos and self._latest is None:
            try:
                self._ahead = ReadAhead(self.store.path, self._infos, self._keeper.machine.expect_pages)
            except RuntimeError:
                return  # no thread is to be had

    def finish_reading(self) -> None:
        """Take what was read ahead, and wait for what is being read."""
        ahead, self._ahead = self._ahead, None
        pages, tables = self._keeper.store, list[PageTable]()
        for found in ahead.take() if ahead is not None else ():
            rows = self._rows(found.info, found.rows)
            base = pages.zero_table() if found.base is None else tables[found.base]
            tables.append(pages.derive(base, found.pages, found.contents))
            self._kept.append(_Known(rows, tables[-1], found.digests))

    def settle(self) -> None:
        """Nobody asks anything now: take what was read ahead if that is there."""
        if self._ahead is not None and not self._ahead.at_work:
            self.finish_reading()

    def forget(self) -> None:
        """There is no store any more, nor was there one."""
        for known in self._kept:
            self._keeper.store.release(known.table)
        self.store = None
        self._kept, self._infos = [], []

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

    def load(self, info: SnapshotInfo) -> LoadedState:
        """Bring a state into memory.

        Raises:
            RdbgError: it is gone, damaged, or not of this run.
        """
        assert self.store is not None
        if info.entered > self._history.entered_at(info.position):
            raise RdbgError(f"snapshot {info.name!r} at icount {info.position} has more input than the journal")
        self.finish_reading()
        with self.store.steady():
            return self._load(self.store.load(info))

    def _load(self, loaded: StoredSnapshot) -> LoadedState:
        info, pages = loaded.info, self._keeper.store
        rows = self._rows(info, loaded.table)
        known = self._kept if self._latest is None else [*self._kept, self._latest]
        nearest, numbers = nearest_table(rows, [each.rows for each in known])
        base = pages.zero_table() if nearest is None else known[nearest].table
        contents, digests = loaded.read_difference(
            numbers, StateDigest() if nearest is None else known[nearest].digests
        )
        table = pages.derive(base, numbers, contents)
        if self._latest is not None:
            pages.release(self._latest.table)
        self._latest = _Known(rows, pages.retain(table), digests)
        return LoadedState(Checkpoint(loaded.state, table, info.entered, info.output), digests)

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
        for each in known.cleared:
            for start, end in each.stretches:
                if start >= self._history.start:
                    self._keeper.index.cleared.note((each.breakpoint,), start, end)
        if not self._history.live:
            self._keeper.index.forget_after(self._history.end)
