"""A scripted peer of a guest's network card: it answers ARP and ping for one address."""

from __future__ import annotations

import struct

PEER_MAC = bytes.fromhex("525400aa0002")
ETHERTYPE_IP, ETHERTYPE_ARP = b"\x08\x00", b"\x08\x06"
ICMP, ECHO_REQUEST = 1, 8


def checksum(data: bytes) -> int:
    """The Internet's (RFC 1071)."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def answer(frame: bytes, address: bytes) -> bytes | None:
    """What the peer sends back for a packet, or None.

    Args:
        frame: from the guest, Ethernet without FCS.
        address: the peer's, 4 bytes.
    """
    source, kind, rest = frame[6:12], frame[12:14], frame[14:]
    head = source + PEER_MAC + kind
    if kind == ETHERTYPE_ARP and rest[6:8] == b"\0\1" and rest[24:28] == address:
        return (head + rest[:6] + b"\0\2" + PEER_MAC + address + rest[8:18]).ljust(60, b"\0")
    if kind == ETHERTYPE_IP and rest[9] == ICMP and rest[16:20] == address and rest[20] == ECHO_REQUEST:
        echo = b"\0\0\0\0" + rest[24:]
        echo = echo[:2] + checksum(echo).to_bytes(2, "big") + echo[4:]
        header = rest[:10] + b"\0\0" + address + rest[12:16]
        return head + header[:10] + checksum(header).to_bytes(2, "big") + header[12:] + echo
    return None
