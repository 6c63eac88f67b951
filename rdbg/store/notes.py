"""What a snapshot store keeps beside snapshots: bookmarks, the interval index of the run, what left it, exceptions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from rdbg.emu.output_mark import OutputMark
from rdbg.errors import RdbgError
from rdbg.journal.output_marks import build_mark, parse_mark
from rdbg.quick_dataclass import dataclass
from rdbg.store.snapshot import LONGEST_NAME, check_name
from rdbg.store.transaction import StoreConnection, Transaction, guard

_CHECK_BYTES = 16
#: Icounts that SQLite can hold.
_LAST_ICOUNT = (1 << 63) - 1


@dataclass(frozen=True)
class StoredOutputs:
    """A stretch of what has left the run, as the store has it.

    Args:
        first: outputs before it.
        count: outputs in it.
        until: icount of the last one.
        before: how many outputs and bytes had left by each endpoint before it; it has no digests.
        data: what `rdbg.store.output_chunks` makes of it; empty: not read yet.
    """

    first: int
    count: int
    until: int
    before: OutputMark
    data: bytes = b""


@dataclass(frozen=True)
class StoredEvents:
    """The exceptions and interrupts of a stretch of the run, as the store has them.

    Args:
        start: icount of its first position.
        until: icount of the first position behind it.
        data: what `rdbg.store.event_rows` makes of them.
    """

    start: int
    until: int
    data: bytes


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

    def outputs(self) -> list[StoredOutputs]:
        """What is known of the run's output, without its bytes, in order: up to the first stretch that is missing or
        damaged, from which on it can be made again."""
        found: list[StoredOutputs] = []
        with guard(self._path, "read what is known of the output"):
            if not self._has("outputs"):
                return []
            for first, count, until, before in self._db.execute(
                "SELECT first, count, until, before FROM outputs ORDER BY first"
            ):
                right = all(isinstance(each, int) and each >= 0 for each in (first, count, until)) and count > 0
                expected = found[-1].first + found[-1].count if found else 0
                if not right or not isinstance(before, bytes) or first != expected:
                    break
                try:
                    found.append(StoredOutputs(first, count, until, parse_mark(before)))
                except RdbgError:
                    break
        return found

    def output_data(self, first: int) -> bytes | None:
        """The bytes of one of these stretches; None: it is gone or damaged."""
        with guard(self._path, "read what is known of the output"):
            row = self._db.execute("SELECT data, check_sum FROM outputs WHERE first = ?", (first,)).fetchone()
        if row is None or not isinstance(row[0], bytes) or _check_sum(row[0]) != row[1]:
            return None
        return row[0]

    def put_outputs(self, stretches: Sequence[StoredOutputs]) -> None:
        """Keep more of what is known of the output. What the store had from the first of these on goes.

        Raises:
            RdbgError: the store cannot be written.
        """
        if not stretches:
            return
        with Transaction(self._path, self._db, self._writable, "save what is known of the output"):
            self._db.execute("DELETE FROM outputs WHERE first >= ?", (stretches[0].first,))
            self._db.executemany(
                "INSERT INTO outputs VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (each.first, each.count, each.until, build_mark(each.before), each.data, _check_sum(each.data))
                    for each in stretches
                ],
            )

    def events(self) -> list[StoredEvents]:
        """What is known of exceptions and interrupts, in order: up to the first stretch that is missing or damaged."""
        found: list[StoredEvents] = []
        with guard(self._path, "read what is known of exceptions"):
            if not self._has("events"):
                return []
            for start, until, data, check_sum in self._db.execute(
                "SELECT start, until, data, check_sum FROM events ORDER BY start"
            ):
                right = all(isinstance(each, int) and each >= 0 for each in (start, until)) and start < until
                whole = isinstance(data, bytes) and _check_sum(data) == check_sum
                if not right or not whole or (found and start != found[-1].until):
                    break
                found.append(StoredEvents(start, until, data))
        return found

    def put_events(self, stretch: StoredEvents) -> None:
        """Keep more of what is known of exceptions and interrupts. What the store had from there on goes.

        Raises:
            RdbgError: the store cannot be written.
        """
        with Transaction(self._path, self._db, self._writable, "save what is known of exceptions"):
            self._db.execute("DELETE FROM events WHERE until > ?", (stretch.start,))
            row = (stretch.start, stretch.until, stretch.data, _check_sum(stretch.data))
            self._db.execute("INSERT INTO events VALUES (?, ?, ?, ?)", row)

    def branches(self) -> dict[str, bytes]:
        """Branches that are kept, by name: what `rdbg.store.kept_branch` makes of them; what is damaged is empty."""
        with guard(self._path, "read the branches"):
            if not self._has("branches"):
                return {}
            rows = self._db.execute("SELECT name, data, check_sum FROM branches ORDER BY name").fetchall()
        return {
            name: data if isinstance(data, bytes) and _check_sum(data) == check_sum else b""
            for name, data, check_sum in rows
            if isinstance(name, str) and 0 < len(name) <= LONGEST_NAME
        }

    def branch_sums(self) -> dict[str, bytes]:
        """The same names, each with the check sum that stands beside it: another one when the branch is another."""
        with guard(self._path, "read the branches"):
            if not self._has("branches"):
                return {}
            rows = self._db.execute("SELECT name, check_sum FROM branches ORDER BY name").fetchall()
        return {
            name: check_sum if isinstance(check_sum, bytes) else b""
            for name, check_sum in rows
            if isinstance(name, str) and 0 < len(name) <= LONGEST_NAME
        }

    def put_branch(self, name: str, data: bytes) -> bytes:
        """Keep a branch, in place of an older one of that name; gives its check sum.

        Raises:
            RdbgError: the store cannot be written.
        """
        check_name(name)
        check_sum = _check_sum(data)
        with Transaction(self._path, self._db, self._writable, f"keep branch {name!r}"):
            self._db.execute("INSERT OR REPLACE INTO branches VALUES (?, ?, ?)", (name, data, check_sum))
        return check_sum

    def delete_branch(self, name: str) -> None:
        """Forget a branch.

        Raises:
            RdbgError: the store cannot be written.
        """
        with Transaction(self._path, self._db, self._writable, f"delete branch {name!r}"):
            self._db.execute("DELETE FROM branches WHERE name = ?", (name,))

    def _has(self, table: str) -> bool:
        """Whether there is a table: an older store that cannot be written lacks some."""
        return bool(self._db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone())


def _check_sum(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_CHECK_BYTES).digest()
