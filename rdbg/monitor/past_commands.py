"""``lastwrite writes lastexec``: questions about the past; the machine stays where it is."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.analysis.address_expression import evaluate
from rdbg.analysis.whole_number import whole_number
from rdbg.emu.machine_api import Write, Writer
from rdbg.errors import UsageError
from rdbg.monitor.command import MonitorCommand, MonitorContext, one_argument
from rdbg.timeline import QuestionInterrupted

_LASTWRITE_USAGE = "lastwrite ADDRESS [LENGTH]"
_WRITES_USAGE = "writes ADDRESS [LENGTH [NUMBER]]"
_WRITES_SHOWN = 10
_LENGTH = 4  #: a word
_MOST_WRITES = 1000
_MOST_BYTES_SHOWN = 16
_INTERRUPTED = "interrupted: what was before that was not looked at\n"


def _last_write(context: MonitorContext, arguments: list[str]) -> str:
    if len(arguments) not in (1, 2):
        raise UsageError(f"usage: {_LASTWRITE_USAGE}")
    address, length = _range(context, arguments)
    timeline = context.timeline
    # Asked again at the same place, the question is about what was before the last answer.
    question = (address, length, timeline.position)
    last = timeline.places.answered.get(question)
    before = None if last is None else last.order
    try:
        found = timeline.past.last_writes(address, length, before=before, interrupted=context.interrupted)
    except QuestionInterrupted:
        return _INTERRUPTED
    timeline.places.answered = {question: found[0]} if found else {}
    again = "" if last is None else f"(asked again here: what was before the one at icount {_place(last.write)})\n"
    if not found:
        until = "here" if last is None else f"icount {_place(last.write)}"
        return f"{_none(context, address, length)} found between the start of the history and {until}\n{again}"
    write, shown = found[0].write, timeline.machine.architecture.shown
    side = "after" if _is_at(write) else "before"
    return (
        f"{_words(write, shown)}\n{again}"
        f"'monitor goto {_place(write)}' goes to just {side} it; asked again, lastwrite goes further back\n"
    )


def _writes(context: MonitorContext, arguments: list[str]) -> str:
    if len(arguments) not in (1, 2, 3):
        raise UsageError(f"usage: {_WRITES_USAGE}")
    address, length = _range(context, arguments)
    count = whole_number(arguments[2], "number of writes") if len(arguments) == 3 else _WRITES_SHOWN
    if not 0 < count <= _MOST_WRITES:
        raise UsageError(f"number of writes {count}: ask for 1 to {_MOST_WRITES}")
    shown = context.timeline.machine.architecture.shown
    try:
        found = context.timeline.past.last_writes(address, length, count, interrupted=context.interrupted)
    except QuestionInterrupted as some:
        return "".join(f"{_words(each.write, shown)}\n" for each in some.found) + _INTERRUPTED
    lines = [_words(each.write, shown) for each in found]
    if len(found) < count:
        lines.append("no more between the start of the history and there" if found else "no write before here")
    return "\n".join(lines) + "\n"


def _none(context: MonitorContext, address: int, length: int) -> str:
    mapped = context.timeline.machine.translate(address) is not None
    unmapped = "" if mapped else " (nothing is mapped there now: writes by just this address)"
    shown = context.timeline.machine.architecture.shown(address)
    return f"no write to {shown} (length {length}){unmapped}"


def _is_at(write: Write) -> bool:
    """Whether a write happened at a position, between two instructions: what stands there sees it done."""
    return write.before == write.after


def _place(write: Write) -> int:
    """The position that a write is known by."""
    return write.after if _is_at(write) else write.before


def _words(write: Write, shown: Callable[[int], str]) -> str:
    place = f"icount {_place(write)}"
    if write.writer is Writer.STORE:
        place += f", pc {shown(write.pc)} wrote"
    elif _is_at(write):
        place += f": {write.by} wrote"
    else:
        place += f", pc {shown(write.pc)}: {write.by} wrote"
    change = f"{_bytes(write.old)} -> {_bytes(write.new)}" if write.old else f"{_bytes(write.new)} (a device register)"
    through = ""
    if write.through is not None and write.through != write.address:
        through = f" (through {shown(write.through)})"
    return f"{place} {shown(write.address)}: {change}{through}"


def _range(context: MonitorContext, arguments: list[str]) -> tuple[int, int]:
    """Address and length: unless given, that of the symbol, or 4."""
    start = evaluate(context.timeline.machine, context.symbols, arguments[0])
    address = start.address
    length = whole_number(arguments[1], "length") if len(arguments) > 1 else start.size or _LENGTH
    if not 0 < length <= context.timeline.machine.architecture.room(address):
        raise UsageError(f"length {length} at {address:#x} is empty or runs out of the address space")
    return address, length


def _last_executed(context: MonitorContext, arguments: list[str]) -> str:
    address = evaluate(context.timeline.machine, context.symbols, one_argument(arguments, "lastexec ADDRESS")).address
    try:
        position = context.timeline.past.last_executed(address, context.interrupted)
    except QuestionInterrupted:
        return _INTERRUPTED
    if position is None:
        shown = context.timeline.machine.architecture.shown(address)
        return f"{shown} was not executed between the start of the history and here\n"
    return f"icount {position}\n'monitor goto {position}' goes to just before it\n"


def _bytes(data: bytes) -> str:
    more = f"... ({len(data)} bytes)" if len(data) > _MOST_BYTES_SHOWN else ""
    return data[:_MOST_BYTES_SHOWN].hex(" ") + more


PAST_COMMANDS = (
    MonitorCommand("lastwrite", _LASTWRITE_USAGE, "which instruction wrote these bytes last, before here", _last_write),
    MonitorCommand("writes", _WRITES_USAGE, "the last writes to these bytes before here, latest first", _writes),
    MonitorCommand(
        "lastexec", "lastexec ADDRESS", "when this instruction was executed last, before here", _last_executed
    ),
)
