"""Frames for network cards."""

from __future__ import annotations

import random
import struct

from tests.emu.devices.network.twins import MAC

BROADCAST = b"\xff" * 6
VLAN = bytes.fromhex("81002064")


def random_frame(choose: random.Random, longest: int = 1514) -> bytes:
    """A frame to the card, to all, to many or to another; mostly short, sometimes with a VLAN tag."""
    many = bytes((choose.getrandbits(8) | 1, *choose.randbytes(5)))
    to = choose.choice([MAC, MAC, BROADCAST, many, choose.randbytes(6)])
    tag = VLAN if choose.random() < 0.2 else b""
    size = choose.choice([0, 20, 46, 50, 200, choose.randrange(longest - 17), longest - 18])
    return to + bytes.fromhex("525400999999") + tag + b"\x08\x00" + choose.randbytes(size)


def tcp_frame(payload: int, flags: int = 0x18, protocol: int = 6) -> bytes:
    """IPv4 with 40 bytes of headers, and so many more; its checksums are wrong."""
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + payload, 0x1234, 0, 64, protocol, 0, b"\x0a\0\0\1", b"\x0a\0\0\2")
    tcp = struct.pack(">HHIIBBHHH", 80, 1025, 0x01020304, 5, 0x50, flags, 0x2000, 0x1A2B, 0)
    return b"\x52\x54\0\x99\x99\x99" + MAC + b"\x08\0" + ip + tcp + bytes(index * 7 & 0xFF for index in range(payload))
