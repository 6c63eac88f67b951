"""What came from outside: the inputs around a position."""

from __future__ import annotations

from rdbg.analysis.whole_number import whole_number
from rdbg.errors import UsageError
from rdbg.history.known_records import NumberedInput
from rdbg.monitor.command import MonitorContext
from rdbg.recording.words import kind_name, record_text
from rdbg.timeline import Timeline

#: Inputs that are listed unless a number is given, and at most.
_SHOWN = 10
_MOST_SHOWN = 1000
INPUTS_USAGE = "info inputs [NUMBER]"


def inputs(context: MonitorContext, arguments: list[str]) -> str:
    """The inputs before and after this position, with what `goto` takes to go to each."""
    if len(arguments) > 1:
        raise UsageError(f"usage: {INPUTS_USAGE}")
    count = whole_number(arguments[0], "number of inputs") if arguments else _SHOWN
    if not 0 < count <= _MOST_SHOWN:
        raise UsageError(f"number of inputs {count}: ask for 1 to {_MOST_SHOWN}")
    history = context.timeline.history
    before, after = history.known.inputs_around(count)
    lines = [_line(context.timeline, each) for each in before]
    lines.append(f"{'':>9}{context.timeline.position:>16}  here")
    lines += [_line(context.timeline, each) for each in after]
    if not before and not after:
        return "Nothing has come from outside.\n"
    return f"{'INPUT':>9}{'ICOUNT':>16}  what\n" + "\n".join(lines) + "\n"


def _line(timeline: Timeline, each: NumberedInput) -> str:
    kind = kind_name(each.record.kind)
    if each.packet is not None:
        kind += f" {each.packet}"
    text = record_text(each.record, timeline.machine.architecture)
    return f"{each.number:>9}{each.record.icount:>16}  {kind}, {text}"
