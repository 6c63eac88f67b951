"""Expressions that a machine can evaluate where it stands: a small stack machine's code (conditions of breakpoints).

Values are 64 bits, unsigned unless an operation says otherwise.
"""

from __future__ import annotations

from enum import IntEnum

from rdbg.quick_dataclass import dataclass


class Operation(IntEnum):
    """What a step does; ``expressions.pxi`` has the same numbers."""

    ADD = 0x02
    SUBTRACT = 0x03
    MULTIPLY = 0x04
    DIVIDE_SIGNED = 0x05
    DIVIDE_UNSIGNED = 0x06
    REMAINDER_SIGNED = 0x07
    REMAINDER_UNSIGNED = 0x08
    SHIFT_LEFT = 0x09
    SHIFT_RIGHT_SIGNED = 0x0A
    SHIFT_RIGHT_UNSIGNED = 0x0B
    IS_ZERO = 0x0E
    AND = 0x0F
    OR = 0x10
    EXCLUSIVE_OR = 0x11
    INVERT = 0x12
    EQUAL = 0x13
    LESS_SIGNED = 0x14
    LESS_UNSIGNED = 0x15
    EXTEND_SIGN = 0x16  #: from the operand's number of bits
    LOAD_8 = 0x17  #: from the guest's memory, in its byte order
    LOAD_16 = 0x18
    LOAD_32 = 0x19
    LOAD_64 = 0x1A
    JUMP_UNLESS_ZERO = 0x20  #: to the step of the operand's number, if what lies on top is not zero
    JUMP = 0x21
    CONSTANT = 0x25  #: the operand
    REGISTER = 0x26  #: by its number
    END = 0x27  #: the value is what lies on top
    DUPLICATE = 0x28
    DROP = 0x29
    EXTEND_ZERO = 0x2A
    SWAP = 0x2B
    PICK = 0x32  #: a copy of what lies so deep
    ROTATE = 0x33  #: a b c -> c a b


#: Least and largest operand of those that have one: the compiled evaluator relies on it.
_OPERANDS = {
    Operation.EXTEND_SIGN: (1, 64),
    Operation.EXTEND_ZERO: (0, 255),
    Operation.JUMP: (0, 0xFFFF),
    Operation.JUMP_UNLESS_ZERO: (0, 0xFFFF),
    Operation.CONSTANT: (0, (1 << 64) - 1),
    Operation.REGISTER: (0, 0xFFFF),
    Operation.PICK: (0, 255),
}


@dataclass(frozen=True)
class Step:
    """One operation of an expression.

    Args:
        operation: what it does.
        operand: for those that have one.

    Raises:
        ValueError: the operand is none for this operation.
    """

    operation: Operation
    operand: int = 0

    def __post_init__(self) -> None:
        low, high = _OPERANDS.get(self.operation, (0, 0))
        if not low <= self.operand <= high:
            raise ValueError(f"{self.operation.name} with operand {self.operand}")


#: A whole expression. Jumps lead to steps of it.
Expression = tuple[Step, ...]
