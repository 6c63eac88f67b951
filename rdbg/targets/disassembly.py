"""Instructions in words, by capstone."""

from __future__ import annotations

from rdbg.emu.architecture import Architecture
from rdbg.emu.mips32 import MIPS32
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class Instruction:
    """An instruction in memory.

    Args:
        address: virtual.
        code: its bytes, as they stand there.
        text: in the assembler's words; ``.byte ...`` for what is no instruction.
    """

    address: int
    code: bytes
    text: str


def disassemble(architecture: Architecture, big_endian: bool, address: int, data: bytes) -> list[Instruction]:
    """The instructions that bytes are.

    Args:
        architecture: whose they are.
        big_endian: its byte order.
        address: virtual, of the first byte.
        data: bytes; what is left behind the last whole instruction is not shown.

    Raises:
        RdbgError: nobody here can read this architecture's.
    """
    import capstone  # it takes a while to load, and most sessions show no instruction

    if architecture.name != MIPS32.name:
        raise RdbgError(f"instructions of {architecture.name} cannot be disassembled")
    order = capstone.CS_MODE_BIG_ENDIAN if big_endian else capstone.CS_MODE_LITTLE_ENDIAN
    reader = capstone.Cs(capstone.CS_ARCH_MIPS, capstone.CS_MODE_MIPS32 | order)
    length = architecture.instruction_lengths[0]
    found: list[Instruction] = []
    for at in range(0, len(data) - length + 1, length):
        code, here = data[at : at + length], architecture.wrapped(address + at)
        words = next(((name, operands) for _, _, name, operands in reader.disasm_lite(code, here)), None)
        text = ".byte " + ", ".join(f"{byte:#04x}" for byte in code) if words is None else " ".join(filter(None, words))
        found.append(Instruction(here, code, text))
    return found
