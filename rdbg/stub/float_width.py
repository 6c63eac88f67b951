"""How wide the floating-point registers are that GDB is told of when it connects.

GDB reads the description of the registers once, while the guest can change their layout (Status.FR) at any time: 16
pairs of 32-bit registers, which GDB shows as singles and pairs, or 32 registers of 64 bits.
"""

from __future__ import annotations

from rdbg.elf.elf_file import ElfFile
from rdbg.emu.machine_api import MachineApi

_FP_ABI_AT = 7
_FP_64, _FP_64A = b"\6", b"\7"


def wide_floats(machine: MachineApi, elf: ElfFile | None) -> bool:
    """Whether to describe 64-bit registers: the guest has them now, or was compiled for them.

    Args:
        machine: the guest.
        elf: what it was compiled to; None: not known.
    """
    return machine.wide_floats or (elf is not None and _is_compiled_for_64_bits(elf))


def _is_compiled_for_64_bits(elf: ElfFile) -> bool:
    """What the section ``.MIPS.abiflags`` says (``-mfp64``)."""
    section = elf.section_of_kind("SHT_MIPS_ABIFLAGS")
    return section is not None and elf.contents(section)[_FP_ABI_AT : _FP_ABI_AT + 1] in (_FP_64, _FP_64A)
