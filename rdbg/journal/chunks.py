"""The bytes of a journal after its header: chunks of records to the end of the file, described with construct.

All fixed-size numbers are little endian. See ``docs/recording.md``.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import construct as c
import zstandard

from rdbg.emu.inputs import InputKind
from rdbg.journal.numbers import DATA, LAST_POSITION, VAR_INT, var_int
from rdbg.journal.records import Record

CHUNK_MAGIC = b"RCHK"

#: A chunk holds some KiB, or one big write of the debugger; more than this is damage.
MAX_PAYLOAD = 256 << 20
MAX_RECORDS = 1 << 16
_LAST_NS = 1 << 62
#: Payloads of fewer bytes stand as they are, and so do those that compression makes little shorter.
_WORTH_COMPRESSING = 2048
_MOST_PORT = 1 << 16

_KIND_BITS = 0x1F
_HAS_PORT = 0x20
_HAS_VALUE = 0x40
_HAS_DATA = 0x80


#: ``ordinal``: number of the chunk's first record in the file, so that a missing chunk shows.
#: ``last``: no input up to here is missing; at least the icount of the last record.
#: ``unpacked``: bytes of the payload before it was compressed; 0: it is not.
#: ``kinds``: bit n: there is a record of kind n, so that a reader skips chunks without parsing them.
#: ``packets``: records of kind PACKET, so that the packet of a number is found without parsing those before it.
ChunkHeader = c.Struct(
    "magic" / c.Const(CHUNK_MAGIC),
    "ordinal" / c.Int64ul,
    "first" / c.Int64ul,
    "last" / c.Int64ul,
    "count" / c.Int32ul,
    "length" / c.Int32ul,
    "unpacked" / c.Int32ul,
    "kinds" / c.Int32ul,
    "packets" / c.Int32ul,
    "payload_crc" / c.Int32ul,
    "header_crc" / c.Int32ul,  # of the bytes before it
)

#: ``tag``: the kind in 5 bits, and which of the optional fields follow. ``delta``: icounts since the record before it
#: in the chunk (the first: since the chunk's ``first``).
RecordFormat = c.Struct(
    "tag" / c.Int8ul,
    "delta" / VAR_INT,
    "port" / c.If(c.this.tag & _HAS_PORT, VAR_INT),
    "value" / c.If(c.this.tag & _HAS_VALUE, VAR_INT),
    "data" / c.If(c.this.tag & _HAS_DATA, DATA),
)

CHUNK_HEADER_SIZE = int(ChunkHeader.sizeof())

#: A chunk's records; their number comes with the call.
Payload = c.Struct("records" / c.Array(c.this._params.count, RecordFormat), c.Terminated)

# The compiled form parses a record in 4 microseconds instead of 25. Only parsing: it is the path of a long replay.
_parse_payload = Payload.compile().parse
_parse_chunk_header = ChunkHeader.compile().parse


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk's header and where it stands.

    Args:
        offset: byte offset of its header in the file.
        ordinal: number of its first record.
        first: icount of its first record.
        last: no input up to this icount is missing.
        count: records.
        length: bytes of payload, as they stand in the file.
        unpacked: bytes of it before it was compressed; 0: it is not.
        kinds: bit n is set when there is a record of kind n.
        packets: records of kind PACKET.
        payload_crc: CRC32 of the payload.
    """

    offset: int
    ordinal: int
    first: int
    last: int
    count: int
    length: int
    unpacked: int
    kinds: int
    packets: int
    payload_crc: int

    @property
    def end_offset(self) -> int:
        """Byte offset just after the payload."""
        return self.offset + CHUNK_HEADER_SIZE + self.length

    @property
    def records_bytes(self) -> int:
        """Bytes of its records."""
        return self.unpacked or self.length


