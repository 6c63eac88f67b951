"""What can be said of an expression whatever the registers hold."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.expression import Expression, Operation, Step

#: The value of an expression where the machine stands; None: it cannot be evaluated.
Evaluate = Callable[[Expression], int | None]

#: Operations that take values off the stack and put one on it, and how many they take.
_UNARY = frozenset({Operation.IS_ZERO, Operation.INVERT, Operation.EXTEND_SIGN, Operation.EXTEND_ZERO})
_DIVISIONS = frozenset(
    {Operation.DIVIDE_SIGNED, Operation.DIVIDE_UNSIGNED, Operation.REMAINDER_SIGNED, Operation.REMAINDER_UNSIGNED}
)
_BINARY = _DIVISIONS | {
    Operation.ADD,
    Operation.SUBTRACT,
    Operation.MULTIPLY,
    Operation.SHIFT_LEFT,
    Operation.SHIFT_RIGHT_SIGNED,
    Operation.SHIFT_RIGHT_UNSIGNED,
    Operation.AND,
    Operation.OR,
    Operation.EXCLUSIVE_OR,
    Operation.EQUAL,
    Operation.LESS_SIGNED,
    Operation.LESS_UNSIGNED,
}
#: Bytes that a load takes.
LOADED_BYTES = {Operation.LOAD_8: 1, Operation.LOAD_16: 2, Operation.LOAD_32: 4, Operation.LOAD_64: 8}
#: Operations that are followed in all, and values on a stack: conditions have a few dozen.
_MOST_OPERATIONS = 1000
_MOST_STACK = 100


def reads_memory(expression: Expression) -> bool:
    """Whether there is a load in it."""
    return any(step.operation in LOADED_BYTES for step in expression)


def reads_that_make_it_false(expression: Expression, evaluate: Evaluate) -> frozenset[tuple[int, int]] | None:
    """The memory by which an expression is zero, whatever the registers hold: as long as these bytes are what they are
    now.

    Args:
        expression: it.
        evaluate: knows the machine's memory as it is now.

    Returns:
        address (as the expression has it, up to 64 bits) and length of each load, in bytes; None: it may be something
        else than zero, or perhaps cannot be evaluated.
    """
    reads: set[tuple[int, int]] = set()
    ways: list[tuple[int, tuple[int | None, ...]]] = [(0, ())]  # next step, and the stack; None: any value
    for _ in range(_MOST_OPERATIONS):
        if not ways:
            return frozenset(reads)
        at, stack = ways.pop()
        if at >= len(expression) or len(stack) > _MOST_STACK:
            return None
        step = expression[at]
        if step.operation is Operation.END:
            if not stack or stack[-1] != 0:
                return None
        elif step.operation is Operation.JUMP:
            ways.append((step.operand, stack))
        elif step.operation is Operation.JUMP_UNLESS_ZERO:
            if not stack:
                return None
            if stack[-1] != 0:
                ways.append((step.operand, stack[:-1]))
            if not stack[-1]:
                ways.append((at + 1, stack[:-1]))
        else:
            after = _after(step, stack, evaluate, reads)
            if after is None:
                return None
            ways.append((at + 1, after))
    return None


def _after(
    step: Step, stack: tuple[int | None, ...], evaluate: Evaluate, reads: set[tuple[int, int]]
) -> tuple[int | None, ...] | None:
    """The stack after a step that leads to the next one; None: it may fail."""
    operation = step.operation
    if operation is Operation.CONSTANT:
        return *stack, step.operand
    if operation is Operation.REGISTER:
        return None if evaluate((step, Step(Operation.END))) is None else (*stack, None)
    if operation is Operation.DUPLICATE:
        return (*stack, stack[-1]) if stack else None
    if operation is Operation.DROP:
        return stack[:-1] if stack else None
    if operation is Operation.SWAP:
        return (*stack[:-2], stack[-1], stack[-2]) if len(stack) > 1 else None
    if operation is Operation.PICK:
        return (*stack, stack[-1 - step.operand]) if len(stack) > step.operand else None
    if operation is Operation.ROTATE:
        return (*stack[:-3], stack[-1], stack[-3], stack[-2]) if len(stack) > 2 else None
    size = LOADED_BYTES.get(operation)
    taken = 1 if operation in _UNARY or size is not None else 2
    if len(stack) < taken or (taken == 2 and operation not in _BINARY):
        return None
    operands = stack[-taken:]
    if None in operands:
        if size is not None or (operation in _DIVISIONS and operands[-1] in (None, 0)):
            return None  # nothing may be mapped there; it may be a division by zero
        if operation in (Operation.AND, Operation.MULTIPLY) and 0 in operands:
            return *stack[:-taken], 0
        return *stack[:-taken], None
    known = tuple(Step(Operation.CONSTANT, each) for each in operands if each is not None)
    value = evaluate((*known, step, Step(Operation.END)))
    if value is None:
        return None
    if size is not None:
        reads.add((operands[0] or 0, size))
    return *stack[:-taken], value
