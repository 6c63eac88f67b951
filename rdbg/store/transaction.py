"""A change to a snapshot store: all of it or nothing, and the errors of SQLite in words."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from types import TracebackType

from rdbg.errors import RdbgError
from rdbg.host.file_identity import file_identity


class StoreConnection(sqlite3.Connection):
    """A connection that knows which file it is to: another may have taken the name since, or none has it."""

    file: tuple[int, int] | None = None


def fold_log(connection: sqlite3.Connection) -> None:
    """Write all that is in the write-ahead log to the file itself, and empty it.

    Raises:
        sqlite3.Error: the file cannot be written.
    """
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


class Transaction:
    """One transaction: all that happens in the ``with`` block, or nothing.

    Args:
        path: of the store.
        connection: to it.
        writable: whether it can be changed.
        what: is done, for messages.
        tidy: leave nothing in the write-ahead log; what is written many times a second leaves that to SQLite.

    Raises:
        RdbgError: the store is read-only, in use, gone from its name, or the disk is full.
    """

    def __init__(self, path: str, connection: StoreConnection, writable: bool, what: str, tidy: bool = True) -> None:
        self._tidy = tidy
        self._path = path
        self._db = connection
        self._what = what
        self._writable = writable

    def __enter__(self) -> None:
        if not self._writable:
            raise RdbgError(
                f"{self._path}: cannot {self._what}: the file or its folder is read-only; copy the recording elsewhere"
            )
        if self._db.file is not None and file_identity(self._path) != self._db.file:
            raise RdbgError(
                f"{self._path}: cannot {self._what}: the file was deleted, moved away or replaced meanwhile; end rdbg, "
                "and start it again where the recording is"
            )
        with guard(self._path, self._what):
            self._db.execute("BEGIN IMMEDIATE")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            with guard(self._path, self._what):
                try:
                    self._sign()
                    self._db.execute("COMMIT")
                except sqlite3.Error:
                    self._roll_back()
                    raise
            if self._tidy:
                self._tidy_up()
            return
        self._roll_back()
        if isinstance(error, sqlite3.Error | UnicodeDecodeError):
            raise explain(self._path, self._what, error) from error

    def _sign(self) -> None:
        """Let the write-ahead log have the recording's number in it, for whoever finds the log beside another store.
        (A row that is set to what it is would not be written.)"""
        row = self._db.execute("SELECT recording_id FROM meta").fetchone()
        if row is not None:
            self._db.execute("DELETE FROM meta")
            self._db.execute("INSERT INTO meta VALUES (?)", row)

    def _tidy_up(self) -> None:
        """The change is made: give freed pages back to the file system, and leave nothing in the write-ahead log. So a
        store that is copied or moved after a kill without its log is whole.

        What cannot be done now (another rdbg reads, the disk is full) is done with the next change, or at the end.
        """
        with contextlib.suppress(sqlite3.Error):
            if self._db.execute("PRAGMA freelist_count").fetchone()[0]:
                self._db.executescript("PRAGMA incremental_vacuum")  # a page at each step; execute() makes but one
            fold_log(self._db)

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # SQLite has rolled back by itself after some errors
            self._db.execute("ROLLBACK")


@contextlib.contextmanager
def guard(path: str, what: str) -> Iterator[None]:
    """Turn SQLite's errors into RdbgError.

    UnicodeDecodeError comes from Python's wrapper, for a message of SQLite that cites a damaged schema.
    """
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise explain(path, what, error) from error


def explain(path: str, what: str, error: sqlite3.Error | UnicodeDecodeError) -> RdbgError:
    """One line for an error of SQLite."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        reason = "another rdbg is writing to it; try again when it is done"
    elif name.startswith("SQLITE_FULL"):
        reason = "the disk is full; free some space"
    elif name.startswith(("SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_SHMOPEN")):
        reason = "the disk, a quota or a limit (ulimit -f) does not let it grow; free some space"
    elif name.startswith("SQLITE_READONLY"):
        reason = "it is read-only; copy the recording elsewhere"
    elif name.startswith("SQLITE_NOTADB"):
        reason = "it is not an rdbg snapshot store; give the one that was made with the journal"
    elif name.startswith("SQLITE_CORRUPT") or isinstance(error, UnicodeDecodeError):
        reason = "it is damaged; take a good copy"
    else:
        reason = " ".join(str(error).split())
    return RdbgError(f"{path}: cannot {what}: {reason}")
