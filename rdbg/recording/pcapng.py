"""A packet capture in pcapng's format (draft-ietf-opsawg-pcapng): a block for each packet, with its icount in words."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import BinaryIO

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
MAGIC = struct.pack("<I", _SECTION)  #: how a capture begins
_BYTE_ORDER, _VERSION, _UNKNOWN_LENGTH = 0x1A2B3C4D, (1, 0), -1
_ETHERNET = 1
_COMMENT, _USER_APPLICATION, _NAME, _MAC, _RESOLUTION, _FLAGS = 1, 4, 2, 6, 9, 2
_NANOSECONDS = 9  #: 10^-9 s
_INBOUND, _OUTBOUND = 1, 2


class PcapngWriter:
    """Writes a capture.

    Args:
        file: where to.
        cards: name and MAC address (6 bytes, or None) of each interface.
        application: who writes it.
    """

    def __init__(self, file: BinaryIO, cards: Sequence[tuple[str, bytes | None]], application: str) -> None:
        self._file = file
        head = struct.pack("<IHHq", _BYTE_ORDER, *_VERSION, _UNKNOWN_LENGTH)
        self._block(_SECTION, head + _options((_USER_APPLICATION, application.encode())))
        for name, mac in cards:
            said = [(_NAME, name.encode()), *([(_MAC, mac)] if mac is not None else [])]
            said.append((_RESOLUTION, bytes([_NANOSECONDS])))
            self._block(_INTERFACE, struct.pack("<HHI", _ETHERNET, 0, 0) + _options(*said))

    def add(self, card: int, nanoseconds: int, frame: bytes, incoming: bool, comment: str) -> None:
        """Add a packet.

        Args:
            card: number of the interface.
            nanoseconds: when, after 1970-01-01 UTC.
            frame: Ethernet, without FCS.
            incoming: the guest received it; else it sent it.
            comment: what is said of it.
        """
        stamp = max(nanoseconds, 0)
        head = struct.pack("<IIIII", card, stamp >> 32 & 0xFFFF_FFFF, stamp & 0xFFFF_FFFF, len(frame), len(frame))
        flags = struct.pack("<I", _INBOUND if incoming else _OUTBOUND)
        self._block(_PACKET, head + _padded(frame) + _options((_COMMENT, comment.encode()), (_FLAGS, flags)))

    def _block(self, kind: int, body: bytes) -> None:
        length = struct.pack("<I", 12 + len(body))
        self._file.write(struct.pack("<I", kind) + length + body + length)


def _options(*options: tuple[int, bytes]) -> bytes:
    made = b"".join(struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options)
    return made + bytes(4)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
