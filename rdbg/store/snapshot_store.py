"""The snapshot store of a recording: an SQLite file beside the journal.

Pages are stored once by content (BLAKE2b, 128 bits), compressed with zstd; the page of zeros is not stored. A snapshot
is the machine's state and a table that says which stored page each page of the machine is. Every change is one
transaction, so a killed process leaves the state before it or after it.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from rdbg.checkpoints.page_store import distinct
from rdbg.emu.machine_api import MachineState
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.output_mark import OutputMark
from rdbg.errors import RdbgError, UsageError
from rdbg.host.clock import host_seconds
from rdbg.journal.header import image_digest
from rdbg.journal.output_marks import build_mark
from rdbg.store.database import connect, create
from rdbg.store.notes import StoreNotes
from rdbg.store.snapshot import (
    LONGEST_NAME,
    NO_OUTPUT,
    PAGE_DIGEST_SIZE,
    SnapshotInfo,
    StoredSnapshot,
    Table,
    check_name,
)
from rdbg.store.stored_pages import MOST_STATE, StoredPages
from rdbg.store.thinning import Candidate, choose_victims
from rdbg.store.transaction import StoreConnection, Transaction, fold_log, guard

#: Bytes that periodic snapshots may add to the file before they are thinned.
PERIODIC_BUDGET = 256 << 20
#: What is left of them then: to choose among many takes long, and is not done with each that comes.
_LEFT = 7 / 8
#: Least seconds between two periodic snapshots after which the write-ahead log is folded into the file.
_TIDY_SECONDS = 1.0

_COLUMNS = "id, name, icount, virtual_ns, created, digest, size, initial, entered, output"


class SnapshotGone(RdbgError):
    """A snapshot of a list was deleted meanwhile, by another session."""


class SnapshotStore:
    """An open snapshot store. Make one with `create` or `open`.

    Args:
        path: the file.
        connection: to it.
        writable: whether it can be changed.
        periodic_budget: see PERIODIC_BUDGET.
    """

    def __init__(
        self, path: str, connection: StoreConnection, writable: bool, periodic_budget: int = PERIODIC_BUDGET
    ) -> None:
        self.path = path
        self.writable = writable
        self._db = connection
        self._budget = periodic_budget
        self._pages = StoredPages(path, connection)
        self.thinned = False  #: whether the latest save has given others up
        self._tidied = 0.0  # when, by the host's monotonic clock

    @classmethod
    def create(cls, path: str, recording_id: bytes, periodic_budget: int = PERIODIC_BUDGET) -> SnapshotStore:
        """A new store in place of whatever is at ``path``, which is the caller's to protect.

        Args:
            path: the file.
            recording_id: of the journal's header.
            periodic_budget: bytes that periodic snapshots may add.

        Raises:
            RdbgError: the file cannot be written.
        """
        return cls(path, create(path, recording_id), True, periodic_budget)

    @classmethod
    def open(
        cls, path: str, recording_id: bytes | None = None, periodic_budget: int = PERIODIC_BUDGET
    ) -> SnapshotStore:
        """A store that exists. On read-only media it can be read, not changed.

        Args:
            path: the file.
            recording_id: of the journal's header, to check that they belong together; None: not checked.
            periodic_budget: bytes that periodic snapshots may add.

        Raises:
            RdbgError: no such file, not a snapshot store, or of another recording.
        """
        connection, writable = connect(path, recording_id)
        return cls(path, connection, writable, periodic_budget)

    def close(self) -> None:
        """Fold the write-ahead log into the file and let go of it.

        Also where the file was moved meanwhile: SQLite by itself would leave the log where the file was.
        """
        with contextlib.suppress(sqlite3.Error):
            if self.writable:
                fold_log(self._db)
        self._db.close()

    # --- snapshots ---------------------------------------------------------------------------
    def save(
        self,
        name: str,
        state: MachineState,
        pages: Iterable[tuple[int, bytes]],
        *,
        virtual_ns: int = 0,
        entered: int = 0,
        output: OutputMark = NO_OUTPUT,
        digest: bytes = b"",
        base: SnapshotInfo | None = None,
        initial: bool = False,
    ) -> SnapshotInfo:
        """Keep a snapshot; one of the same name is replaced. All or nothing.

        Args:
            name: what to call it; empty: a periodic one.
            state: the machine's state but for its pages.
            pages: (number, 4096 bytes), each number once: without ``base`` all pages that are not zero, with it those
            that
                may differ from ``base``'s (zeros too).
            virtual_ns: virtual time.
            entered: how many of the inputs at the state's icount are in it.
            output: see SnapshotInfo.
            digest: the machine's digest, kept for a check when it is loaded.
            base: a snapshot of this store whose pages this one shares.
            initial: the recording starts from it.

        Raises:
            UsageError: a name that cannot be one, or that of the initial snapshot.
            SnapshotGone: ``base`` was deleted.
            RdbgError: the store cannot be written.
        """
        tidy = bool(name) or time.monotonic() - self._tidied >= _TIDY_SECONDS
        if tidy:
            self._tidied = time.monotonic()
        with Transaction(self.path, self._db, self.writable, f"save {_called(name)}", tidy):
            table = self.load(base).table if base is not None else np.zeros(0, np.uint32)
            table = self._pages.put(table, pages)
            return self._insert(name, state, table, virtual_ns, entered, output, digest, initial)

    def load(self, snapshot: str | SnapshotInfo) -> StoredSnapshot:
        """A snapshot by name or from the list.

        Raises:
            RdbgError: there is none of that name, or it is damaged.
            SnapshotGone: it is not in the list any more.
        """
        info = self.get(snapshot) if isinstance(snapshot, str) else snapshot
        with guard(self.path, f"load {_called(info.name)}"):
            row = self._db.execute(
                f"SELECT {_COLUMNS}, cpu, devices, page_table, check_sum FROM snapshots WHERE id = ?", (info.id,)
            ).fetchone()
        if row is None:
            raise SnapshotGone(f"{self.path}: {_called(info.name)} is gone; see 'info snapshots' for what there is")
        cpu, devices, table, check_sum = row[-4:]
        if _check_sum(row[1:-1]) != check_sum:
            raise RdbgError(f"{self.path}: {_called(info.name)} at icount {info.icount} is damaged; delete it")
        registers, device_state, rows = (self._pages.unpack(part, MOST_STATE) for part in (cpu, devices, table))
        if registers is None or device_state is None or rows is None or len(rows) % 4:
            raise RdbgError(f"{self.path}: {_called(info.name)} at icount {info.icount} cannot be unpacked; delete it")
        state = MachineState(info.icount, registers, device_state)
        return StoredSnapshot(info, state, np.frombuffer(rows, "<u4").astype(np.uint32), self._pages.fetch)

    @contextlib.contextmanager
    def steady(self) -> Iterator[None]:
        """Meanwhile the store is read as it is now: what another session deletes is still there, with its pages.

        Raises:
            RdbgError: the store cannot be read.
        """
        with guard(self.path, "read the snapshots"):
            self._db.execute("BEGIN")
        try:
            yield
        finally:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("COMMIT")

    def find(self, name: str) -> SnapshotInfo | None:
        """The snapshot of that name, or None."""
        if not name.isprintable():
            return None  # no name of ours, and perhaps no text that SQLite takes
        return next((info for info in self._select("WHERE name = ?", name)), None) if name else None

    def get(self, name: str) -> SnapshotInfo:
        """The snapshot of that name.

        Raises:
            RdbgError: there is none; the line names those that are there.
        """
        info = self.find(name)
        if info is None:
            names = [each.name for each in self.list() if each.name]
            there = f"there are: {', '.join(names)}" if names else "there are none with a name"
            raise RdbgError(f"{self.path}: no snapshot {name!r}; {there}")
        return info

    def list(self) -> list[SnapshotInfo]:
        """All snapshots, by icount."""
        return [*self._select("ORDER BY icount, id")]

    def named(self) -> Sequence[SnapshotInfo]:
        """Those with a name, by icount."""
        return [*self._select("WHERE name IS NOT NULL ORDER BY icount, id")]

    def holds(self, snapshot: SnapshotInfo) -> bool:
        """Whether a snapshot of the list is still there."""
        with guard(self.path, "look for a snapshot"):
            return self._db.execute("SELECT 1 FROM snapshots WHERE id = ?", (snapshot.id,)).fetchone() is not None

    def delete(self, name: str) -> None:
        """Delete a named snapshot and the pages that only it used.

        Raises:
            RdbgError: there is none of that name, or the recording starts from it.
        """
        info = self.get(name)
        if info.initial:
            raise RdbgError(f"{self.path}: the recording starts from snapshot {name!r}; it cannot be deleted")
        with self._change(f"delete snapshot {name!r}"):
            self._remove([info.id])

    @property
    def size(self) -> int:
        """Bytes in use in the file."""
        with guard(self.path, "measure the snapshot store"):
            pages, free, unit = (
                int(self._db.execute(f"PRAGMA {what}").fetchone()[0])
                for what in ("page_count", "freelist_count", "page_size")
            )
        return (pages - free) * unit

    def copy_to(self, path: str) -> None:
        """Write a compact copy of the store to a new file, also while it is in use.

        Raises:
            RdbgError: there is a file, or it cannot be written.
        """
        with guard(self.path, f"copy the snapshots to {path}"):
            self._db.execute("VACUUM INTO ?", (path,))

    @property
    def notes(self) -> StoreNotes:
        """What is kept beside the snapshots."""
        return StoreNotes(self.path, self._db, self.writable)

    # --- images ------------------------------------------------------------------------------
    def put_image(self, data: bytes) -> bytes:
        """Keep an image that the machine starts from; returns its digest."""
        digest = image_digest(data)
        with self._change("save an image"):
            self._db.execute("INSERT OR IGNORE INTO images VALUES (?, ?)", (digest, self._pages.compress(data)))
        return digest

    def image(self, digest: bytes, length: int) -> bytes | None:
        """The image of that digest, or None.

        Args:
            digest: as `put_image` gave it.
            length: bytes that it has.
        """
        with guard(self.path, "load an image"):
            row = self._db.execute("SELECT data FROM images WHERE digest = ?", (digest,)).fetchone()
        if row is None:
            return None
        data = self._pages.unpack(row[0], length)
        if data is None or image_digest(data) != digest:
            raise RdbgError(f"{self.path}: the image {digest.hex()[:16]} is damaged; take a good copy")
        return data

    # --- inside ------------------------------------------------------------------------------
    def _change(self, what: str) -> Transaction:
        return Transaction(self.path, self._db, self.writable, what)

    def _select(self, clause: str, *values: str) -> Sequence[SnapshotInfo]:
        with guard(self.path, "list the snapshots"):
            # One at a time: each of a damaged file's may claim to be very large.
            return [self._info(*row) for row in self._db.execute(f"SELECT {_COLUMNS} FROM snapshots {clause}", values)]

    def _info(
        self, number: int, name: Any, icount: Any, virtual_ns: Any, created: Any, digest: Any, size: Any,
        initial: Any, entered: Any, output: Any,
    ) -> SnapshotInfo:  # fmt: skip
        """From a row of _COLUMNS; SQLite's columns hold values of any type."""
        counts = (icount, virtual_ns, created, size, initial, entered)
        right = all(isinstance(each, int) and each >= 0 for each in counts)
        right = right and isinstance(digest, bytes) and len(digest) <= PAGE_DIGEST_SIZE
        right = right and isinstance(output, bytes) and len(output) <= MOST_STATE
        if not right or not isinstance(name, str | None) or len(name or "") > LONGEST_NAME:
            raise RdbgError(f"{self.path}: the entry of snapshot number {number} is damaged; take a good copy")
        return SnapshotInfo(
            number, name or "", icount, virtual_ns, created, digest, size, bool(initial), entered, output
        )

    def _insert(
        self,
        name: str,
        state: MachineState,
        table: Table,
        virtual_ns: int,
        entered: int,
        output: OutputMark,
        digest: bytes,
        initial: bool,
    ) -> SnapshotInfo:
        check_name(name)
        replaced = self.find(name)
        if replaced is not None:
            if replaced.initial:
                raise UsageError(f"{self.path}: the recording starts from snapshot {name!r}; choose another name")
            left = self._pages.used_by([replaced.id])
            self._db.execute("DELETE FROM snapshots WHERE id = ?", (replaced.id,))
        cpu, devices = self._pages.compress(state.cpu), self._pages.compress(state.devices)
        packed = self._pages.compress(table.astype("<u4").tobytes())
        size = len(state.cpu) + len(state.devices) + int(np.count_nonzero(table)) * PAGE_SIZE
        created = host_seconds()
        mark = build_mark(output)
        row = (
            name or None,
            state.icount,
            virtual_ns,
            created,
            digest,
            size,
            int(initial),
            entered,
            mark,
            cpu,
            devices,
            packed,
        )
        number = self._db.execute(
            "INSERT INTO snapshots (name, icount, virtual_ns, created, digest, size, initial, entered, output, "
            "cpu, devices, page_table, check_sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, _check_sum(row)),
        ).lastrowid
        assert number is not None
        if replaced is not None:
            self._pages.sweep(left)
        self.thinned = not name and self._thin(state.icount)
        return SnapshotInfo(number, name, state.icount, virtual_ns, created, digest, size, initial, entered, mark)

    def _remove(self, numbers: Sequence[int]) -> None:
        left = self._pages.used_by(numbers)
        self._db.executemany("DELETE FROM snapshots WHERE id = ?", [(number,) for number in numbers])
        self._pages.sweep(left)

    def _thin(self, now: int) -> bool:
        """Delete periodic snapshots until what they add fits the budget, if it does not; gives whether any went."""
        if self.size <= self._budget:
            return False
        # A damaged file can have NULL where the schema forbids it.
        found = self._db.execute("SELECT id, coalesce(length(data), 0) FROM pages ORDER BY id").fetchall()
        numbers = np.array([0, *(self._pages.row_number(row) for row, _ in found)], np.uint32)
        sizes = np.array([0, *(size for _, size in found)], np.int64)
        beside = dict(
            self._db.execute(
                "SELECT id, coalesce(length(cpu) + length(devices) + length(page_table), 0) FROM snapshots"
            ).fetchall()
        )
        named = np.zeros(len(sizes), np.bool_)
        periodic = []
        for info in self.list():
            pages = np.searchsorted(numbers, distinct(self._pages.table(info.id))).clip(max=len(numbers) - 1)
            if info.periodic:
                periodic.append(Candidate(info.id, info.icount, pages, beside[info.id]))
            else:
                named[pages] = True
        sizes[named] = 0
        victims = choose_victims(periodic, sizes, now, int(self._budget * _LEFT))
        if victims:
            self._remove(victims)
        return bool(victims)


def _called(name: str) -> str:
    return f"snapshot {name!r}" if name else "a periodic snapshot"


def _check_sum(row: Sequence[object]) -> bytes:
    """Over all of a snapshot's row but its number."""
    check = hashlib.blake2b(digest_size=PAGE_DIGEST_SIZE)
    for value in row:
        part = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
        check.update(b"%d:" % len(part))
        check.update(part)
    return check.digest()
