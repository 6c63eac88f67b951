"""The pages of a snapshot store: each content once, compressed, named by the row that holds it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

import numpy as np
import zstandard

from rdbg.checkpoints.page_store import distinct
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.errors import RdbgError
from rdbg.store.snapshot import ZERO_PAGE, Table, page_digest
from rdbg.store.transaction import guard

#: Level 1 compresses a page in 10 microseconds; higher levels gain a few percent on guests' memory.
_LEVEL = 1
#: More than any state or page table (4 MB: 4 GB of memory) can have.
MOST_STATE = 4 << 20
_LAST_ROW = 0xFFFFFFFF


class StoredPages:
    """Page contents in an open store. Who changes them has a transaction open.

    Args:
        path: of the store, for messages.
        connection: to it.
    """

    def __init__(self, path: str, connection: sqlite3.Connection) -> None:
        self._path = path
        self._db = connection
        self.compress = zstandard.ZstdCompressor(level=_LEVEL).compress
        self._decompressor = zstandard.ZstdDecompressor()

    def put(self, table: Table, pages: Iterable[tuple[int, bytes]]) -> Table:
        """The table with these pages changed, their contents stored where they are new."""
        changed: dict[int, int] = {}
        execute = self._db.execute
        for number, content in pages:
            if content == ZERO_PAGE:
                changed[number] = 0
                continue
            digest = page_digest(content)
            found = execute("SELECT id FROM pages WHERE digest = ?", (digest,)).fetchone()
            if found is None:
                if len(content) != PAGE_SIZE:
                    raise ValueError(f"page {number} has {len(content)} bytes")
                row = execute("INSERT INTO pages (digest, data) VALUES (?, ?)", (digest, self.compress(content)))
                changed[number] = row.lastrowid or 0
            else:
                changed[number] = self.row_number(found[0])
        length = max(max(changed, default=-1) + 1, len(table))
        grown = np.zeros(length, np.uint32)
        grown[: len(table)] = table
        grown[list(changed)] = list(changed.values())
        return grown

    def fetch(self, rows: Sequence[int], checked: bool = True) -> dict[int, bytes]:
        """The contents of these rows.

        Args:
            rows: which.
            checked: whether each is compared with its digest; if not, the caller compares all of them with another.

        Raises:
            RdbgError: one is missing or damaged.
        """
        contents: dict[int, bytes] = {}
        with guard(self._path, "read pages"):
            marks = ",".join("?" * len(rows))
            query = f"SELECT id, digest, data FROM pages WHERE id IN ({marks}) AND length(data) <= {2 * PAGE_SIZE}"
            found = self._db.execute(query, list(rows)).fetchall()
        for row, digest, data in found:
            content = self.unpack(data, PAGE_SIZE)
            if content is None or len(content) != PAGE_SIZE or (checked and page_digest(content) != digest):
                raise RdbgError(f"{self._path}: stored page {row} is damaged; take a good copy of the recording")
            contents[row] = content
        if len(contents) < len(set(rows)):
            lost = next(row for row in rows if row not in contents)
            raise RdbgError(f"{self._path}: stored page {lost} is missing; take a good copy of the recording")
        return contents

    def unpack(self, data: object, most: int) -> bytes | None:
        """Decompressed bytes; None: damaged, or more than ``most`` bytes."""
        if not isinstance(data, bytes):
            return None  # SQLite's columns hold any type
        try:
            # A damaged size must not make us ask for all the memory there is.
            if not 0 <= zstandard.frame_content_size(data) <= most:
                return None
            return bytes(self._decompressor.decompress(data))
        except (zstandard.ZstdError, MemoryError):
            return None

    def row_number(self, value: object) -> int:
        """A row of the pages, as SQLite gave it."""
        if not isinstance(value, int) or not 0 < value <= _LAST_ROW:
            raise RdbgError(f"{self._path}: the list of stored pages is damaged; take a good copy of the recording")
        return value

    def table(self, number: int) -> Table:
        """The rows of a snapshot's pages."""
        row = self._db.execute("SELECT page_table FROM snapshots WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise RdbgError(f"{self._path}: the snapshot to build on is gone; save all pages")
        return self._table(row[0])

    def _table(self, packed: object) -> Table:
        rows = self.unpack(packed, MOST_STATE)
        if rows is None or len(rows) % 4:
            raise RdbgError(f"{self._path}: the page table of a snapshot is damaged; take a good copy")
        return np.frombuffer(rows, "<u4").astype(np.uint32)

    def used_by(self, numbers: Sequence[int]) -> Table:
        """The rows of pages that any of these snapshots uses, each once; all that are stored, if one of them does not
        say."""
        try:
            return distinct(np.concatenate([self.table(number) for number in numbers]))
        except RdbgError:
            found = self._db.execute("SELECT id FROM pages").fetchall()
            return np.sort(np.array([self.row_number(row[0]) for row in found], np.uint32))

    def sweep(self, candidates: Table) -> None:
        """Delete the pages among ``candidates`` (what `used_by` gave of the snapshots that were deleted since) that no
        snapshot uses any more."""
        unused = np.ones(int(candidates[-1]) + 1 if len(candidates) else 0, np.bool_)
        for (packed,) in self._db.execute("SELECT page_table FROM snapshots"):
            rows = self._table(packed)
            unused[rows[rows < len(unused)]] = False
        gone = candidates[unused[candidates]]
        self._db.executemany("DELETE FROM pages WHERE id = ?", [(int(row),) for row in gone if row])
