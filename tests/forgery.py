"""Changes to recordings that their check sums do not tell: what somebody who means harm would send."""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import zstandard

from rdbg.emu.cpu_record import record_fields
from rdbg.journal.chunks import CHUNK_HEADER_SIZE, CHUNK_MAGIC
from rdbg.journal.file_header import FILE_HEADER_SIZE
from rdbg.journal.reader import JournalReader
from rdbg.journal.records import KIND_DIGEST
from rdbg.store.snapshot_store import _check_sum

#: Where each field of a saved CPU state stands, in bytes from its start.
CPU_FIELDS = {field.name: field.offset for field in record_fields()}
TLB_COUNT_AT = CPU_FIELDS["guest.tlb_count"]

_SUMMED = "name, icount, virtual_ns, created, digest, size, initial, entered, output, cpu, devices, page_table"


def sealed_journal(journal: bytes) -> bytes:
    """A journal with right check sums, whatever else is in it."""
    data = bytearray(journal)
    if len(data) >= FILE_HEADER_SIZE:
        length = int.from_bytes(data[12:16], "little")
        body = data[FILE_HEADER_SIZE : FILE_HEADER_SIZE + length]
        data[16:20] = zlib.crc32(body).to_bytes(4, "little")
    at = data.find(CHUNK_MAGIC)
    while 0 <= at <= len(data) - CHUNK_HEADER_SIZE:
        (length,) = struct.unpack_from("<I", data, at + 32)
        end = at + CHUNK_HEADER_SIZE
        struct.pack_into("<I", data, at + 48, zlib.crc32(data[end : end + length]))
        struct.pack_into("<I", data, at + 52, zlib.crc32(data[at : at + 52]))
        at = data.find(CHUNK_MAGIC, end)
    return bytes(data)


def forge_digests(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Let the first digest record of a recording have other data.

    Args:
        path: of the journal.
        change: gives them, as many bytes.
    """
    reader = JournalReader(str(path))
    digest = next(record.data for record in reader.records() if record.kind == KIND_DIGEST)
    reader.close()
    journal = path.read_bytes()
    assert journal.count(digest) == 1
    forged = change(digest)
    assert len(forged) == len(digest)
    path.write_bytes(sealed_journal(journal.replace(digest, forged)))


def change_store(path: Path, change: Callable[[sqlite3.Connection], None]) -> None:
    """Change a snapshot store in any way, and make its rows' check sums right again.

    Args:
        path: the store.
        change: is given a connection to it.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        change(store)
        for number, *row in store.execute(f"SELECT id, {_SUMMED} FROM snapshots").fetchall():
            store.execute("UPDATE snapshots SET check_sum = ? WHERE id = ?", (_check_sum(row), number))
        store.execute("PRAGMA journal_mode = DELETE")


def packed(data: bytes) -> bytes:
    """Compressed as a store's parts are."""
    return zstandard.ZstdCompressor(level=1).compress(data)


def unpacked(data: bytes) -> bytes:
    """The reverse."""
    return zstandard.ZstdDecompressor().decompress(data)


def put_null(path: Path, table: str, column: str) -> None:
    """Put NULL into a column of all rows of a store's table, though its schema forbids it.

    Args:
        path: of the store.
        table: which.
        column: of it.
    """
    statement = "UPDATE sqlite_master SET sql = ? WHERE name = ?"
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        (sql,) = store.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        store.execute("PRAGMA writable_schema = ON")
        store.execute(statement, (sql.replace(" NOT NULL", ""), table))
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute(f"UPDATE {table} SET {column} = NULL")
        store.execute("PRAGMA writable_schema = ON")
        store.execute(statement, (sql, table))
