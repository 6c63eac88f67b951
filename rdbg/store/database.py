"""The SQLite file under a snapshot store: its tables, opening, and what SQLite keeps beside it."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sqlite3
import stat
from pathlib import Path

from rdbg.errors import RdbgError
from rdbg.host.file_identity import file_identity
from rdbg.host.regular_file import MOST_BYTES
from rdbg.store.log_files import refuse_odd_logs
from rdbg.store.transaction import StoreConnection, explain, guard

#: 'rdbg' in SQLite's field for the application of a file.
APPLICATION_ID = 0x72646267
VERSION = 7

#: What SQLite keeps beside a file while it is open, and after a kill: the write-ahead log and its index, or (a copy is
#: in this mode until it is opened) a rollback journal.
_LOGS, _LOG_INDEX = ("-wal", "-journal"), "-shm"

_log = logging.getLogger("rdbg.snapshots")

#: A page of the file. Contents of disks come in pieces of up to 1 MB: with SQLite's 4096 bytes each of them takes twice
#: as many calls of the host.
_PAGE_BYTES = 8192

#: Another rdbg on the same recording holds the file for the time of one save: a second or so.
_BUSY_SECONDS = 5.0
#: The largest values are images.
_MOST_VALUE = MOST_BYTES + (1 << 20)

# AUTOINCREMENT: the number of a snapshot or a page is held by callers and must not come to mean another one.
_OUTPUTS = """CREATE TABLE outputs (
    first INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    until INTEGER NOT NULL,
    before BLOB NOT NULL,
    data BLOB NOT NULL,
    check_sum BLOB NOT NULL
)"""
_EVENTS = """CREATE TABLE events (
    start INTEGER PRIMARY KEY,
    until INTEGER NOT NULL,
    data BLOB NOT NULL,
    check_sum BLOB NOT NULL
)"""
_BRANCHES = "CREATE TABLE branches (name TEXT PRIMARY KEY, data BLOB NOT NULL, check_sum BLOB NOT NULL)"
#: What a store of an older version lacks, by that version. It gets it when it is opened and can be written.
_ADDED = {5: (_OUTPUTS,), 6: (_EVENTS, _BRANCHES)}
_SCHEMA = (
    """
