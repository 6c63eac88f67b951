"""A snapshot store whose tables are not what SQLite promises of them, and logs beside it.

A file can have what no statement puts into it: NULL where the schema forbids it, a key twice, two tables in one place.
"""

from __future__ import annotations

import os
import random
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

_TABLES = ("snapshots", "pages", "images", "bookmarks", "interval_index", "disk_contents", "meta", "outputs", "events",
           "branches")  # fmt: skip
_LOGS = ("-wal", "-shm", "-journal")
#: What a write-ahead log, in either byte order, and a rollback journal begin with.
_HEADS = (
    bytes.fromhex("377f0682002de21800002000"), bytes.fromhex("377f0683002de21800002000"),
    bytes.fromhex("d9d505f920a163d7000000010000000100000001000002000000200000000000"), b"",
)  # fmt: skip


def break_promises(dice: random.Random, path: Path) -> None:
    """Change a store's tables in ways that SQLite forbids; its schema says what it did.

    Args:
        dice: random numbers.
        path: of the store.

    Raises:
        sqlite3.Error: SQLite finds that it is no store any more.
    """
    table = dice.choice(_TABLES)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        schema = connection.execute("SELECT rowid, type, name, tbl_name, rootpage, sql FROM sqlite_master").fetchall()
        sql = next(row[5] for row in schema if row[2] == table)
        kind = dice.randrange(5)
        connection.execute("PRAGMA writable_schema = ON")
        if kind == 4:  # two tables, or an index and a table, in one place
            one, other = (dice.choice(schema) for _ in range(2))
            place = dice.choice((other[4], 1, 0, 2, 1 << 20, -1))
            connection.execute("UPDATE sqlite_master SET rootpage = ? WHERE rowid = ?", (place, one[0]))
            return
        free = sql.replace(" NOT NULL", "").replace(" UNIQUE", "").replace(" PRIMARY KEY", "").replace(
            " AUTOINCREMENT", "")  # fmt: skip
        if kind != 3:
            free = sql.replace(" NOT NULL", "")
        else:
            connection.execute("DELETE FROM sqlite_master WHERE type = 'index' AND tbl_name = ?", (table,))
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (free, table))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        if kind == 3:
            names = ", ".join(columns)
            with suppress(sqlite3.Error):
                connection.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM {table}")
        else:
            with suppress(sqlite3.Error):
                connection.execute(f"UPDATE {table} SET {dice.choice(columns)} = NULL")
            if kind == 2:
                with suppress(sqlite3.Error):
                    connection.execute(
                        f"UPDATE {table} SET {dice.choice(columns)} = ?", (dice.choice((b"", "x", 1e300)),)
                    )
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (sql, table))
        if kind == 3:
            connection.executemany(
                "INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES (?, ?, ?, ?, ?)",
                [row[1:] for row in schema if row[1] == "index" and row[3] == table],
            )


def remove_logs(path: Path) -> None:
    """Remove what stands in the place of a store's logs.

    Args:
        path: of the store.
    """
    for log in (path.with_name(path.name + suffix) for suffix in _LOGS):
        if log.is_dir() and not log.is_symlink():
            log.rmdir()
        else:
            log.unlink(missing_ok=True)


def leave_log(dice: random.Random, path: Path) -> None:
    """Now and then leave a log beside a store, or something else in the place of one; none of another file's.

    Args:
        dice: random numbers.
        path: of the store.
    """
    if dice.random() > 0.05:
        return
    log = path.with_name(path.name + dice.choice(_LOGS))
    match dice.randrange(5):
        case 0:
            os.mkfifo(log)
        case 1:
            log.symlink_to("nothing")
        case 2:
            log.mkdir()
        case _:
            name = b"nothing"
            tail = (
                name + len(name).to_bytes(4, "big") + sum(name).to_bytes(4, "big") + bytes.fromhex("d9d505f920a163d7")
            )
            data = dice.choice(_HEADS) + dice.randbytes(dice.choice((0, 20, 500, 9000))) + dice.choice((b"", tail))
            log.write_bytes(data)
