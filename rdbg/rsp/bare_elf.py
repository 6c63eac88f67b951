"""The smallest ELF file that tells GDB the byte order and architecture of a guest that has no ELF image."""

from __future__ import annotations

import struct

from rdbg.rsp.architecture import EF_MIPS_ARCH_32R2

_EM_MIPS = 8
_EF_MIPS_ABI_O32 = 0x0000_1000


def bare_elf(big_endian: bool, entry: int) -> bytes:
    """An executable without code, sections or symbols.

    Args:
        big_endian: byte order of the guest.
        entry: virtual address of its first instruction.
    """
    order = ">" if big_endian else "<"
    ident = b"\x7fELF" + bytes((1, 2 if big_endian else 1, 1)) + bytes(9)
    flags = EF_MIPS_ARCH_32R2 | _EF_MIPS_ABI_O32
    return ident + struct.pack(order + "HHIIIIIHHHHHH", 2, _EM_MIPS, 1, entry, 0, 0, flags, 52, 32, 0, 40, 0, 0)
