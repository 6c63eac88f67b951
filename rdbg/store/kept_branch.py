"""A branch that is kept beside its recording, as bytes for the store."""

from __future__ import annotations

from collections.abc import Sequence

import construct as c

from rdbg.emu.inputs import InputKind
from rdbg.errors import RdbgError
from rdbg.journal.chunks import (
    CHUNK_HEADER_SIZE,
    build_chunk,
    build_record,
    parse_chunk_header,
    parse_payload,
)
from rdbg.journal.numbers import LAST_POSITION, VAR_INT
from rdbg.journal.records import DIGEST_KINDS, INPUT_KINDS, KIND_END, EndOfRun, Record, end_of, record_of_end
from rdbg.journal.writer import CHUNK_BYTES, CHUNK_RECORDS
from rdbg.quick_dataclass import dataclass

#: Grows when the bytes, or what they mean, change.
VERSION = 1
_DIGEST_BYTES = 16
NO_DIGEST = bytes(_DIGEST_BYTES)

_Header = c.Struct(
    "version" / c.Int8ul,
    "fork" / VAR_INT,
    "entered" / VAR_INT,
    "shared" / VAR_INT,
    "position" / VAR_INT,
    "end" / VAR_INT,
    "digest" / c.Bytes(_DIGEST_BYTES),
    "count" / VAR_INT,
    "chunks" / c.GreedyBytes,
)


@dataclass(frozen=True)
class KeptBranch:
    """Another future of a recorded run.

    Args:
        fork: icount at which it left the run.
        entered: how many of the inputs at ``fork`` had entered.
        shared: records of the run's journal that are its own past, too.
        position: icount where the user stood on it last.
        end: its last icount.
        digest: the machine's digest at ``position``; zeros: it is not known.
        records: what came after those that it shares.
        finished: how it ended; None: it can go on.
    """

    fork: int
    entered: int
    shared: int
    position: int
    end: int
    digest: bytes
    records: Sequence[Record] = ()
    finished: EndOfRun | None = None


def pack_branch(branch: KeptBranch) -> bytes:
    """The bytes of a branch."""
    records = [*branch.records, *([record_of_end(branch.finished)] if branch.finished is not None else [])]
    fields = {
        "version": VERSION,
        "fork": branch.fork,
        "entered": branch.entered,
        "shared": branch.shared,
        "position": branch.position,
        "end": branch.end,
        "digest": branch.digest,
        "count": len(records),
        "chunks": b"".join(_chunks(records)),
    }
    return bytes(_Header.build(fields))


def unpack_branch(name: str, data: bytes) -> KeptBranch:
    """What `pack_branch` was given.

    Args:
        name: of the branch, for messages.
        data: its bytes.

    Raises:
        RdbgError: they are of another version, or damaged.
    """
    if data[:1] and data[0] != VERSION:
        raise RdbgError(
            f"branch {name!r} is kept in version {data[0]}, and this rdbg reads version {VERSION}; use the rdbg that "
            "kept it"
        )
    try:
        fields = _Header.parse(data)
        records = _records(fields.chunks, fields.count)
        finished = end_of(records.pop()) if records and records[-1].kind == KIND_END else None
        icounts = [fields.fork, *(record.icount for record in records), fields.end]
        known = all(record.kind in INPUT_KINDS | DIGEST_KINDS for record in records)
        if icounts != sorted(icounts) or not known or not fields.position <= fields.end < LAST_POSITION:
            raise ValueError
    except (c.ConstructError, ValueError, OverflowError, MemoryError) as error:
        raise RdbgError(
            f"branch {name!r} is damaged in the snapshot store; delete it: monitor delbranch {name}"
        ) from error
    return KeptBranch(
        fields.fork, fields.entered, fields.shared, fields.position, fields.end, fields.digest, records, finished
    )


def _chunks(records: Sequence[Record]) -> list[bytes]:
    """Chunks as a journal has them."""
    made: list[bytes] = []
    at = 0
    while at < len(records):
        built: list[bytes] = []
        first = previous = records[at].icount
        kinds = packets = size = 0
        for record in records[at : at + CHUNK_RECORDS]:
            built.append(build_record(record, previous))
            previous, size, kinds = record.icount, size + len(built[-1]), kinds | 1 << record.kind
            packets += record.kind == InputKind.PACKET
            if size >= CHUNK_BYTES:
                break
        made.append(build_chunk(at, first, previous, kinds, packets, built))
        at += len(built)
    return made


def _records(chunks: bytes, count: int) -> list[Record]:
    found: list[Record] = []
    at = 0
    while at < len(chunks):
        chunk = parse_chunk_header(at, chunks[at : at + CHUNK_HEADER_SIZE])
        payload = None if chunk is None else parse_payload(chunk, chunks[at + CHUNK_HEADER_SIZE : chunk.end_offset])
        if chunk is None or payload is None or chunk.ordinal != len(found):
            raise ValueError
        found += payload
        at = chunk.end_offset
    if len(found) != count:
        raise ValueError
    return found
