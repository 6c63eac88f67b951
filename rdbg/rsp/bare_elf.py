"""The smallest ELF file that tells GDB the byte order and architecture of a guest that has no ELF image."""

from __future__ import annotations

import struct

from rdbg.emu.architecture import Architecture

_EXECUTABLE = 2
#: By EI_CLASS: sizes of the header, of a program's and a section's header; of entry and offsets in struct's letters.
_CLASSES = {32: (1, 52, 32, 40, "III"), 64: (2, 64, 56, 64, "QQQ")}


def bare_elf(architecture: Architecture, big_endian: bool, entry: int) -> bytes:
    """An executable without code, sections or symbols.

    Args:
        architecture: of the guest.
        big_endian: byte order of the guest.
        entry: virtual address of its first instruction.
    """
    kind, header, program, section, places = _CLASSES[architecture.elf.bits]
    ident = b"\x7fELF" + bytes((kind, 2 if big_endian else 1, 1)) + bytes(9)
    return ident + struct.pack(
        (">" if big_endian else "<") + "HHI" + places + "IHHHHHH",
        *(_EXECUTABLE, architecture.elf.machine, 1, entry, 0, 0, architecture.elf.flags),
        *(header, program, 0, section, 0, 0),
    )
