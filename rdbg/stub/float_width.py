"""How wide the floating-point registers are that GDB is told of when it connects.

GDB reads the description of the registers once, while the guest can change their layout (Status.FR) at any time: 16
pairs of 32-bit registers, which GDB shows as singles and pairs, or 32 registers of 64 bits.
"""

from __future__ import annotations

import struct

from rdbg.emu.machine_api import MachineApi

_SECTION_BYTES = 40
_ABI_FLAGS = 0x7000_002A
_FP_ABI_AT = 7
_FP_64, _FP_64A = 6, 7


def wide_floats(machine: MachineApi, executable: bytes) -> bool:
    """Whether to describe 64-bit registers: the guest has them now, or was compiled for them."""
    return machine.wide_floats or _is_compiled_for_64_bits(executable)


def _is_compiled_for_64_bits(elf: bytes) -> bool:
    """What the section ``.MIPS.abiflags`` says (``-mfp64``)."""
    try:
        order = ">" if elf[5] == 2 else "<"
        (sections,) = struct.unpack_from(order + "I", elf, 32)
        (count,) = struct.unpack_from(order + "H", elf, 48)
        for index in range(count):
            _, kind, _, _, start = struct.unpack_from(order + "5I", elf, sections + index * _SECTION_BYTES)
            if kind == _ABI_FLAGS:
                return elf[start + _FP_ABI_AT] in (_FP_64, _FP_64A)
    except (struct.error, IndexError):
        pass  # without readable sections it says nothing
    return False
