"""The command that a debugger attaches to a breakpoint (``dprintf``): an agent expression that ends in ``printf``.

Source: GDB manual, "Bytecode Descriptions", ``printf``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from rdbg.emu.expression import Expression, Operation, Step
from rdbg.quick_dataclass import dataclass
from rdbg.rsp.agent_code import AgentError, decode, next_operation

_PRINTF = 0x34
_END = b"\x27"
#: Above the arguments on the stack: the channel, and on top the function, of a printf of the target's own.
_ABOVE_ARGUMENTS = 2
#: C's escapes, which the debugger leaves to whoever prints.
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_ESCAPED = {b"a": b"\a", b"b": b"\b", b"e": b"\x1b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_MOST_ARGUMENTS = 100
_HEAD_BYTES = 4  #: the operation, the number of arguments, the length of the template


@dataclass(frozen=True)
class AgentPrintf:
    """A decoded command.

    Args:
        arguments: an expression for each argument.
        template: C's format, escapes resolved.
    """

    arguments: tuple[Expression, ...]
    template: bytes

    def values(self, evaluate: Callable[[Expression], int | None]) -> list[int] | None:
        """The arguments' values; None: one cannot be evaluated."""
        values = [evaluate(argument) for argument in self.arguments]
        known = [value for value in values if value is not None]
        return known if len(known) == len(values) else None


def decode_printf(code: bytes) -> AgentPrintf:
    """Take a command apart.

    Raises:
        AgentError: it is no printf, or damaged.
    """
    at = 0
    while at < len(code) and code[at] != _PRINTF:
        at = next_operation(code, at)
    head = code[at : at + _HEAD_BYTES]
    if len(head) < _HEAD_BYTES:
        raise AgentError("command without a printf")
    if head[1] > _MOST_ARGUMENTS:
        raise AgentError(f"printf with {head[1]} arguments; {_MOST_ARGUMENTS} at most")
    count, length = head[1], int.from_bytes(head[2:4], "big")
    template = code[at + _HEAD_BYTES : at + _HEAD_BYTES + length]
    if len(template) < length:
        raise AgentError(f"template of a printf at offset {at} is cut short")
    # The arguments are on the stack, the first nearest to the top: each is the same code with its own choice at the
    # end.
    before = decode(code[:at] + _END)[:-1]  # jumps may lead to the choice
    arguments = tuple(
        (*before, Step(Operation.PICK, _ABOVE_ARGUMENTS + index), Step(Operation.END)) for index in range(count)
    )
    return AgentPrintf(arguments, _ESCAPE.sub(_plain, template.rstrip(b"\0")))


def _plain(match: re.Match[bytes]) -> bytes:
    digits = match[1]
    if digits.isdigit():
        return bytes((int(digits, 8) & 0xFF,))
    return _ESCAPED.get(digits, digits)
