"""Intel's hexadecimal files: lines of bytes with their addresses (Hexadecimal Object File Format, revision A)."""

from __future__ import annotations

from rdbg.quick_dataclass import dataclass

_DATA, _END, _SEGMENT, _SEGMENT_START, _UPPER, _START = range(6)


@dataclass(frozen=True)
class HexFile:
    """What such a file asks for.

    Args:
        pieces: address and bytes of each, in the order of the file; lines that follow one another are one.
        start: where it is to be started, or None.
    """

    pieces: tuple[tuple[int, bytes], ...]
    start: int | None


def parse_hex(data: bytes) -> HexFile | None:
    """Read such a file; None: it is none, or a line of it is wrong: then it is taken for raw bytes, as by QEMU."""
    if not data.startswith(b":"):
        return None
    pieces: list[tuple[int, bytearray]] = []
    start: int | None = None
    base = 0
    for line in data.split():
        record = _record(line)
        if record is None:
            return None
        address, kind, content = record
        number = int.from_bytes(content, "big")
        if kind == _DATA:
            address += base
            if pieces and address == pieces[-1][0] + len(pieces[-1][1]):
                pieces[-1][1].extend(content)
            elif content:
                pieces.append((address, bytearray(content)))
        elif kind == _END:
            return HexFile(tuple((at, bytes(piece)) for at, piece in pieces), start)
        elif kind in (_SEGMENT, _UPPER) and len(content) == 2:
            base = number << (4 if kind == _SEGMENT else 16)
        elif kind in (_SEGMENT_START, _START) and len(content) == 4:
            start = number
        else:
            return None
    return None  # without an end


def _record(line: bytes) -> tuple[int, int, bytes] | None:
    """Address, kind and bytes of a line; None: it is none."""
    try:
        record = bytes.fromhex(line.removeprefix(b":").decode())
    except (ValueError, UnicodeDecodeError):
        return None
    if not line.startswith(b":") or len(record) < 5 or record[0] != len(record) - 5 or sum(record) & 0xFF:
        return None
    return int.from_bytes(record[1:3], "big"), record[3], record[4:-1]
