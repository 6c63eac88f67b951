"""What a snapshot store keeps beside snapshots: bookmarks, and the interval index of the run."""

from __future__ import annotations

import hashlib

from rdbg.store.database import StoreConnection, Transaction, guard
from rdbg.store.snapshot import LONGEST_NAME, check_name

_CHECK_BYTES = 16
#: Icounts that SQLite can hold.
_LAST_ICOUNT = (1 << 63) - 1


class StoreNotes:
    """The tables beside the snapshots.

    Args:
        path: of the store, for messages.
        connection: to it.
        writable: whether it can be changed.
    """

    def __init__(self, path: str, connection: StoreConnection, writable: bool) -> None:
        self._path = path
        self._db = connection
        self._writable = writable

    def bookmarks(self) -> dict[str, int]:
        """Named positions: name -> icount. Entries that are damaged are left out."""
        with guard(self._path, "read the bookmarks"):
            return {
                name: icount
                for name, icount in self._db.execute("SELECT name, icount FROM bookmarks")
                if isinstance(name, str) and len(name) <= LONGEST_NAME and isinstance(icount, int) and icount >= 0
            }

    def put_bookmark(self, name: str, icount: int) -> None:
        """Give a position a name, in place of an older one of that name.

        Raises:
            UsageError: the name cannot be one.
            RdbgError: the store cannot be written.
        """
        check_name(name)
        with Transaction(self._path, self._db, self._writable, f"set bookmark {name!r}"):
            self._db.execute("INSERT OR REPLACE INTO bookmarks VALUES (?, ?)", (name, min(icount, _LAST_ICOUNT)))

    def delete_bookmark(self, name: str) -> None:
        """Forget a named position.

        Raises:
            RdbgError: the store cannot be written.
        """
        with Transaction(self._path, self._db, self._writable, f"delete bookmark {name!r}"):
            self._db.execute("DELETE FROM bookmarks WHERE name = ?", (name,))

    def index(self) -> bytes | None:
        """The interval index as it was put; None: there is none, or it is damaged (it can be made again)."""
        with guard(self._path, "read the index"):
            row = self._db.execute("SELECT data, check_sum FROM interval_index").fetchone()
        if row is None or not isinstance(row[0], bytes) or _check_sum(row[0]) != row[1]:
            return None
        return row[0]

    def put_index(self, data: bytes) -> None:
        """Keep the interval index, in place of an older one.

        Raises:
            RdbgError: the store cannot be written.
        """
        with Transaction(self._path, self._db, self._writable, "save the index"):
            self._db.execute("DELETE FROM interval_index")
            self._db.execute("INSERT INTO interval_index VALUES (?, ?)", (data, _check_sum(data)))


def _check_sum(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_CHECK_BYTES).digest()
