"""Crafted qcow2 images: right but for what somebody changed with care."""

from __future__ import annotations

import random
import struct
import zlib

import zstandard

from tests.fuzz.crafted import NUMBERS, flipped

_CLUSTER_BITS = (9, 9, 9, 12, 16)
_COPIED, _COMPRESSED, _ZERO = 1 << 63, 1 << 62, 1
#: Where the fields of a header are: offset and struct's letter.
_FIELDS = (
    (4, "I"), (8, "Q"), (16, "I"), (20, "I"), (24, "Q"), (32, "I"), (36, "I"), (40, "Q"), (48, "Q"), (56, "I"),
    (60, "I"), (64, "Q"), (72, "Q"), (80, "Q"), (88, "Q"), (96, "I"), (100, "I"), (104, "I"),
)  # fmt: skip


def image(dice: random.Random, backing: bytes = b"") -> bytes:
    """A qcow2 image of some clusters of all sorts.

    Args:
        dice: draws it.
        backing: the name of the file behind it; empty: none.
    """
    bits = dice.choice(_CLUSTER_BITS)
    size, count = 1 << bits, dice.randrange(1, 40)
    zstd = dice.random() < 0.3
    # Header, refcount table, one block of refcounts, L1 table, L2 table; then what the guest has.
    body = bytearray()
    entries = []
    for _ in range(count):
        sort = dice.randrange(5)
        at = 5 * size + len(body)
        if sort == 0:
            entries.append(0)
        elif sort == 1:
            entries.append(_ZERO)
        elif sort == 2:
            plain = bytes((dice.randrange(256),)) * size
            packer = zlib.compressobj(9, zlib.DEFLATED, -12)
            packed = zstandard.compress(plain) if zstd else packer.compress(plain) + packer.flush()
            sectors = (at % 512 + len(packed) - 1) // 512
            entries.append(_COMPRESSED | sectors << 62 - (bits - 8) | at)
            body += packed.ljust(-(-len(packed) // size) * size, b"\0")
        else:
            entries.append(_COPIED | at)
            body += dice.randbytes(size)
    header = struct.pack(
        ">IIQIIQIIQQIIQQQQIIB7x",
        0x514649FB, 3, 112 if backing else 0, len(backing), bits, count * size, 0, 1, 3 * size, size, 1, 0, 0,
        8 if zstd else 0, 0, 0, 4, 112, zstd,
    )  # fmt: skip
    used = 5 + len(body) // size
    refcounts = struct.pack(f">{size // 2}H", *([1] * min(used, size // 2)), *([0] * max(0, size // 2 - used)))
    parts = (
        header + backing,
        struct.pack(">Q", 2 * size),
        refcounts,
        struct.pack(">Q", 4 * size | _COPIED),
        struct.pack(f">{count}Q", *entries),
    )
    data = bytearray(b"".join(part.ljust(size, b"\0") for part in parts) + body)
    for _ in range(dice.choice((0, 1, 1, 2, 4))):
        _change(dice, data, size)
    return flipped(dice, bytes(data)) if dice.random() < 0.1 else bytes(data)


def _change(dice: random.Random, data: bytearray, size: int) -> None:
    match dice.randrange(4):
        case 0:
            at, letter = dice.choice(_FIELDS)
            width = struct.calcsize(letter)
            data[at : at + width] = (dice.choice(NUMBERS) & (1 << 8 * width) - 1).to_bytes(width, "big")
        case 1:
            at = dice.choice((1, 3, 4)) * size + 8 * dice.randrange(4)
            data[at : at + 8] = _pointer(dice, size, len(data)).to_bytes(8, "big")
        case 2:
            at = 2 * size + 2 * dice.randrange(40)
            data[at : at + 2] = dice.choice((0, 1, 2, 0xFFFF)).to_bytes(2, "big")
        case _:
            del data[dice.randrange(len(data)) :]
            data.extend(bytes(max(0, 16 - len(data))))


def _pointer(dice: random.Random, size: int, length: int) -> int:
    """To a cluster, to a table, to itself, or into the void."""
    cluster = dice.choice((*range(8), length // size, length // size + 1, 1 << 30, 1 << 46 - 9))
    flags = dice.choice((0, _COPIED, _COMPRESSED, _ZERO, _COPIED | _ZERO, _COMPRESSED | 0xFF << 54))
    return (cluster * size + dice.choice((0, 0, 0, 8, 512)) | flags) & (1 << 64) - 1
