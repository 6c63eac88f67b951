"""Agent expressions evaluated in Python, operation by operation: what the core's evaluator is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rdbg.emu.agent_code import AgentError, Op, Step, decode

_MASK = (1 << 64) - 1
_SIGN = 1 << 63
_MOST_OPERATIONS = 100_000
_MOST_STACK = 1000
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


class AgentExpression:
    """An expression, decoded and checked once, to be evaluated many times.

    Args:
        code: the bytecode.

    Raises:
        AgentError: an operation is unknown or cut short, or a jump leads out of the code.
    """

    def __init__(self, code: bytes) -> None:
        self._steps = decode(code)

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


def _operate(step: Step, stack: list[int], context: AgentContext) -> None:
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
        stack.append(stack[len(stack) - 1 - operand] if operand < len(stack) else stack[len(stack)])
    elif op is Op.ROT:
        stack[-3], stack[-2], stack[-1] = stack[-1], stack[-3], stack[-2]
    else:
        raise AgentError(f"{op.name.lower()} with operand {operand} is not supported")
