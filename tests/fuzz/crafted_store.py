"""Snapshot stores, crafted: with right check sums in their rows, or with bytes that have changed."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgpack
import numpy as np
import zstandard

from rdbg.store.index_codec import _VERSION
from tests.forgery import TLB_COUNT_AT, change_store, packed, unpacked
from tests.fuzz.crafted import NUMBERS, ODD_VALUES, Recording, flipped
from tests.fuzz.crafted_notes import change_notes
from tests.fuzz.crafted_tables import break_promises, leave_log, remove_logs


def store(dice: random.Random, whole: Recording, path: Path) -> None:
    """A snapshot store with right check sums in its rows, or with changed bytes; now and then a log beside it."""
    remove_logs(path)
    _change_store(dice, whole, path)
    leave_log(dice, path)


def _change_store(dice: random.Random, whole: Recording, path: Path) -> None:
    path.write_bytes(whole.store)
    if dice.random() < 0.25:
        path.write_bytes(flipped(dice, whole.store))
        return

    def change(connection: sqlite3.Connection) -> None:
        for _ in range(dice.choice((1, 1, 2, 4))):
            dice.choice(_STORE_CHANGES)(dice, connection)

    try:
        change_store(path, change)
        if dice.random() < 0.08:
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                _schema(dice, connection)
        if dice.random() < 0.1:
            break_promises(dice, path)
    except (sqlite3.Error, OverflowError, TypeError, ValueError, zstandard.ZstdError):
        pass  # what SQLite itself does not take, or a part that was made to be none; the file is as far as it came


def _any_value(dice: random.Random, connection: sqlite3.Connection) -> None:
    table = dice.choice(("snapshots", "pages", "images", "bookmarks", "interval_index", "disk_contents", "meta",
                         "outputs", "events", "branches"))  # fmt: skip
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    rows = [row[0] for row in connection.execute(f"SELECT rowid FROM {table}")]
    if rows:
        change = f"UPDATE {table} SET {dice.choice(columns)} = ? WHERE rowid = ?"
        connection.execute(change, (dice.choice(ODD_VALUES), dice.choice(rows)))


def _snapshot(dice: random.Random, connection: sqlite3.Connection, column: str) -> tuple[int, bytes]:
    rows = connection.execute(f"SELECT id, {column} FROM snapshots ORDER BY id").fetchall()
    number, data = dice.choice(rows[:1] + rows) if rows else (0, b"")
    return number, unpacked(data) if isinstance(data, bytes) else b""


def _put(connection: sqlite3.Connection, column: str, number: int, data: bytes) -> None:
    connection.execute(f"UPDATE snapshots SET {column} = ? WHERE id = ?", (packed(data), number))


def _cpu(dice: random.Random, connection: sqlite3.Connection) -> None:
    number, data = _snapshot(dice, connection, "cpu")
    words = bytearray(data)
    for _ in range(dice.choice((1, 1, 3))):
        at = 4 * dice.randrange(max(1, len(words) // 4))
        # The front, and the TLB's count at its end, are the likeliest to do harm.
        at = dice.choice((at, at % TLB_COUNT_AT, TLB_COUNT_AT))
        words[at : at + 4] = (dice.choice(NUMBERS) & 0xFFFFFFFF).to_bytes(4, "little")
    _put(connection, "cpu", number, bytes(words) if dice.random() < 0.95 else flipped(dice, data))


def _devices(dice: random.Random, connection: sqlite3.Connection) -> None:
    number, data = _snapshot(dice, connection, "devices")
    if dice.random() < 0.2:
        _put(connection, "devices", number, flipped(dice, data))
        return
    parts = msgpack.unpackb(data, strict_map_key=False)
    _change_somewhere(dice, parts)
    _put(connection, "devices", number, msgpack.packb(parts))


def _change_somewhere(dice: random.Random, parts: object) -> None:
    while True:
        keys: list[object] = list(parts) if isinstance(parts, dict) else list(range(len(parts)))  # type: ignore[arg-type]
        if not keys:
            return
        key = dice.choice(keys)
        inner = parts[key]  # type: ignore[index]
        if isinstance(inner, (list, dict)) and inner and dice.random() < 0.9:
            parts = inner
            continue
        value = dice.choice((None, True, -1, b"", b"x" * 100, "text", [], {}, *(n for n in NUMBERS if n >= 0)))
        parts[key] = value  # type: ignore[index]
        return


def _table(dice: random.Random, connection: sqlite3.Connection) -> None:
    number, data = _snapshot(dice, connection, "page_table")
    if dice.random() < 0.1:
        _put(connection, "page_table", number, bytes(dice.choice((1, 3, 1 << 20, 5 << 20, 64 << 20))))
        return
    table = np.frombuffer(data[: len(data) & ~3], "<u4").copy()
    used = table[table != 0]
    length = dice.choice((len(table), len(table) + 1, 129, 130, 1 << 18, 1 << 20))
    longer = np.zeros(max(length, 1), np.uint32)
    longer[: min(len(table), length)] = table[:length]
    longer[dice.randrange(len(longer))] = dice.choice((*used[:3].tolist(), 0xFFFFFFFF, 999))
    _put(connection, "page_table", number, longer.astype("<u4").tobytes())


def _page(dice: random.Random, connection: sqlite3.Connection) -> None:
    rows = [row[0] for row in connection.execute("SELECT id FROM pages")]
    size = dice.choice((0, 1, 4095, 4097, 1 << 20, 64 << 20))
    connection.execute("UPDATE pages SET data = ? WHERE id = ?", (packed(bytes(size)), dice.choice(rows)))


def _index(dice: random.Random, connection: sqlite3.Connection) -> None:
    empty = packed(bytes((0x92, _VERSION, 0x90)))
    (data,) = connection.execute("SELECT data FROM interval_index").fetchone() or (empty,)
    changed = packed(flipped(dice, unpacked(data))) if isinstance(data, bytes) else b""
    if dice.random() < 0.2:
        changed = packed(bytes((0x92, _VERSION)) + b"\xdd\xff\xff\xff\xff" + b"\x90" * dice.choice((10, 30_000_000)))
    check = hashlib.blake2b(changed, digest_size=16).digest()
    connection.execute("UPDATE interval_index SET data = ?, check_sum = ?", (changed, check))


def _notes(dice: random.Random, connection: sqlite3.Connection) -> None:
    change_notes(dice, connection, flipped, NUMBERS)


def _schema(dice: random.Random, connection: sqlite3.Connection) -> None:
    table = dice.choice(("snapshots", "pages", "images", "bookmarks", "interval_index", "meta",
                         "outputs", "events", "branches"))  # fmt: skip
    columns = ", ".join(f"1 AS {row[1]}" for row in connection.execute(f"PRAGMA table_info({table})"))
    connection.execute(f"DROP TABLE {table}")
    if dice.random() < 0.5:
        endless = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x FROM t)"
        connection.execute(f"CREATE VIEW {table} AS {endless} SELECT {columns} FROM t")


_STORE_CHANGES: tuple[Callable[[random.Random, sqlite3.Connection], None], ...] = (
    _any_value, _any_value, _cpu, _cpu, _cpu, _devices, _devices, _devices, _table, _table, _page, _index,
    _notes, _notes,
)  # fmt: skip