CREATE TABLE meta (recording_id BLOB NOT NULL);
CREATE TABLE pages (id INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB NOT NULL UNIQUE, data BLOB NOT NULL);
CREATE TABLE images (digest BLOB PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE snapshots (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT UNIQUE,
    icount INTEGER NOT NULL,
    virtual_ns INTEGER NOT NULL,
    created INTEGER NOT NULL,
    digest BLOB NOT NULL,
    size INTEGER NOT NULL,
    initial INTEGER NOT NULL,
    entered INTEGER NOT NULL,
    output BLOB NOT NULL,
    cpu BLOB NOT NULL,
    devices BLOB NOT NULL,
    page_table BLOB NOT NULL,
    check_sum BLOB NOT NULL
);
CREATE TABLE bookmarks (name TEXT PRIMARY KEY, icount INTEGER NOT NULL);
CREATE TABLE interval_index (data BLOB NOT NULL, check_sum BLOB NOT NULL);
CREATE TABLE disk_contents (
    id INTEGER PRIMARY KEY,
    disk INTEGER NOT NULL,
    pages BLOB NOT NULL,
    data BLOB NOT NULL,
    zeros BLOB NOT NULL,
    lost BLOB NOT NULL,
    check_sum BLOB NOT NULL
);
"""
    + ";\n".join((_OUTPUTS, _EVENTS, _BRANCHES))
    + ";"
)


def put_logs_aside(path: str) -> None:
    """Make room for a store whose name nothing has: SQLite would take what another one left beside it for its own.

    Such a log is of a store that was moved away without it after a kill: it may hold the latest snapshots, so it is
    kept under another name, and the user is told.

    Raises:
        OSError: a file cannot be renamed.
    """
    for log in _full_logs(path):
        _keep_aside(log)
    remove(*(path + suffix for suffix in (*_LOGS, _LOG_INDEX)))


def _full_logs(path: str) -> list[str]:
    """The logs beside a store that have something in them."""
    logs = [path + suffix for suffix in _LOGS]
    return [log for log in logs if os.path.lexists(log) and os.lstat(log).st_size]


def _keep_aside(log: str) -> None:
    kept = next(name for number in range(1, 1 << 20) if not os.path.lexists(name := f"{log}.old{number}"))
    os.rename(log, kept)
    _log.warning("%s belongs to a recording that is not there any more; it is kept as %s", log, kept)


def _leave_strange_logs(path: str, recording_id: bytes) -> None:
    """Put a log aside that belongs to another store, which was there before this one was copied to its name.

    With its own log, the store is whole; with another's it is a mixture or that other one, and without it whole.

    Raises:
        RdbgError: the log cannot be renamed.
    """
    logs = _full_logs(path)
    if logs and not _is_whole(path, "ro", recording_id) and _is_whole(path, "ro&immutable=1", recording_id):
        try:
            for log in logs:
                _keep_aside(log)
            remove(path + _LOG_INDEX)
        except OSError as error:
            raise RdbgError(f"{path}: cannot rename what another store has left beside it: {error.strerror}") from error


def _is_whole(path: str, mode: str, recording_id: bytes) -> bool:
    """Whether a store is of that recording, and no part of it is missing or of something else. Nothing is changed."""
    try:
        with contextlib.closing(_connect(path, mode)) as connection:
            _check(path, connection, recording_id)
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except (RdbgError, sqlite3.Error, UnicodeDecodeError):
        return False


def remove(*names: str) -> None:
    """Remove files, as far as they exist.

    Raises:
        OSError: one exists and cannot be removed.
    """
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def remove_store(path: str) -> None:
    """Remove a store that nobody has opened, and what a killed process left beside it.

    Raises:
        OSError: a file cannot be removed.
    """
    remove(*(path + suffix for suffix in ("", *_LOGS, _LOG_INDEX)))


def create(path: str, recording_id: bytes) -> StoreConnection:
    """A new file with empty tables, in place of what was there."""
    try:
        remove_store(path)
    except OSError as error:
        raise RdbgError(f"{path}: cannot create the snapshot store: {error.strerror}") from error
    with guard(path, "create the snapshot store"):
        connection = _connect(path, "rwc")
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.executescript("BEGIN;" + _SCHEMA + "COMMIT;")
        connection.execute("INSERT INTO meta VALUES (?)", (recording_id,))
    connection.file = file_identity(path)
    return connection


def connect(path: str, recording_id: bytes | None) -> tuple[StoreConnection, bool]:
    """Open a file that exists: the connection, and whether it can be written.

    Raises:
        RdbgError: no such file, not a snapshot store, another version, or of another recording.
    """
    if not os.path.isfile(path):
        raise RdbgError(f"{path}: no snapshot store there; it belongs beside the journal, copy it along")
    writable = os.access(path, os.W_OK) and os.access(os.path.dirname(os.path.abspath(path)), os.W_OK)
    if writable:
        refuse_odd_logs(path)
    if writable and recording_id is not None:
        _leave_strange_logs(path, recording_id)
    with guard(path, "open the snapshot store"):
        # 'immutable' reads without the lock and log files that cannot be made there.
        connection = _connect(path, "rw" if writable else "ro&immutable=1")
        try:
            _check(path, connection, recording_id)
            if writable:
                connection.execute("PRAGMA journal_mode = WAL")  # a copy is not in this mode
                connection.execute("PRAGMA synchronous = NORMAL")
                _upgrade(connection)
        except BaseException:
            connection.close()
            raise
    connection.file = file_identity(path)
    return connection, writable


def connect_nowhere() -> StoreConnection:
    """A store in a file that has no name, for what goes with this process: SQLite removes it."""
    connection = sqlite3.connect("", isolation_level=None, factory=StoreConnection, check_same_thread=False)
    connection.executescript(_SCHEMA)
    return connection


def refuse_store_target(path: str) -> None:
    """Check that a new store may take the place of what is there: a store, of any version. Its log is folded in, so
    that none is left beside the new one.

    Raises:
        RdbgError: it is something else.
    """
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise RdbgError(f"{path}: cannot replace the snapshot store: this is no file; choose another name")
    refuse_odd_logs(path)
    with guard(path, "replace the snapshot store"):
        connection = _connect(path, "rw")
    try:
        # A recorder that was killed at its start leaves a file without tables.
        replaceable = _is_store(connection) or connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None
    except sqlite3.Error as error:
        if not getattr(error, "sqlite_errorname", "").startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            raise explain(path, "replace the snapshot store", error) from error
        replaceable = False
    finally:
        connection.close()
    if not replaceable:
        raise RdbgError(f"{path}: will not overwrite what is no rdbg snapshot store; choose another name")


@functools.cache
def _entries() -> frozenset[tuple[str, ...]]:
    """What SQLite's own table says of a store's tables and their indexes."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(_SCHEMA)
        return frozenset(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))


def _is_store(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID)


def _check(path: str, connection: sqlite3.Connection, recording_id: bytes | None) -> None:
    if not _is_store(connection):
        raise RdbgError(f"{path}: not an rdbg snapshot store; give the one that was made with the journal")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION and version not in _ADDED:
        raise RdbgError(
            f"{path}: this snapshot store has version {version}, and this rdbg reads version {VERSION}; "
            "use the rdbg that recorded it"
        )
    for entry in connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"):
        if entry not in _entries():
            # A view in a table's place may never come to its end.
            raise RdbgError(f"{path}: this snapshot store has tables of another shape; take a good copy")
    found = connection.execute("SELECT recording_id FROM meta").fetchone()
    if recording_id is not None and (found is None or found[0] != recording_id):
        raise RdbgError(f"{path}: this snapshot store belongs to another recording; take the one made with the journal")


def _upgrade(connection: sqlite3.Connection) -> None:
    """Give a store of an older version what it lacks."""
    if connection.execute("PRAGMA user_version").fetchone()[0] == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]  # another rdbg may have been faster
        for lacking in range(version, VERSION):
            for table in _ADDED[lacking]:
                connection.execute(table)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _connect(path: str, mode: str) -> StoreConnection:
    uri = Path(os.path.abspath(path)).as_uri() + f"?mode={mode}"
    connection = sqlite3.connect(
        uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, factory=StoreConnection, check_same_thread=False
    )
    # A few bytes of a damaged file can claim to be a value of a gigabyte.
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_VALUE)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")  # damaged text must not raise
    return connection
