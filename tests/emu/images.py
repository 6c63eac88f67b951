"""Small images made by the tests themselves."""

from __future__ import annotations

import struct


def elf(
    paddr: int = 0x8010_0000,
    data: bytes = b"\x00" * 16,
    *,
    big_endian: bool = False,
    entry: int | None = None,
    machine: int = 8,
    kind: int = 2,
    extra_memory: int = 0,
) -> bytes:
    """An ELF32 executable with one segment."""
    order = ">" if big_endian else "<"
    ident = b"\x7fELF" + bytes((1, 2 if big_endian else 1, 1)) + bytes(9)
    header = struct.pack(order + "HHIIIIIHHHHHH", kind, machine, 1, paddr if entry is None else entry, 52, 0, 0,
                         52, 32, 1, 0, 0, 0)  # fmt: skip
    program = struct.pack(order + "8I", 1, 0x54, paddr, paddr, len(data), len(data) + extra_memory, 7, 4)
    return ident + header + program + data


#: lui/ori/sw/addiu/bne ... : a few instructions of each sort, as a linker writes them.
CODE = (0x3C08B800, 0x350803F8, 0x24090041, 0xA1090000, 0x2529FFFF, 0x1520FFFD, 0x00000000, 0x8FA80010, 0x03E00008,
        0x27BD0020, 0x0C000010, 0x00000000, 0x00851021, 0xAFBF0014, 0x40086000, 0x1000FFFF)  # fmt: skip


def code(big_endian: bool) -> bytes:
    """Raw MIPS code in a byte order."""
    return b"".join(word.to_bytes(4, "big" if big_endian else "little") for word in CODE)
