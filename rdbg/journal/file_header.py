"""The bytes that a journal starts with, described with construct. See ``docs/recording.md``."""

from __future__ import annotations

import zlib

import construct as c

from rdbg.emu.spec import Drive, Image, MachineSpec, Plugged, Semihosting
from rdbg.errors import RdbgError
from rdbg.journal.header import IMAGE_DIGEST_SIZE, ImageReference, JournalHeader
from rdbg.journal.numbers import DATA, LAST_POSITION, VAR_INT

#: The first byte is no ASCII and the line ends are of both sorts, so that a text-mode copy is noticed (as in PNG).
MAGIC = b"\x89rdbgJ\r\n"
VERSION = 5
#: Of a zip archive, which `rdbg pack` makes.
PACK_MAGIC = b"PK\x03\x04"

#: A header holds words and digests, no images; more than this is damage.
MAX_HEADER_BODY = 4 << 20
_MOST_IMAGES = 64
_MOST_DRIVES = 64
_MOST_CARDS = 64
_MOST_PROPERTIES = 256
_MAC_SIZE = 6
_MOST_WORDS = 1 << 16
#: The years 1 to 9999, in seconds after 1970: what dates can be written for.
_FIRST_DATE, _LAST_DATE = -62_135_596_800, 253_402_300_800
#: -icount takes 10 at most, as QEMU's; beyond, a guest's timers fire more often than instructions retire.
_MOST_SHIFT = 10


def _few(most: int) -> c.Construct:
    """A count that is looked at before anything is allocated for so many."""
    return c.ExprValidator(VAR_INT, lambda count, context: count <= most)


def _maybe(kind: c.Construct) -> c.Construct:
    """A value that may be missing: how many there are, 0 or 1, and the value."""
    return c.PrefixedArray(_few(1), kind)


_Image = c.Struct(
    "role" / DATA,
    "path" / DATA,
    "length" / c.Int64ul,
    "digest" / c.Bytes(IMAGE_DIGEST_SIZE),
)

_Semihosting = c.Struct(
    "arguments" / c.PrefixedArray(_few(_MOST_WORDS), DATA),
    "in_user_mode" / c.Flag,
    "has_input" / c.Flag,
)

_Drive = c.Struct(
    "name" / DATA,
    "bus" / DATA,
    "index" / c.Int8ul,
    "media" / DATA,
    "size_bytes" / c.Int64ul,
    "read_only" / c.Flag,
    "serial" / DATA,
)

_Property = c.Struct("name" / DATA, "value" / DATA)

_Plugged = c.Struct(
    "model" / DATA,
    "name" / DATA,
    "slot" / _maybe(c.Int8ul),
    "bus" / DATA,
    "drive" / _maybe(DATA),
    "nic" / _maybe(c.Int8ul),
    "mac" / _maybe(c.Bytes(_MAC_SIZE)),
    "console" / _maybe(c.Int8ul),
    "properties" / c.PrefixedArray(_few(_MOST_PROPERTIES), _Property),
)

HeaderBody = c.Struct(
    "recording_id" / c.Bytes(16),
    "created" / c.Int64ul,
    "rdbg_version" / DATA,
    "board" / DATA,
    "cpu" / DATA,
    "big_endian" / c.Flag,
    "ram_bytes" / c.Int64ul,
    "shift" / c.Int8ul,
    "append" / DATA,
    "rtc_base" / c.Int64sl,
    "sleep" / c.Flag,
    "reboot" / c.Flag,
    "images" / c.PrefixedArray(_few(_MOST_IMAGES), _Image),
    "command_line" / c.PrefixedArray(_few(_MOST_WORDS), DATA),
    "initial_snapshot" / DATA,
    "start" / c.Int64ul,
    "drives" / c.PrefixedArray(_few(_MOST_DRIVES), _Drive),
    "plugged" / c.PrefixedArray(_few(_MOST_CARDS), _Plugged),
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

FILE_HEADER_SIZE = int(FileHeader.sizeof())


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
                "drives": [_build_drive(drive) for drive in machine.drives],
                "plugged": [_build_plugged(card) for card in machine.plugged],
                "semihosting": None if machine.semihosting is None else _build_semihosting(machine.semihosting),
            }
        )
    )
    if len(body) > MAX_HEADER_BODY:
        raise RdbgError(f"command line and file names take {len(body)} bytes, and a recording keeps {MAX_HEADER_BODY}")
    fields = {"magic": MAGIC, "version": VERSION, "reserved": 0, "length": len(body), "crc": zlib.crc32(body)}
    return bytes(FileHeader.build(fields)) + body


def _build_plugged(card: Plugged) -> dict[str, object]:
    return {
        "model": _encode(card.model),
        "name": _encode(card.name),
        "slot": _one_or_none(card.slot),
        "bus": _encode(card.bus),
        "drive": [] if card.drive is None else [_encode(card.drive)],
        "nic": _one_or_none(card.nic),
        "mac": _one_or_none(card.mac),
        "console": _one_or_none(card.console),
        "properties": [{"name": _encode(name), "value": _encode(value)} for name, value in card.properties],
    }


def _parse_plugged(fields: c.Container) -> Plugged:
    return Plugged(
        model=_decode(fields.model),
        name=_decode(fields.name),
        slot=next(iter(fields.slot), None),
        bus=_decode(fields.bus),
        drive=next((_decode(name) for name in fields.drive), None),
        nic=next(iter(fields.nic), None),
        mac=next((bytes(mac) for mac in fields.mac), None),
        console=next(iter(fields.console), None),
        properties=tuple((_decode(said.name), _decode(said.value)) for said in fields.properties),
    )


def _one_or_none(value: object) -> list[object]:
    return [] if value is None else [value]


def _build_drive(drive: Drive) -> dict[str, object]:
    return {
        "name": _encode(drive.name),
        "bus": _encode(drive.bus),
        "index": drive.index,
        "media": _encode(drive.media),
        "size_bytes": drive.size_bytes,
        "read_only": drive.read_only,
        "serial": _encode(drive.serial),
    }


def _parse_drive(fields: c.Container) -> Drive:
    return Drive(
        name=_decode(fields.name),
        bus=_decode(fields.bus),
        index=fields.index,
        media=_decode(fields.media),
        size_bytes=fields.size_bytes,
        read_only=fields.read_only,
        serial=_decode(fields.serial),
    )


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
        drives=tuple(_parse_drive(drive) for drive in fields.drives),
        plugged=tuple(_parse_plugged(card) for card in fields.plugged),
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


def _encode(text: str) -> bytes:
    # Paths may hold bytes that are no UTF-8.
    return text.encode("utf-8", "surrogateescape")


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
