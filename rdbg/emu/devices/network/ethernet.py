"""What all cards know about Ethernet frames and the checksums in and around them."""

from __future__ import annotations

import zlib

ADDRESS_SIZE = 6
HEADER_SIZE = 14
MINIMUM_SIZE = 60  #: without FCS
FCS_SIZE = 4
BROADCAST = b"\xff" * ADDRESS_SIZE
VLAN_TYPE = 0x8100
VLAN_SIZE = 4


def padded(frame: bytes) -> bytes:
    """A frame as it is on the cable: at least 60 bytes without its FCS (IEEE 802.3, 4.2.3.3)."""
    return frame if len(frame) >= MINIMUM_SIZE else frame.ljust(MINIMUM_SIZE, b"\0")


def is_multicast(frame: bytes) -> bool:
    """Whether the destination address has the group bit (broadcast has it too)."""
    return bool(frame[0] & 1)


def crc32_little(data: bytes) -> int:
    """The CRC of IEEE 802.3 without its last inversion, as shift registers that shift right hold it."""
    return zlib.crc32(data) ^ 0xFFFF_FFFF


def crc32_big(data: bytes) -> int:
    """The same with its bits in reverse order, as shift registers that shift left hold it."""
    return int(f"{crc32_little(data):032b}"[::-1], 2)


def frame_check_sequence(frame: bytes) -> bytes:
    """The four bytes that follow a frame on the cable."""
    return zlib.crc32(frame).to_bytes(4, "little")


def ones_sum(data: bytes) -> int:
    """The ones' complement sum of big-endian 16-bit words (RFC 1071), an odd byte padded with a zero."""
    value = int.from_bytes(data + b"\0" if len(data) & 1 else data, "big")
    return value % 0xFFFF or (0xFFFF if value else 0)


def internet_checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071): the complement of `ones_sum`."""
    return ~ones_sum(data) & 0xFFFF
