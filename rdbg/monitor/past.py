"""``lastwrite lastexec``: questions about the past; the machine stays where it is."""

from __future__ import annotations

from rdbg.errors import UsageError
from rdbg.monitor.command import Command, Session, one_argument, whole_number
from rdbg.rsp.address import short

_LASTWRITE_USAGE = "lastwrite ADDRESS [LENGTH]"
_MOST_BYTES_SHOWN = 16


def _last_write(session: Session, arguments: list[str]) -> str:
    if len(arguments) not in (1, 2):
        raise UsageError(f"usage: {_LASTWRITE_USAGE}")
    address = _address(arguments[0])
    length = whole_number(arguments[1], "length") if len(arguments) == 2 else 4
    if not 0 < length <= (1 << 32) - address:
        raise UsageError(f"length {length} at {address:#x} is empty or runs out of the address space")
    found = session.timeline.last_write(address, length, interrupted=session.interrupted)
    if found is None:
        return f"no write to {address:#010x} (length {length}) found between the start of the history and here\n"
    return (
        f"icount {found.position}, pc {found.pc:#010x} wrote {found.address:#010x}: "
        f"{_bytes(found.old)} -> {_bytes(found.new)}\n"
        f"'monitor goto {found.position}' goes to just before it\n"
    )


def _last_executed(session: Session, arguments: list[str]) -> str:
    address = _address(one_argument(arguments, "lastexec ADDRESS"))
    position = session.timeline.last_executed(address, session.interrupted)
    if position is None:
        return f"{address:#010x} was not executed between the start of the history and here\n"
    return f"icount {position}\n'monitor goto {position}' goes to just before it\n"


def _address(text: str) -> int:
    """A 32-bit address; hexadecimal with or without 0x, sign-extended or not."""
    value = short(whole_number(text if text.lower().startswith("0x") else f"0x{text}", "address"))
    if value >> 32:
        raise UsageError(f"address '{text}' does not fit in 32 bits")
    return value


def _bytes(data: bytes) -> str:
    return data[:_MOST_BYTES_SHOWN].hex(" ") + ("..." if len(data) > _MOST_BYTES_SHOWN else "")


PAST_COMMANDS = (
    Command("lastwrite", _LASTWRITE_USAGE, "which instruction wrote these bytes last, before here", _last_write),
    Command("lastexec", "lastexec ADDRESS", "when this instruction was executed last, before here", _last_executed),
)
