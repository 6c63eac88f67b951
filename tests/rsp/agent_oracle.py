"""Agent expressions evaluated in Python, operation by operation: what the core's evaluator is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rdbg.emu.expression import Expression, Operation, Step
from rdbg.rsp.agent_code import AgentError, decode

_MASK = (1 << 64) - 1
_SIGN = 1 << 63
_MOST_OPERATIONS = 100_000
_MOST_STACK = 1000
_REF_SIZE = {Operation.LOAD_8: 1, Operation.LOAD_16: 2, Operation.LOAD_32: 4, Operation.LOAD_64: 8}


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


_BINARY: dict[Operation, Callable[[int, int], int]] = {
    Operation.ADD: lambda left, right: left + right,
    Operation.SUBTRACT: lambda left, right: left - right,
    Operation.MULTIPLY: lambda left, right: left * right,
    Operation.DIVIDE_SIGNED: lambda left, right: _divide(_signed(left), _signed(right)),
    Operation.DIVIDE_UNSIGNED: _divide,
    Operation.REMAINDER_SIGNED: lambda left, right: (
        _signed(left) - _signed(right) * _divide(_signed(left), _signed(right))
    ),
    Operation.REMAINDER_UNSIGNED: lambda left, right: left - right * _divide(left, right),
    Operation.SHIFT_LEFT: _shift_left,
    Operation.SHIFT_RIGHT_SIGNED: lambda left, right: _signed(left) >> min(right, 63),
    Operation.SHIFT_RIGHT_UNSIGNED: lambda left, right: left >> min(right, 64),
    Operation.AND: lambda left, right: left & right,
    Operation.OR: lambda left, right: left | right,
    Operation.EXCLUSIVE_OR: lambda left, right: left ^ right,
    Operation.EQUAL: lambda left, right: left == right,
    Operation.LESS_SIGNED: lambda left, right: _signed(left) < _signed(right),
    Operation.LESS_UNSIGNED: lambda left, right: left < right,
}


@dataclass(frozen=True)
class AgentContext:
    """What an expression reads.

    Args:
        read_register: value of a register by its number in the target description.
        read_memory: ADDRESS, SIZE -> unsigned value in the guest's byte order, or None if it is not mapped.
        address_bits: width of an address.
    """

    read_register: Callable[[int], int]
    read_memory: Callable[[int, int], int | None]
    address_bits: int = 32


class AgentExpression:
    """An expression, decoded and checked once, to be evaluated many times.

    Args:
        code: the bytecode, or what it is decoded to.

    Raises:
        AgentError: an operation is unknown or cut short, or a jump leads out of the code.
    """

    def __init__(self, code: bytes | Expression) -> None:
        self._steps = decode(code) if isinstance(code, bytes) else code

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
                if step.operation is Operation.END:
                    return stack[-1]
                if step.operation is Operation.JUMP or (step.operation is Operation.JUMP_UNLESS_ZERO and stack.pop()):
                    at = step.operand
                elif step.operation is not Operation.JUMP_UNLESS_ZERO:
                    _operate(step, stack, context)
                    if len(stack) > _MOST_STACK:
                        raise AgentError("stack is full")
        except IndexError:
            raise AgentError("stack is empty, or the code does not end") from None
        raise AgentError(f"more than {_MOST_OPERATIONS} operations")


def _operate(step: Step, stack: list[int], context: AgentContext) -> None:
    op, operand = step.operation, step.operand
    binary = _BINARY.get(op)
    if binary is not None:
        right = stack.pop()
        stack.append(binary(stack.pop(), right) & _MASK)
    elif op is Operation.REGISTER:
        stack.append(context.read_register(operand) & _MASK)
    elif op in _REF_SIZE:
        address = stack.pop() & ((1 << context.address_bits) - 1)
        value = context.read_memory(address, _REF_SIZE[op])
        if value is None:
            raise AgentError(f"nothing is mapped at {address:#x}")
        stack.append(value)
    elif op is Operation.EXTEND_SIGN and 0 < operand <= 64:
        value = stack.pop() & ((1 << operand) - 1)
        stack.append((value - (1 << operand) if value >> (operand - 1) else value) & _MASK)
    elif op is Operation.EXTEND_ZERO:
        stack.append(stack.pop() & ((1 << min(operand, 64)) - 1))
    elif op is Operation.CONSTANT:
        stack.append(operand)
    elif op is Operation.IS_ZERO:
        stack.append(int(not stack.pop()))
    elif op is Operation.INVERT:
        stack.append(~stack.pop() & _MASK)
    elif op is Operation.DUPLICATE:
        stack.append(stack[-1])
    elif op is Operation.DROP:
        stack.pop()
    elif op is Operation.SWAP:
        stack[-1], stack[-2] = stack[-2], stack[-1]
    elif op is Operation.PICK:
        stack.append(stack[len(stack) - 1 - operand] if operand < len(stack) else stack[len(stack)])
    elif op is Operation.ROTATE:
        stack[-3], stack[-2], stack[-1] = stack[-1], stack[-3], stack[-2]
    else:
        raise AgentError(f"{op.name.lower()} with operand {operand} is not supported")
