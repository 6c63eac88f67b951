"""The binary format of a journal, described with construct.

A journal is a file header, then chunks to the end of the file. All fixed-size numbers are little endian; VarInt is
7 bits a byte, low bits first. See ``docs/recording.md``.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

import construct as c

from rdbg.emu.inputs import InputKind
from rdbg.emu.spec import Image, MachineSpec, Semihosting
from rdbg.errors import RdbgError
from rdbg.journal.header import IMAGE_DIGEST_SIZE, ImageReference, JournalHeader
from rdbg.journal.records import Record

#: The first byte is no ASCII and the line ends are of both sorts, so that a text-mode copy is noticed (as in PNG).
MAGIC = b"\x89rdbgJ\r\n"
VERSION = 3
#: Of a zip archive, which `rdbg pack` makes.
PACK_MAGIC = b"PK\x03\x04"
CHUNK_MAGIC = b"RCHK"

#: A header holds words and digests, no images; more than this is damage.
MAX_HEADER_BODY = 4 << 20
_MOST_IMAGES = 64
_MOST_WORDS = 1 << 16
#: A chunk holds some KiB, or one big write of the debugger; more than this is damage.
MAX_PAYLOAD = 256 << 20
MAX_RECORDS = 1 << 16
#: Values and lengths are 64 bits.
LIMIT = 1 << 64
#: Positions end here, so that virtual time, with the largest shift, stays below 2^62 ns.
LAST_POSITION = 1 << 52
_LAST_NS = 1 << 62
_MOST_PORT = 1 << 16

#: The years 1 to 9999, in seconds after 1970: what dates can be written for.
_FIRST_DATE, _LAST_DATE = -62_135_596_800, 253_402_300_800
#: -icount takes 10 at most, as QEMU's; beyond, a guest's timers fire more often than instructions retire.
_MOST_SHIFT = 10
_KIND_BITS = 0x1F
_HAS_PORT = 0x20
_HAS_VALUE = 0x40
_HAS_DATA = 0x80


class _Number(c.Construct):  # type: ignore[misc]  # construct has no types
    """c.VarInt of 64 bits: without a bound, a megabyte of it would be one number."""

    _MOST_BYTES = 10

    def _parse(self, stream: BinaryIO, context: object, path: str) -> int:
        value = 0
        for shift in range(0, 7 * self._MOST_BYTES, 7):
            byte = stream.read(1)
            if not byte:
                raise c.StreamError("the data ends in a number", path=path)
            value |= (byte[0] & 0x7F) << shift
            if not byte[0] & 0x80:
                break
        if byte[0] & 0x80 or value >= LIMIT:
            raise c.IntegerError("a number of more than 64 bits", path=path)
        return value

    def _build(self, obj: int, stream: BinaryIO, context: object, path: str) -> int:
        value: int = c.VarInt._build(obj, stream, context, path)
        return value


_VarInt = _Number()
_Text = c.Prefixed(_VarInt, c.GreedyBytes)


def _few(most: int) -> c.Construct:
    """A count that is looked at before anything is allocated for so many."""
    return c.ExprValidator(_VarInt, lambda count, context: count <= most)


_Image = c.Struct(
    "role" / _Text,
    "path" / _Text,
    "length" / c.Int64ul,
    "digest" / c.Bytes(IMAGE_DIGEST_SIZE),
)

_Semihosting = c.Struct(
    "arguments" / c.PrefixedArray(_few(_MOST_WORDS), _Text),
    "in_user_mode" / c.Flag,
    "has_input" / c.Flag,
)

HeaderBody = c.Struct(
    "recording_id" / c.Bytes(16),
    "created" / c.Int64ul,
    "rdbg_version" / _Text,
    "board" / _Text,
    "cpu" / _Text,
    "big_endian" / c.Flag,
    "ram_bytes" / c.Int64ul,
    "shift" / c.Int8ul,
    "append" / _Text,
    "rtc_base" / c.Int64sl,
    "sleep" / c.Flag,
    "reboot" / c.Flag,
    "images" / c.PrefixedArray(_few(_MOST_IMAGES), _Image),
    "command_line" / c.PrefixedArray(_few(_MOST_WORDS), _Text),
    "initial_snapshot" / _Text,
    "start" / c.Int64ul,
    "semihosting" / c.Optional(_Semihosting),  # absent: the machine has none
    c.Terminated,
)

FileHeader = c.Struct(
    "magic" / c.Bytes(len(MAGIC)),
    "version" / c.Int16ul,
    "reserved" / c.Int16ul,
    "length" / c.Int32ul,  # of the body
    "crc" / c.Int32ul,  # of the body
)

#: ``ordinal``: number of the chunk's first record in the file, so that a missing chunk shows.
#: ``last``: no input up to here is missing; at least the icount of the last record.
#: ``kinds``: bit n: there is a record of kind n, so that a reader skips chunks without parsing them.
ChunkHeader = c.Struct(
    "magic" / c.Const(CHUNK_MAGIC),
    "ordinal" / c.Int64ul,
    "first" / c.Int64ul,
    "last" / c.Int64ul,
    "count" / c.Int32ul,
    "length" / c.Int32ul,
    "kinds" / c.Int32ul,
    "payload_crc" / c.Int32ul,
    "header_crc" / c.Int32ul,  # of the bytes before it
)

#: ``tag``: the kind in 5 bits, and which of the optional fields follow. ``delta``: icounts since the record before it
#: in the chunk (the first: since the chunk's ``first``).
RecordFormat = c.Struct(
    "tag" / c.Int8ul,
    "delta" / _VarInt,
    "port" / c.If(c.this.tag & _HAS_PORT, _VarInt),
    "value" / c.If(c.this.tag & _HAS_VALUE, _VarInt),
    "data" / c.If(c.this.tag & _HAS_DATA, c.Prefixed(_VarInt, c.GreedyBytes)),
)

FILE_HEADER_SIZE = int(FileHeader.sizeof())
CHUNK_HEADER_SIZE = int(ChunkHeader.sizeof())

#: A chunk's records; their number comes with the call.
Payload = c.Struct("records" / c.Array(c.this._params.count, RecordFormat), c.Terminated)

# The compiled form parses a record in 4 microseconds instead of 25. Only parsing: it is the path of a long replay.
_parse_payload = Payload.compile().parse
_parse_chunk_header = ChunkHeader.compile().parse


@dataclass(frozen=True)
class Chunk:
    """A chunk's header and where it stands.

    Args:
        offset: byte offset of its header in the file.
        ordinal: number of its first record.
        first: icount of its first record.
        last: no input up to this icount is missing.
        count: records.
        length: bytes of payload.
        kinds: bit n is set when there is a record of kind n.
        payload_crc: CRC32 of the payload.
    """

    offset: int
    ordinal: int
    first: int
    last: int
    count: int
    length: int
    kinds: int
    payload_crc: int

    @property
    def end_offset(self) -> int:
        """Byte offset just after the payload."""
        return self.offset + CHUNK_HEADER_SIZE + self.length


def build_header(header: JournalHeader) -> bytes:
    """The bytes that a journal starts with.

    Raises:
        RdbgError: there is more in it than a reader takes.
    """
    machine = header.machine
    if len(header.command_line) > _MOST_WORDS:
        raise RdbgError(
            f"the command line has {len(header.command_line)} words, and a recording keeps {_MOST_WORDS}; use fewer"
        )
    body = bytes(
        HeaderBody.build(
            {
                "recording_id": header.recording_id,
                "created": header.created,
                "rdbg_version": _encode(header.rdbg_version),
                "board": _encode(machine.board),
                "cpu": _encode(machine.cpu),
                "big_endian": machine.big_endian,
                "ram_bytes": machine.ram_bytes,
                "shift": machine.shift,
                "append": _encode(machine.append),
                "rtc_base": machine.rtc_base,
                "sleep": machine.sleep,
                "reboot": machine.reboot,
                "images": [
                    {
                        "role": _encode(image.role),
                        "path": _encode(image.path),
                        "length": image.length,
                        "digest": image.digest,
                    }
                    for image in header.images
                ],
                "command_line": [_encode(word) for word in header.command_line],
                "initial_snapshot": _encode(header.initial_snapshot),
                "start": header.start,
                "semihosting": None if machine.semihosting is None else _build_semihosting(machine.semihosting),
            }
        )
    )
    if len(body) > MAX_HEADER_BODY:
        raise RdbgError(f"command line and file names take {len(body)} bytes, and a recording keeps {MAX_HEADER_BODY}")
    fields = {"magic": MAGIC, "version": VERSION, "reserved": 0, "length": len(body), "crc": zlib.crc32(body)}
    return bytes(FileHeader.build(fields)) + body


def _build_semihosting(semihosting: Semihosting) -> dict[str, object]:
    return {
        "arguments": [_encode(word) for word in semihosting.arguments],
        "in_user_mode": semihosting.in_user_mode,
        "has_input": semihosting.has_input,
    }


def _parse_semihosting(fields: c.Container) -> Semihosting:
    arguments = tuple(_decode(word) for word in fields.arguments)
    return Semihosting(arguments, fields.in_user_mode, fields.has_input)


def parse_file_header(path: str, data: bytes) -> tuple[int, int]:
    """Length and CRC32 of the header's body.

    Args:
        path: the file's name, for messages.
        data: the first bytes of the file, FILE_HEADER_SIZE of them if it has as many.

    Raises:
        RdbgError: not a journal, another version, or cut off.
    """
    if not data:
        raise RdbgError(f"{path}: this file is empty, not an rdbg journal; record again")
    if data[: len(MAGIC)] != MAGIC[: len(data)]:
        if data[1:6] == MAGIC[1:6]:
            raise RdbgError(f"{path}: this journal was changed by a text-mode copy; copy it again as binary")
        if data[: len(PACK_MAGIC)] == PACK_MAGIC:
            raise RdbgError(
                f"{path}: this is a packed recording; take it out with rdbg unpack {path} NAME, and use NAME"
            )
        raise RdbgError(f"{path}: not an rdbg journal (no magic number at offset 0); give a file that rdbg recorded")
    if len(data) < FILE_HEADER_SIZE:
        raise RdbgError(f"{path}: this journal is cut off at offset {len(data)}, inside its header; record again")
    fields = FileHeader.parse(data)
    if fields.version != VERSION:
        raise RdbgError(
            f"{path}: this journal has format version {fields.version}, and this rdbg reads version {VERSION}; "
            "use the rdbg that recorded it"
        )
    if fields.length > MAX_HEADER_BODY:
        raise RdbgError(f"{path}: this journal's header is damaged (body of {fields.length} bytes at offset 12)")
    return int(fields.length), int(fields.crc)


def parse_header_body(path: str, body: bytes, length: int, crc: int) -> JournalHeader:
    """The header from its body.

    Args:
        path: the file's name, for messages.
        body: as many of the body's bytes as the file has.
        length: what it should have.
        crc: CRC32 that the body should have.

    Raises:
        RdbgError: cut off or damaged.
    """
    if len(body) < length:
        offset = FILE_HEADER_SIZE + len(body)
        raise RdbgError(f"{path}: this journal is cut off at offset {offset}, inside its header; record again")
    if zlib.crc32(body) != crc:
        raise RdbgError(f"{path}: this journal's header is damaged (CRC mismatch at offset {FILE_HEADER_SIZE})")
    try:
        fields = HeaderBody.parse(body)
    except c.ConstructError as error:
        raise RdbgError(f"{path}: this journal's header is malformed ({_one_line(error)})") from error
    if not _FIRST_DATE <= fields.rtc_base < _LAST_DATE:
        raise RdbgError(f"{path}: this journal's header is malformed (its clock starts {fields.rtc_base} s after 1970)")
    if fields.start >= LAST_POSITION:
        raise RdbgError(f"{path}: this journal's header is malformed (it starts at icount {fields.start})")
    if fields.shift > _MOST_SHIFT:
        raise RdbgError(f"{path}: this journal's header is malformed (2^{fields.shift} ns per instruction)")
    machine = MachineSpec(
        board=_decode(fields.board),
        cpu=_decode(fields.cpu),
        big_endian=fields.big_endian,
        ram_bytes=fields.ram_bytes,
        shift=fields.shift,
        images=tuple(Image(_decode(image.role), _decode(image.path), b"") for image in fields.images),
        append=_decode(fields.append),
        rtc_base=fields.rtc_base,
        sleep=fields.sleep,
        reboot=fields.reboot,
        semihosting=None if fields.semihosting is None else _parse_semihosting(fields.semihosting),
    )
    return JournalHeader(
        recording_id=fields.recording_id,
        created=fields.created,
        rdbg_version=_decode(fields.rdbg_version),
        machine=machine,
        images=tuple(
            ImageReference(_decode(image.role), _decode(image.path), image.length, image.digest)
            for image in fields.images
        ),
        command_line=tuple(_decode(word) for word in fields.command_line),
        initial_snapshot=_decode(fields.initial_snapshot),
        start=fields.start,
    )


def build_record(record: Record, previous: int) -> bytes:
    """A record's bytes.

    Args:
        record: the record.
        previous: icount of the record before it in the chunk, or the chunk's ``first``.
    """
    tag = record.kind
    if record.port:
        tag |= _HAS_PORT
    if record.value:
        tag |= _HAS_VALUE
    if record.data:
        tag |= _HAS_DATA
    fields = {
        "tag": tag,
        "delta": record.icount - previous,
        "port": record.port,
        "value": record.value,
        "data": record.data,
    }
    return bytes(RecordFormat.build(fields))


def build_chunk(ordinal: int, first: int, last: int, kinds: int, records: Sequence[bytes]) -> bytes:
    """A whole chunk of records built by `build_record`."""
    payload = b"".join(records)
    fields = {
        "ordinal": ordinal,
        "first": first,
        "last": last,
        "count": len(records),
        "length": len(payload),
        "kinds": kinds,
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
    if fields.length > MAX_PAYLOAD or fields.count > MAX_RECORDS or fields.last >= LAST_POSITION:
        return None
    return Chunk(
        offset=offset,
        ordinal=fields.ordinal,
        first=fields.first,
        last=fields.last,
        count=fields.count,
        length=fields.length,
        kinds=fields.kinds,
        payload_crc=fields.payload_crc,
    )


def parse_payload(chunk: Chunk, payload: bytes) -> list[Record] | None:
    """The records of a chunk, or None if the bytes are not what its header says."""
    if len(payload) != chunk.length or zlib.crc32(payload) != chunk.payload_crc:
        return None
    try:
        parsed = _parse_payload(payload, count=chunk.count).records
    except (c.ConstructError, struct.error):  # the latter comes from compiled parsers at the end of the data
        return None
    records = []
    icount = chunk.first
    for fields in parsed:
        icount += fields.delta
        record = Record(icount, fields.tag & _KIND_BITS, fields.port or 0, fields.value or 0, fields.data or b"")
        if record.port >= _MOST_PORT or (record.kind == InputKind.WAKE and record.value >= _LAST_NS):
            return None
        records.append(record)
    if icount > max(chunk.last, chunk.first):
        return None
    return records


def _encode(text: str) -> bytes:
    # Paths may hold bytes that are no UTF-8.
    return text.encode("utf-8", "surrogateescape")


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
