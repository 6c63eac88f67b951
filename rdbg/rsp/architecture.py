"""What GDB calls the architecture that an ELF file was made for.

Source: BFD's names of MIPS machines (GDB: ``set architecture``); MIPS ABI, ``e_flags`` (EF_MIPS_ARCH).
"""

from __future__ import annotations

import struct

#: Any MIPS. GDB takes what its own file says then; without a file it knows the oldest instructions only.
ANY = "mips"

EF_MIPS_ARCH_32R2 = 0x7000_0000
_EF_MIPS_ARCH = 0xF000_0000
_NAMES = {0: "mips:3000", 0x1000_0000: "mips:6000", 0x5000_0000: "mips:isa32", EF_MIPS_ARCH_32R2: "mips:isa32r2"}
_EI_DATA, _BIG_ENDIAN = 5, 2
_FLAGS_AT = 36


def architecture(elf: bytes) -> str:
    """The name for a 32-bit ELF file. Of one that says nothing, or what this CPU is not, it is ``ANY``.

    Args:
        elf: the file, or at least its header.
    """
    if len(elf) < _FLAGS_AT + 4:
        return ANY
    (flags,) = struct.unpack_from(">I" if elf[_EI_DATA] == _BIG_ENDIAN else "<I", elf, _FLAGS_AT)
    return _NAMES.get(flags & _EF_MIPS_ARCH, ANY)
