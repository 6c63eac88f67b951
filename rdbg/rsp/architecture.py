"""What GDB calls the architecture that an ELF file was made for.

Source: BFD's names of MIPS machines (GDB: ``set architecture``); MIPS ABI, ``e_flags`` (EF_MIPS_ARCH).
"""

from __future__ import annotations

from rdbg.elf.elf_file import ElfFile

#: Any MIPS. GDB takes what its own file says then; without a file it knows the oldest instructions only.
ANY = "mips"

EF_MIPS_ARCH_32R2 = 0x7000_0000
_EF_MIPS_ARCH = 0xF000_0000
_NAMES = {0: "mips:3000", 0x1000_0000: "mips:6000", 0x5000_0000: "mips:isa32", EF_MIPS_ARCH_32R2: "mips:isa32r2"}


def architecture(elf: ElfFile | None) -> str:
    """The name for an ELF file. Of one that says nothing, or what this CPU is not, it is ``ANY``.

    Args:
        elf: the file; None: it cannot be read.
    """
    if elf is None or elf.machine != "EM_MIPS":
        return ANY
    return _NAMES.get(elf.flags & _EF_MIPS_ARCH, ANY)
