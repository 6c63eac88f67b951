"""Agent expressions: the bytecode in which a debugger sends conditions, decoded and checked for the core.

Source: GDB manual, appendix "The GDB Agent Expression Mechanism". The operations that only tracepoints use (trace,
trace state variables) and floating point (which GDB never emits) are refused; a printf
is taken apart by `rdbg.emu.agent_printf`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class AgentError(Exception):
    """An expression that cannot be evaluated."""


class Op(IntEnum):
    """Operation codes; ``agent.pxi`` has the same ones."""

    ADD = 0x02
    SUB = 0x03
    MUL = 0x04
    DIV_SIGNED = 0x05
    DIV_UNSIGNED = 0x06
    REM_SIGNED = 0x07
    REM_UNSIGNED = 0x08
    LSH = 0x09
    RSH_SIGNED = 0x0A
    RSH_UNSIGNED = 0x0B
    LOG_NOT = 0x0E
    BIT_AND = 0x0F
    BIT_OR = 0x10
    BIT_XOR = 0x11
    BIT_NOT = 0x12
    EQUAL = 0x13
    LESS_SIGNED = 0x14
    LESS_UNSIGNED = 0x15
    EXT = 0x16
    REF8 = 0x17
    REF16 = 0x18
    REF32 = 0x19
    REF64 = 0x1A
    IF_GOTO = 0x20
    GOTO = 0x21
    CONST8 = 0x22
    CONST16 = 0x23
    CONST32 = 0x24
    CONST64 = 0x25
    REG = 0x26
    END = 0x27
    DUP = 0x28
    POP = 0x29
    ZERO_EXT = 0x2A
    SWAP = 0x2B
    PICK = 0x32
    ROT = 0x33


#: Bytes of the operand that follows in the code, big-endian.
_OPERAND = {
    Op.EXT: 1,
    Op.IF_GOTO: 2,
    Op.GOTO: 2,
    Op.CONST8: 1,
    Op.CONST16: 2,
    Op.CONST32: 4,
    Op.CONST64: 8,
    Op.REG: 2,
    Op.ZERO_EXT: 1,
    Op.PICK: 1,
}


@dataclass(frozen=True)
class Step:
    """One decoded operation; ``operand`` of a jump is the index of a step."""

    op: Op
    operand: int = 0


def next_operation(code: bytes, at: int) -> int:
    """Where the operation after the one at ``at`` begins.

    Raises:
        AgentError: it is unknown or cut short.
    """
    try:
        op = Op(code[at])
    except ValueError:
        raise AgentError(f"operation {code[at]:#04x} at offset {at} is not supported") from None
    end = at + 1 + _OPERAND.get(op, 0)
    if end > len(code):
        raise AgentError(f"operation at offset {at} is cut short")
    return end


def decode(code: bytes) -> list[Step]:
    """The operations of an expression.

    Args:
        code: the bytecode.

    Raises:
        AgentError: an operation is unknown or cut short, or a jump leads out of the code.
    """
    steps: list[Step] = []
    index_of: dict[int, int] = {}
    at = 0
    while at < len(code):
        index_of[at] = len(steps)
        end = next_operation(code, at)
        op, operand = Op(code[at]), int.from_bytes(code[at + 1 : end], "big")
        if op is Op.EXT and not 0 < operand <= 64:
            raise AgentError(f"ext with operand {operand} is not supported")
        steps.append(Step(op, operand))
        at = end
    for index, step in enumerate(steps):
        if step.op in (Op.GOTO, Op.IF_GOTO):
            if step.operand not in index_of:
                raise AgentError(f"jump to offset {step.operand}, where no operation begins")
            steps[index] = Step(step.op, index_of[step.operand])
    return steps
