"""What a run's disks held where the run has looked at them: each page's first content, once, in the snapshot store.

Pages come in batches, each a row: the numbers of pages and their contents compressed together, runs of pages of zeros,
and pages that could not be read. A recording is whole with them: a replay opens no image.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections import OrderedDict

import numpy as np
import zstandard

from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass
from rdbg.store.contents_rows import ContentsBatch, ContentsIndex, ContentsRow, as_runs
from rdbg.store.database import connect, connect_nowhere
from rdbg.store.page_bits import PageBits
from rdbg.store.snapshot import ZERO_PAGE
from rdbg.store.transaction import StoreConnection, Transaction, fold_log, guard

#: Pages of a row: 1 MB, so a single page is found by decompressing 1 MB at most.
_BATCH = 256
#: Batches that may wait for the disk before the guest does.
_MOST_WAITING = 64
_LEVEL = 1
#: Decompressed rows that are held.
_ROWS_HELD = 16
#: Seconds that another process may take to save a snapshot.
_BUSY_SECONDS = 60
_MOST_DISK = 1 << 16


class LostPage(RdbgError):
    """A page could not be read when the run first looked at it."""


@dataclass(frozen=True)
class Kept:
    """How much of a disk is kept.

    Args:
        pages: how many pages, those of zeros too.
        zeros: how many of them are zeros.
        lost: how many could not be read.
        stored: bytes that they take.
    """

    pages: int
    zeros: int
    lost: int
    stored: int


class FirstContents:
    """The first contents of the disks of one run.

    What is kept waits in memory until it is a batch or somebody asks for `write_out`; a thread compresses and stores
    it.

    Args:
        path: the store's name, for messages.
        connection: to it; closed with this.
        writable: whether more can be kept.
    """

    def __init__(self, path: str, connection: StoreConnection, writable: bool) -> None:
        self.path = path
        self._db = connection
        self._writable = writable
        self._database = threading.Lock()
        self._changed = threading.Condition()
        self._known: dict[int, PageBits] = {}
        self._open: dict[int, ContentsBatch] = {}  # being filled
        self._waiting: list[tuple[int, ContentsBatch]] = []  # for the thread, the first one in its hands
        self._rows: dict[int, list[ContentsRow]] = {}
        self._index: dict[int, ContentsIndex] = {}
        self._loaded: dict[int, ContentsIndex] = {}  # of what was there from the start
        self._held: OrderedDict[int, bytes] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._ending = False
        self._durable = True
        self.trouble: RdbgError | None = None  #: why nothing more is kept
        self._load()

    @classmethod
    def open(cls, path: str) -> FirstContents:
        """Those of a snapshot store.

        Raises:
            RdbgError: it cannot be opened, or is damaged.
        """
        connection, writable = connect(path, None)
        with guard(path, "open the disks' contents"):
            connection.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
        return cls(path, connection, writable)

    @classmethod
    def in_passing(cls) -> FirstContents:
        """Those of a run that is not recorded: they go with it."""
        return cls("the run's disks", connect_nowhere(), True)

    def reopen(self) -> None:
        """Take a connection of one's own: this is a copy of the process that opened the store, and it reads."""
        # Whoever holds them there may be a thread that this process has not.
        self._database, self._changed = threading.Lock(), threading.Condition()
        self._inherited = self._db  # kept: to close it here would touch the other process' locks
        self._db, _ = connect(self.path, None)

    # --- keeping --------------------------------------------------------------------------------
    def known(self, disk: int, page: int) -> bool:
        """Whether a page is kept, or known to be lost."""
        bits = self._known.get(disk)
        if bits is not None and page in bits:
            return True
        index = self._loaded.get(disk)
        return index is not None and index.has(page)

    def knows_any(self, disk: int, page: int, count: int) -> bool:
        """Whether any of so many pages from ``page`` on is kept, or known to be lost."""
        bits = self._known.get(disk)
        if bits is not None and bits.has_any(page, count):
            return True
        index = self._loaded.get(disk)
        return index is not None and any(map(index.has, range(page, page + count)))

    def keep(self, disk: int, page: int, content: bytes | None) -> None:
        """Keep pages that are not known yet. Where the store cannot be written they stay in memory.

        Args:
            disk: its number.
            page: of the disk, the first.
            content: 4096 bytes for each page; None: one page, which cannot be read.
        """
        count = 1 if content is None else len(content) // PAGE_SIZE
        self._known.setdefault(disk, PageBits()).add(page, count)
        with self._changed:
            for at in range(count):
                batch = self._open.get(disk)
                if batch is None:
                    batch = self._open[disk] = ContentsBatch()
                one = None if content is None else content[at * PAGE_SIZE : (at + 1) * PAGE_SIZE]
                if one is None:
                    batch.lost.append(page)
                elif one == ZERO_PAGE:
                    batch.zeros.append(page + at)
                else:
                    batch.contents[page + at] = one
                if len(batch) >= _BATCH:
                    self._hand_over(disk)
            if len(self._waiting) > _MOST_WAITING:
                self._changed.wait_for(lambda: len(self._waiting) < _MOST_WAITING // 2 or self.trouble is not None)

    def write_out(self, durable: bool = False) -> None:
        """Let the store have all that was kept so far.

        Args:
            durable: not even a power cut is to lose it.

        Raises:
            RdbgError: the store cannot be written.
        """
        with self._changed:
            if self._ending:
                return
            for disk in list(self._open):
                self._hand_over(disk)
            self._changed.wait_for(lambda: not self._waiting or self.trouble is not None)
        if self.trouble is not None:
            raise self.trouble
        with self._database, guard(self.path, "keep the disks' contents"):
            if durable and not self._durable:
                self._db.execute("PRAGMA synchronous = FULL")
                with self._transaction():
                    pass  # its end waits for the disk to have all that was written before
                self._db.execute("PRAGMA synchronous = NORMAL")
                self._durable = True

    def close(self) -> None:
        """Store what waits, as far as that is possible, and let go of the store. May be called twice."""
        with self._changed:
            if self._ending:
                return
            for disk in list(self._open):
                self._hand_over(disk)
            self._ending = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        try:
            if self._writable and not self._durable:
                fold_log(self._db)
        except sqlite3.Error:
            pass  # it is whole with its log, too
        self._db.close()

    def _hand_over(self, disk: int) -> None:
        self._waiting.append((disk, self._open.pop(disk)))
        if self._thread is None and self.trouble is None:
            self._thread = threading.Thread(target=self._work, name="disk contents", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    # --- in the thread --------------------------------------------------------------------------
    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ending)
                if not self._waiting:
                    return
                disk, batch = self._waiting[0]
            try:
                row = self._store(disk, batch)
                with self._changed:
                    self._rows.setdefault(disk, []).append(row)
                    self._waiting.pop(0)
                    self._changed.notify_all()
            except Exception as error:  # whoever waits must not wait for ever
                with self._changed:
                    failed = RdbgError(f"{self.path}: keeping the disks' contents failed: {error!r}")
                    self.trouble = error if isinstance(error, RdbgError) else failed
                    self._changed.notify_all()
                return

    def _store(self, disk: int, batch: ContentsBatch) -> ContentsRow:
        pages = np.array(list(batch.contents), "<u4")
        zeros, lost = as_runs(batch.zeros), np.array(batch.lost, "<u4")
        data = zstandard.ZstdCompressor(level=_LEVEL).compress(b"".join(batch.contents.values()))
        fields = (disk, pages.tobytes(), data, zeros.tobytes(), lost.tobytes())
        with self._database, self._transaction():
            made = self._db.execute(
                "INSERT INTO disk_contents (disk, pages, data, zeros, lost, check_sum) VALUES (?, ?, ?, ?, ?, ?)",
                (*fields, _check_sum(fields)),
            ).lastrowid
            self._durable = False
        assert made is not None
        return ContentsRow(made, pages, zeros, lost)

    def _transaction(self) -> Transaction:
        return Transaction(self.path, self._db, self._writable, "keep the disks' contents", tidy=False)

    # --- finding --------------------------------------------------------------------------------
    def find(self, disk: int, page: int) -> bytes | None:
        """The 4096 bytes of a page; None: it is not kept.

        Raises:
            LostPage: it could not be read when the run came to it.
            RdbgError: the store is damaged.
        """
        if not self.known(disk, page):
            return None
        with self._changed:
            for owner, batch in [*self._waiting, *self._open.items()]:
                if owner == disk and page in batch.contents:
                    return batch.contents[page]
                if owner == disk and page in batch.zeros:
                    return ZERO_PAGE
                if owner == disk and page in batch.lost:
                    raise LostPage(f"page {page} of disk {disk} could not be read")
            index = self._index.get(disk)
            if index is None or index.rows < len(self._rows[disk]):
                index = self._index[disk] = ContentsIndex(self._rows[disk])
        place = index.place(page)
        if place is None:
            return ZERO_PAGE
        if place[0] < 0:
            raise LostPage(f"page {page} of disk {disk} could not be read")
        at = place[1] * PAGE_SIZE
        return self._row(*place)[at : at + PAGE_SIZE]

    def kept(self) -> dict[int, Kept]:
        """How much of each disk is kept."""
        sizes = self._sizes()
        return {
            disk: Kept(
                sum(len(row.pages) + int(row.zeros[1::2].sum()) for row in rows),
                sum(int(row.zeros[1::2].sum()) for row in rows),
                sum(len(row.lost) for row in rows),
                sizes.get(disk, 0),
            )
            for disk, rows in sorted(self._rows.items())
        }

    def check(self) -> None:
        """Read all of it.

        Raises:
            RdbgError: some of it is damaged.
        """
        for rows in self._rows.values():
            for row in rows:
                self._unpacked(row.id, len(row.pages))

    def copy_to(self, other: FirstContents) -> None:
        """Keep all of it there too.

        Raises:
            RdbgError: some of it is damaged, or cannot be written.
        """
        self.write_out()
        for disk, rows in self._rows.items():
            for row in rows:
                data = self._unpacked(row.id, len(row.pages))
                for at, page in enumerate(row.pages.tolist()):
                    other.keep(disk, page, data[at * PAGE_SIZE : (at + 1) * PAGE_SIZE])
                for first, count in row.zeros.reshape(-1, 2).tolist():
                    for page in range(first, first + count):
                        other.keep(disk, page, ZERO_PAGE)
                for page in row.lost.tolist():
                    other.keep(disk, page, None)
        other.write_out()

    def _row(self, number: int, place: int) -> bytes:
        found = self._held.get(number)
        if found is None:
            found = self._held[number] = self._unpacked(number, place + 1)
            if len(self._held) > _ROWS_HELD:
                self._held.popitem(last=False)
        else:
            self._held.move_to_end(number)
        return found

    def _unpacked(self, number: int, least: int) -> bytes:
        """The contents in a row."""
        query = "SELECT disk, pages, data, zeros, lost, check_sum FROM disk_contents WHERE id = ?"
        with self._database, guard(self.path, "read the disks' contents"):
            row = self._db.execute(query, (number,)).fetchone()
        try:
            if row is not None and _check_sum(row[:-1]) == row[-1]:
                most = _BATCH * PAGE_SIZE
                if least == 0 or 0 <= zstandard.frame_content_size(row[2]) <= most:
                    data = zstandard.ZstdDecompressor().decompress(row[2], max_output_size=most)
                    if len(data) >= least * PAGE_SIZE:
                        return bytes(data)
        except (zstandard.ZstdError, MemoryError, TypeError):
            pass
        raise RdbgError(f"{self.path}: the disks' contents in row {number} are damaged; take a good copy")

    def _load(self) -> None:
        """What is there."""
        with guard(self.path, "list the disks' contents"):
            for number, disk, *columns in self._db.execute("SELECT id, disk, pages, zeros, lost FROM disk_contents"):
                right = isinstance(disk, int) and 0 <= disk < _MOST_DISK
                right = right and all(isinstance(column, bytes) and len(column) % 4 == 0 for column in columns)
                if not right or len(columns[1]) % 8 or len(columns[0]) > 4 * _BATCH:
                    raise RdbgError(f"{self.path}: the list of the disks' contents is damaged; take a good copy")
                row = ContentsRow(number, *(np.frombuffer(column, "<u4").astype(np.uint32) for column in columns))
                self._rows.setdefault(disk, []).append(row)
        self._loaded = {disk: ContentsIndex(rows) for disk, rows in self._rows.items()}
        self._index = dict(self._loaded)

    def _sizes(self) -> dict[int, int]:
        with self._database, guard(self.path, "measure the disks' contents"):
            # total: a damaged file can have NULL where the schema forbids it, of which a sum is NULL.
            query = "SELECT disk, total(length(data) + length(pages) + length(zeros)) FROM disk_contents GROUP BY disk"
            return {int(disk): int(size) for disk, size in self._db.execute(query)}


def _check_sum(fields: tuple[object, ...]) -> bytes:
    total = hashlib.blake2b(digest_size=16)
    for field in fields:
        data = field if isinstance(field, bytes) else str(field).encode()
        total.update(len(data).to_bytes(8, "little") + data)
    return total.digest()
