"""Where branches and jumps lead (MIPS32 Architecture for Programmers, vol. II, appendix A)."""

from __future__ import annotations

from collections.abc import Callable

_SPECIAL, _REGIMM, _COP1 = 0, 1, 0x11
_JUMPS = (2, 3)  # j, jal
_REGISTER_JUMPS = (8, 9)  # jr, jalr
_COMPARING = (4, 5, 6, 7, 0x14, 0x15, 0x16, 0x17)  # beq, bne, blez, bgtz, and likely
_SIGNS = (0, 1, 2, 3, 0x10, 0x11, 0x12, 0x13)  # bltz, bgez, likely, and linking
_BC1 = 8


def branch_target(word: int, pc: int, register: Callable[[int], int]) -> int | None:
    """Where an instruction leads if it is a branch that is taken, or a jump; None: it is neither.

    Args:
        word: the instruction.
        pc: its address.
        register: reads a general register.
    """
    operation, first, second = word >> 26, word >> 21 & 31, word >> 16 & 31
    if operation in _JUMPS:
        return (pc + 4) & 0xF000_0000 | (word & 0x3FF_FFFF) << 2
    if operation == _SPECIAL:
        return register(first) if word & 0x3F in _REGISTER_JUMPS else None
    if not (
        operation in _COMPARING
        or (operation == _REGIMM and second in _SIGNS)
        or (operation == _COP1 and first == _BC1)
    ):  # fmt: skip
        return None
    offset = (word & 0xFFFF) - ((word & 0x8000) << 1)
    return (pc + 4 + (offset << 2)) & 0xFFFF_FFFF
