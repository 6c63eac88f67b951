"""MIPS32 as GDB knows it.

Source: GDB manual, 'MIPS Features'; BFD's names of MIPS machines (GDB: ``set architecture``); MIPS ABI, ``e_flags``
(EF_MIPS_ARCH) and the section ``.MIPS.abiflags``.
"""

from __future__ import annotations

from rdbg.elf.elf_file import ElfFile
from rdbg.emu.mips32 import MIPS32, WIDE
from rdbg.targets.target import Target

_FEATURES = {
    "cpu": "org.gnu.gdb.mips.cpu",
    "cp0": "org.gnu.gdb.mips.cp0",
    "fpu": "org.gnu.gdb.mips.fpu",
    "linux": "org.gnu.gdb.mips.linux",
    "system": "org.rdbg.mips.cp0",
}
#: Any MIPS. GDB takes what its own file says then; without a file it knows the oldest instructions only.
_ANY = "mips"
_EF_MIPS_ARCH = 0xF000_0000
_NAMES = {0: "mips:3000", 0x1000_0000: "mips:6000", 0x5000_0000: "mips:isa32", 0x7000_0000: "mips:isa32r2"}

_FP_ABI_AT = 7
_FP_64, _FP_64A = b"\6", b"\7"


def _name_of(elf: ElfFile) -> str | None:
    if elf.machine != "EM_MIPS":
        return None
    return _NAMES.get(elf.flags & _EF_MIPS_ARCH)


def _layout_of(elf: ElfFile) -> str | None:
    """What the section ``.MIPS.abiflags`` says (``-mfp64``)."""
    section = elf.section_of_kind("SHT_MIPS_ABIFLAGS")
    wide = section is not None and elf.contents(section)[_FP_ABI_AT : _FP_ABI_AT + 1] in (_FP_64, _FP_64A)
    return WIDE if wide else None


MIPS32_TARGET = Target(
    MIPS32,
    features=_FEATURES,
    # For a client without a description: general registers to $fir are what this machine calls so too, the rest belong
    # to embedded processors of long ago (GDB's mips-tdep.h, enum mips_embed_regnum).
    undescribed=range(72),
    foreign=range(72, 90),
    any_name=_ANY,
    name_of=_name_of,
    layout_of=_layout_of,
)
