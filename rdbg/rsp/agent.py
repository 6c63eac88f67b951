"""GDB's agent expressions: the bytecode in which a client sends a breakpoint's condition.

Source: GDB manual, appendix "The GDB Agent Expression Mechanism". The operations that only tracepoints use (trace,
printf, trace state variables) and floating point (which GDB never emits) are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

_MASK = (1 << 64) - 1
_SIGN = 1 << 63
#: Conditions are a few dozen operations; a loop in one must not hang the server.
_MOST_OPERATIONS = 100_000
_MOST_STACK = 1000


class AgentError(Exception):
    """An expression that cannot be evaluated."""


class Op(IntEnum):
    """Operation codes."""

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
_REF_SIZE = {Op.REF8: 1, Op.REF16: 2, Op.REF32: 4, Op.REF64: 8}


def _signed(value: int) -> int:
    return value - (1 << 64) if value & _SIGN else value


def _divide(left: int, right: int) -> int:
    """Quotient towards zero, as in C."""
    if right == 0:
        raise AgentError("division by zero")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _shift_left(left: int, right: int) -> int:
    return left << right if right < 64 else 0


_BINARY: dict[Op, Callable[[int, int], int]] = {
    Op.ADD: lambda left, right: left + right,
    Op.SUB: lambda left, right: left - right,
    Op.MUL: lambda left, right: left * right,
    Op.DIV_SIGNED: lambda left, right: _divide(_signed(left), _signed(right)),
    Op.DIV_UNSIGNED: _divide,
    Op.REM_SIGNED: lambda left, right: _signed(left) - _signed(right) * _divide(_signed(left), _signed(right)),
    Op.REM_UNSIGNED: lambda left, right: left - right * _divide(left, right),
    Op.LSH: _shift_left,
    Op.RSH_SIGNED: lambda left, right: _signed(left) >> min(right, 63),
    Op.RSH_UNSIGNED: lambda left, right: left >> min(right, 64),
    Op.BIT_AND: lambda left, right: left & right,
    Op.BIT_OR: lambda left, right: left | right,
    Op.BIT_XOR: lambda left, right: left ^ right,
    Op.EQUAL: lambda left, right: left == right,
    Op.LESS_SIGNED: lambda left, right: _signed(left) < _signed(right),
    Op.LESS_UNSIGNED: lambda left, right: left < right,
}


@dataclass(frozen=True)
class AgentContext:
    """What an expression reads.

    Args:
        read_register: value of a register by its number in the target description.
        read_memory: ADDRESS, SIZE -> unsigned value in the guest's byte order, or None if it is not mapped.
    """

    read_register: Callable[[int], int]
    read_memory: Callable[[int, int], int | None]


@dataclass(frozen=True)
class _Step:
    """One decoded operation; ``operand`` of a jump is the index of a step."""

    op: Op
    operand: int = 0


class AgentExpression:
    """An expression, decoded and checked once, to be evaluated many times.

    Args:
        code: the bytecode.

    Raises:
        AgentError: an operation is unknown or cut short, or a jump leads out of the code.
    """

    def __init__(self, code: bytes) -> None:
        self._steps = _decode(code)

    def evaluate(self, context: AgentContext) -> int:
        """The value on top of the stack at the end, unsigned 64 bits.

        Raises:
            AgentError: the stack runs empty or over, memory is not mapped, division by zero, no end.
        """
        stack: list[int] = []
        at = 0
        try:
            for _ in range(_MOST_OPERATIONS):
                step = self._steps[at]
                at += 1
                if step.op is Op.END:
                    return stack[-1]
                if step.op is Op.GOTO or (step.op is Op.IF_GOTO and stack.pop()):
                    at = step.operand
                elif step.op is not Op.IF_GOTO:
                    _operate(step, stack, context)
                    if len(stack) > _MOST_STACK:
                        raise AgentError("stack is full")
        except IndexError:
            raise AgentError("stack is empty, or the code does not end") from None
        raise AgentError(f"more than {_MOST_OPERATIONS} operations")


def _decode(code: bytes) -> list[_Step]:
    steps: list[_Step] = []
    index_of: dict[int, int] = {}
    at = 0
    while at < len(code):
        index_of[at] = len(steps)
        try:
            op = Op(code[at])
        except ValueError:
            raise AgentError(f"operation {code[at]:#04x} at offset {at} is not supported") from None
        size = _OPERAND.get(op, 0)
        if at + 1 + size > len(code):
            raise AgentError(f"operation at offset {at} is cut short")
        steps.append(_Step(op, int.from_bytes(code[at + 1 : at + 1 + size], "big")))
        at += 1 + size
    for index, step in enumerate(steps):
        if step.op in (Op.GOTO, Op.IF_GOTO):
            if step.operand not in index_of:
                raise AgentError(f"jump to offset {step.operand}, where no operation begins")
            steps[index] = _Step(step.op, index_of[step.operand])
    return steps


def _operate(step: _Step, stack: list[int], context: AgentContext) -> None:
    op, operand = step.op, step.operand
    binary = _BINARY.get(op)
    if binary is not None:
        right = stack.pop()
        stack.append(binary(stack.pop(), right) & _MASK)
    elif op is Op.REG:
        stack.append(context.read_register(operand) & _MASK)
    elif op in _REF_SIZE:
        address = stack.pop() & 0xFFFF_FFFF
        value = context.read_memory(address, _REF_SIZE[op])
        if value is None:
            raise AgentError(f"nothing is mapped at {address:#x}")
        stack.append(value)
    elif op is Op.EXT and 0 < operand <= 64:
        value = stack.pop() & ((1 << operand) - 1)
        stack.append((value - (1 << operand) if value >> (operand - 1) else value) & _MASK)
    elif op is Op.ZERO_EXT:
        stack.append(stack.pop() & ((1 << min(operand, 64)) - 1))
    elif op in (Op.CONST8, Op.CONST16, Op.CONST32, Op.CONST64):
        stack.append(operand)
    elif op is Op.LOG_NOT:
        stack.append(int(not stack.pop()))
    elif op is Op.BIT_NOT:
        stack.append(~stack.pop() & _MASK)
    elif op is Op.DUP:
        stack.append(stack[-1])
    elif op is Op.POP:
        stack.pop()
    elif op is Op.SWAP:
        stack[-1], stack[-2] = stack[-2], stack[-1]
    elif op is Op.PICK:
        stack.append(stack[-1 - operand])
    elif op is Op.ROT:
        stack[-3], stack[-2], stack[-1] = stack[-1], stack[-3], stack[-2]
    else:
        raise AgentError(f"{op.name.lower()} with operand {operand} is not supported")
