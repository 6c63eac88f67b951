"""``lastwrite writes lastexec``: questions about the past; the machine stays where it is."""

from __future__ import annotations

from rdbg.errors import UsageError
from rdbg.monitor.address import place
from rdbg.monitor.command import Command, Session, one_argument, whole_number
from rdbg.navigation.questions import LastWrite

_LASTWRITE_USAGE = "lastwrite ADDRESS [LENGTH]"
_WRITES_USAGE = "writes ADDRESS [LENGTH [NUMBER]]"
_WRITES_SHOWN = 10
_LENGTH = 4  #: a word
_MOST_WRITES = 1000
_MOST_BYTES_SHOWN = 16


def _last_write(session: Session, arguments: list[str]) -> str:
    if len(arguments) not in (1, 2):
        raise UsageError(f"usage: {_LASTWRITE_USAGE}")
    address, length = _range(session, arguments)
    timeline = session.timeline
    # Asked again at the same place, the question is about what was before the last answer.
    question = (address, length, timeline.position)
    before = timeline.places.answered.get(question)
    found = timeline.last_writes(address, length, before=before, interrupted=session.interrupted)
    timeline.places.answered = {question: found[0].position} if found else {}
    if not found:
        until = "here" if before is None else f"icount {before}"
        return f"no write to {address:#010x} (length {length}) found between the start of the history and {until}\n"
    return (
        f"{_words(found[0])}\n"
        f"'monitor goto {found[0].position}' goes to just before it; asked again, lastwrite goes further back\n"
    )


def _writes(session: Session, arguments: list[str]) -> str:
    if len(arguments) not in (1, 2, 3):
        raise UsageError(f"usage: {_WRITES_USAGE}")
    address, length = _range(session, arguments)
    count = whole_number(arguments[2], "number of writes") if len(arguments) == 3 else _WRITES_SHOWN
    if not 0 < count <= _MOST_WRITES:
        raise UsageError(f"number of writes {count}: ask for 1 to {_MOST_WRITES}")
    found = session.timeline.last_writes(address, length, count, interrupted=session.interrupted)
    lines = [_words(write) for write in found]
    if len(found) < count:
        lines.append("no more between the start of the history and there" if found else "no write before here")
    return "\n".join(lines) + "\n"


def _words(found: LastWrite) -> str:
    return (
        f"icount {found.position}, pc {found.pc:#010x} wrote {found.address:#010x}: "
        f"{_bytes(found.old)} -> {_bytes(found.new)}"
    )


def _range(session: Session, arguments: list[str]) -> tuple[int, int]:
    """Address and length: unless given, that of the symbol, or 4."""
    start = place(session, arguments[0])
    address = start.address
    length = whole_number(arguments[1], "length") if len(arguments) > 1 else start.size or _LENGTH
    if not 0 < length <= (1 << 32) - address:
        raise UsageError(f"length {length} at {address:#x} is empty or runs out of the address space")
    return address, length


def _last_executed(session: Session, arguments: list[str]) -> str:
    address = place(session, one_argument(arguments, "lastexec ADDRESS")).address
    position = session.timeline.last_executed(address, session.interrupted)
    if position is None:
        return f"{address:#010x} was not executed between the start of the history and here\n"
    return f"icount {position}\n'monitor goto {position}' goes to just before it\n"


def _bytes(data: bytes) -> str:
    return data[:_MOST_BYTES_SHOWN].hex(" ") + ("..." if len(data) > _MOST_BYTES_SHOWN else "")


PAST_COMMANDS = (
    Command("lastwrite", _LASTWRITE_USAGE, "which instruction wrote these bytes last, before here", _last_write),
    Command("writes", _WRITES_USAGE, "the last writes to these bytes before here, latest first", _writes),
    Command("lastexec", "lastexec ADDRESS", "when this instruction was executed last, before here", _last_executed),
)