def build_record(record: Record, previous: int) -> bytes:
    """A record's bytes.

    Args:
        record: the record.
        previous: icount of the record before it in the chunk, or the chunk's ``first``.
    """
    # As RecordFormat says, ten times as fast as construct does it: a download has thousands of packets a second.
    tag = record.kind
    data = record.data
    fields = [var_int(record.icount - previous)]
    if record.port:
        tag |= _HAS_PORT
        fields.append(var_int(record.port))
    if record.value:
        tag |= _HAS_VALUE
        fields.append(var_int(record.value))
    if data:
        tag |= _HAS_DATA
        fields += var_int(len(data)), data
    return bytes((tag,)) + b"".join(fields)


def build_chunk(ordinal: int, first: int, last: int, kinds: int, packets: int, records: Sequence[bytes]) -> bytes:
    """A whole chunk of records built by `build_record`.

    Args:
        ordinal: number of its first record.
        first: icount of its first record.
        last: no input up to this icount is missing.
        kinds: bit n is set when there is a record of kind n.
        packets: how many are of kind PACKET.
        records: their bytes.
    """
    payload = b"".join(records)
    unpacked = 0
    if len(payload) >= _WORTH_COMPRESSING:
        compressed = zstandard.ZstdCompressor(level=1).compress(payload)
        if len(compressed) < len(payload) * 7 // 8:
            payload, unpacked = compressed, len(payload)
    fields = {
        "ordinal": ordinal,
        "first": first,
        "last": last,
        "count": len(records),
        "length": len(payload),
        "unpacked": unpacked,
        "kinds": kinds,
        "packets": packets,
        "payload_crc": zlib.crc32(payload),
        "header_crc": 0,
    }
    head = bytes(ChunkHeader.build(fields))[:-4]
    return head + zlib.crc32(head).to_bytes(4, "little") + payload


def parse_chunk_header(offset: int, data: bytes) -> Chunk | None:
    """A chunk's header, or None if these CHUNK_HEADER_SIZE bytes are not a whole one.

    Args:
        offset: where they stand in the file.
        data: the bytes.
    """
    if len(data) < CHUNK_HEADER_SIZE or data[:4] != CHUNK_MAGIC:
        return None
    fields = _parse_chunk_header(data)
    if zlib.crc32(data[: CHUNK_HEADER_SIZE - 4]) != fields.header_crc:
        return None
    if max(fields.length, fields.unpacked) > MAX_PAYLOAD or fields.count > MAX_RECORDS or fields.last >= LAST_POSITION:
        return None
    return Chunk(
        offset=offset,
        ordinal=fields.ordinal,
        first=fields.first,
        last=fields.last,
        count=fields.count,
        length=fields.length,
        unpacked=fields.unpacked,
        kinds=fields.kinds,
        packets=fields.packets,
        payload_crc=fields.payload_crc,
    )


def parse_payload(chunk: Chunk, payload: bytes) -> list[Record] | None:
    """The records of a chunk, or None if the bytes are not what its header says."""
    if len(payload) != chunk.length or zlib.crc32(payload) != chunk.payload_crc:
        return None
    try:
        if chunk.unpacked:
            payload = _decompressed(payload, chunk.unpacked)
        parsed = _parse_payload(payload, count=chunk.count).records
    except (
        c.ConstructError,
        struct.error,
        zstandard.ZstdError,
    ):  # struct.error: of compiled parsers, at the data's end
        return None
    records = []
    icount = chunk.first
    for fields in parsed:
        icount += fields.delta
        record = Record(icount, fields.tag & _KIND_BITS, fields.port or 0, fields.value or 0, fields.data or b"")
        if record.port >= _MOST_PORT or (record.kind == InputKind.WAKE and record.value >= _LAST_NS):
            return None
        records.append(record)
    if (
        icount > max(chunk.last, chunk.first)
        or sum(record.kind == InputKind.PACKET for record in records) != chunk.packets
    ):
        return None
    return records


def _decompressed(payload: bytes, size: int) -> bytes:
    # What a frame says of its size is allocated, so it is looked at first.
    if zstandard.get_frame_parameters(payload).content_size != size:
        raise zstandard.ZstdError("not of the size that the chunk's header says")
    return zstandard.ZstdDecompressor().decompress(payload, max_output_size=size)
