"""What a snapshot store has beside its snapshots, crafted: outputs, exceptions, branches that are kept."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rdbg.emu.endpoint import Endpoint, EndpointKind
from rdbg.emu.inputs import InputKind
from rdbg.emu.output_mark import OutputMark
from rdbg.journal.chunks import CHUNK_MAGIC
from rdbg.journal.file_header import FILE_HEADER_SIZE
from rdbg.journal.records import Record
from rdbg.store.event_rows import EVENT, pack_events
from rdbg.store.kept_branch import NO_DIGEST, KeptBranch, pack_branch, unpack_branch
from rdbg.store.notes import StoredEvents, StoredOutputs, StoreNotes
from rdbg.store.output_chunks import OutputChunk, pack_outputs
from tests.forgery import packed, sealed_journal, unpacked

_SERIAL, _DISK = Endpoint(EndpointKind.SERIAL, 0), Endpoint(EndpointKind.DISK, 0)
_OUTPUTS = 8

Flip = Callable[[random.Random, bytes], bytes]


def put_notes(notes: StoreNotes) -> None:
    """Put some of each into a store; the run is 20,000 instructions long."""
    for first in (0, _OUTPUTS):
        chunk = OutputChunk(
            (_SERIAL, _DISK),
            np.array([0, 1] * (_OUTPUTS // 2), np.uint8),
            np.arange(100 * first + 100, 100 * (first + _OUTPUTS) + 1, 100, np.uint64),
            np.array([3, 512] * (_OUTPUTS // 2), np.uint32),
            np.array([0, first] * (_OUTPUTS // 2), np.uint64),
            b"abc" * (_OUTPUTS // 2),
        )
        until = int(chunk.icounts[-1])
        notes.put_outputs([StoredOutputs(first, _OUTPUTS, until, OutputMark(), pack_outputs(chunk))])
    for start in (0, 10_000):
        rows = np.zeros(3, EVENT)
        rows["icount"] = [start + 10, start + 20, start + 9_000]
        rows["lines"] = [0, 4, 0]
        notes.put_events(StoredEvents(start, start + 10_000, pack_events(rows)))
    typed = Record(13_001, int(InputKind.SERIAL), 0, 0, b"other")
    written = Record(14_001, int(InputKind.POKE_REGISTER), 4, 7)
    notes.put_branch("kept", pack_branch(KeptBranch(12_000, 0, 0, 14_500, 15_000, NO_DIGEST, [typed, written])))
    notes.put_branch("empty", pack_branch(KeptBranch(5_000, 0, 0, 5_000, 5_000, NO_DIGEST)))


def change_notes(dice: random.Random, connection: sqlite3.Connection, flip: Flip, numbers: tuple[int, ...]) -> None:
    """Change something of what is beside the snapshots, its check sum made right again.

    Args:
        dice: random numbers.
        connection: to the store.
        flip: changes some bytes.
        numbers: that tend to do harm.
    """
    table = dice.choice(("outputs", "events", "branches", "branches"))
    rows = connection.execute(f"SELECT rowid, data FROM {table} ORDER BY rowid").fetchall()
    if not rows:
        return
    number, data = dice.choice(rows)
    if not isinstance(data, bytes):
        return
    if table != "branches":
        changed = packed(flip(dice, unpacked(data)) if dice.random() < 0.9 else bytes(dice.choice((0, 3, 64 << 20))))
        column = dice.choice(("first", "count", "until") if table == "outputs" else ("start", "until"))
        if dice.random() < 0.2:
            value = dice.choice(numbers) & ((1 << 63) - 1)
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, number))
    else:
        changed = _branch(dice, data, flip, numbers)
    check = hashlib.blake2b(changed, digest_size=16).digest()
    connection.execute(f"UPDATE {table} SET data = ?, check_sum = ? WHERE data = ?", (changed, check, data))


def _branch(dice: random.Random, data: bytes, flip: Flip, numbers: tuple[int, ...]) -> bytes:
    if dice.random() < 0.4:
        at = max(data.find(CHUNK_MAGIC), 0)
        head, chunks = data[:at], data[at:]
        if dice.random() < 0.5:
            return flip(dice, head) + chunks
        return head + sealed_journal(bytes(FILE_HEADER_SIZE) + flip(dice, chunks))[FILE_HEADER_SIZE:]
    branch = unpack_branch("kept", data)
    value = dice.choice((*numbers, 4_000, 12_500, 14_000, 20_001)) & ((1 << 64) - 1)
    field = dice.choice(("fork", "entered", "shared", "position", "end", "records"))
    if field != "records":
        return pack_branch(replace(branch, **{field: value}))
    made = Record(
        dice.choice((value, 12_000, 14_000, 14_900, 15_000)),
        int(dice.choice([*InputKind])),
        dice.choice((0, 1, 4, 70, 300)),
        dice.choice(numbers) & ((1 << 64) - 1),
        dice.choice((b"", b"x", bytes(5000))),
    )
    return pack_branch(replace(branch, records=sorted([*branch.records, made], key=lambda record: record.icount)))
