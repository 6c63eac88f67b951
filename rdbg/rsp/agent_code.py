"""Agent expressions: the bytecode in which a debugger sends conditions, decoded into what a machine evaluates.

Source: GDB manual, appendix "The GDB Agent Expression Mechanism". The operations that only tracepoints use (trace,
trace state variables) and floating point (which GDB never emits) are refused; a printf
is taken apart by `rdbg.rsp.agent_printf`.
"""

from __future__ import annotations

from dataclasses import replace

from rdbg.emu.expression import Expression, Operation, Step


class AgentError(Exception):
    """An expression that cannot be evaluated."""


#: Operation codes by their names in the manual: what each means, and bytes of the operand that follows in the code,
#: big-endian.
_CODES: dict[int, tuple[Operation, int]] = {
    0x02: (Operation.ADD, 0),  # add
    0x03: (Operation.SUBTRACT, 0),  # sub
    0x04: (Operation.MULTIPLY, 0),  # mul
    0x05: (Operation.DIVIDE_SIGNED, 0),  # div_signed
    0x06: (Operation.DIVIDE_UNSIGNED, 0),  # div_unsigned
    0x07: (Operation.REMAINDER_SIGNED, 0),  # rem_signed
    0x08: (Operation.REMAINDER_UNSIGNED, 0),  # rem_unsigned
    0x09: (Operation.SHIFT_LEFT, 0),  # lsh
    0x0A: (Operation.SHIFT_RIGHT_SIGNED, 0),  # rsh_signed
    0x0B: (Operation.SHIFT_RIGHT_UNSIGNED, 0),  # rsh_unsigned
    0x0E: (Operation.IS_ZERO, 0),  # log_not
    0x0F: (Operation.AND, 0),  # bit_and
    0x10: (Operation.OR, 0),  # bit_or
    0x11: (Operation.EXCLUSIVE_OR, 0),  # bit_xor
    0x12: (Operation.INVERT, 0),  # bit_not
    0x13: (Operation.EQUAL, 0),  # equal
    0x14: (Operation.LESS_SIGNED, 0),  # less_signed
    0x15: (Operation.LESS_UNSIGNED, 0),  # less_unsigned
    0x16: (Operation.EXTEND_SIGN, 1),  # ext
    0x17: (Operation.LOAD_8, 0),  # ref8
    0x18: (Operation.LOAD_16, 0),  # ref16
    0x19: (Operation.LOAD_32, 0),  # ref32
    0x1A: (Operation.LOAD_64, 0),  # ref64
    0x20: (Operation.JUMP_UNLESS_ZERO, 2),  # if_goto
    0x21: (Operation.JUMP, 2),  # goto
    0x22: (Operation.CONSTANT, 1),  # const8
    0x23: (Operation.CONSTANT, 2),  # const16
    0x24: (Operation.CONSTANT, 4),  # const32
    0x25: (Operation.CONSTANT, 8),  # const64
    0x26: (Operation.REGISTER, 2),  # reg
    0x27: (Operation.END, 0),  # end
    0x28: (Operation.DUPLICATE, 0),  # dup
    0x29: (Operation.DROP, 0),  # pop
    0x2A: (Operation.EXTEND_ZERO, 1),  # zero_ext
    0x2B: (Operation.SWAP, 0),  # swap
    0x32: (Operation.PICK, 1),  # pick
    0x33: (Operation.ROTATE, 0),  # rot
}


def next_operation(code: bytes, at: int) -> int:
    """Where the operation after the one at ``at`` begins.

    Raises:
        AgentError: it is unknown or cut short.
    """
    known = _CODES.get(code[at])
    if known is None:
        raise AgentError(f"operation {code[at]:#04x} at offset {at} is not supported")
    end = at + 1 + known[1]
    if end > len(code):
        raise AgentError(f"operation at offset {at} is cut short")
    return end


def decode(code: bytes) -> Expression:
    """The expression that bytecode stands for.

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
        operation, operand = _CODES[code[at]][0], int.from_bytes(code[at + 1 : end], "big")
        if operation is Operation.EXTEND_SIGN and not 0 < operand <= 64:
            raise AgentError(f"ext with operand {operand} is not supported")
        steps.append(Step(operation, operand))
        at = end
    for index, step in enumerate(steps):
        if step.operation in (Operation.JUMP, Operation.JUMP_UNLESS_ZERO):
            if step.operand not in index_of:
                raise AgentError(f"jump to offset {step.operand}, where no operation begins")
            steps[index] = replace(step, operand=index_of[step.operand])
    return tuple(steps)
