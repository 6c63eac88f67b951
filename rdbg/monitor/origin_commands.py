"""``origin lastset``: where a value came from; the machine stays where it is."""

from __future__ import annotations

import json
from itertools import islice

from rdbg.analysis.address_expression import evaluate, register_number
from rdbg.analysis.answer import namer
from rdbg.analysis.last_set import LastSet, Setting
from rdbg.analysis.origin import OriginSearch, OriginStep, SoughtBytes
from rdbg.analysis.output_origin import OutputOrigin
from rdbg.analysis.output_places import sent_output
from rdbg.analysis.replayed_run import ReplayedRun, looked_back
from rdbg.analysis.whole_number import whole_number
from rdbg.errors import UsageError
from rdbg.monitor.command import MonitorCommand, MonitorContext
from rdbg.timeline import QuestionInterrupted

ORIGIN_USAGE = "origin ADDRESS|$REGISTER [LENGTH]|sent byte|packet|sector N [ENDPOINT] [--limit N] [--json]"
LASTSET_USAGE = "lastset REGISTER [== VALUE] [--json]"
_LENGTH = 4
_MOST = 1 << 12
_STEPS = 100
_INTERRUPTED = "interrupted: what was before that was not looked at\n"


def lastset_lines(context: MonitorContext, arguments: list[str]) -> str:
    """The answer to ``lastset``, in words or as a JSON object.

    Raises:
        UsageError: that is no register, or no value.
    """
    words = [word for word in arguments if word != "--json"]
    as_json = len(words) < len(arguments)
    if len(words) not in (1, 3) or len(words) == 3 and words[1] != "==":
        raise UsageError(f"usage: {LASTSET_USAGE}")
    register = register_number(context.timeline.machine, words[0])
    value = whole_number(words[2], "value") if len(words) == 3 else None
    position = context.timeline.position
    try:
        with _run(context) as run:
            holds = run.machine.read_register(register)
            found = next(LastSet(run).before(register, position, value), None)
    except QuestionInterrupted:
        return "" if as_json else _INTERRUPTED
    if as_json:
        return _setting_json(context, found)
    return _setting_words(context, words[0], value, holds, found)


def _run(context: MonitorContext) -> ReplayedRun:
    return ReplayedRun(context.timeline, context.interrupted, *looked_back(context.timeline, context.progress))


def _setting_words(context: MonitorContext, name: str, value: int | None, holds: int, found: Setting | None) -> str:
    if found is None:
        to = "" if value is None else f" to {value:#x}"
        return f"{name} was not set{to} between the start of the history and here\n"
    held = "" if found.value is None else f" = {found.value:#x}"
    if found.effects is None:
        return f"icount {found.icount}: {found.by} set {name}{held}\n"
    place = f"{context.timeline.machine.architecture.shown(found.pc)} {namer(context.symbols)(found.pc)}".rstrip()
    since = ""
    if value is None and found.value is not None and found.value != holds:
        since = f"the hardware or the host has set {name} = {holds:#x} since; before that:\n"
    return since + (
        f"icount {found.icount}, pc {place}: {found.effects.name} set {name}{held}\n"
        f"'monitor goto {found.stand}' goes to just before it\n"
    )


def _setting_json(context: MonitorContext, found: Setting | None) -> str:
    if found is None:
        return "null\n"
    pc = None if found.effects is None else found.pc
    row = {
        "icount": found.icount,
        "stand": found.stand,
        "pc": pc,
        "pc_name": None if pc is None else namer(context.symbols)(pc) or None,
        "name": found.by if found.effects is None else found.effects.name,
        "value": found.value,
    }
    return json.dumps(row) + "\n"


def origin_lines(context: MonitorContext, arguments: list[str]) -> str:
    """The answer to ``origin``, in words or as JSON, a line a step.

    Raises:
        UsageError: that is no place.
    """
    words = list(arguments)
    as_json = "--json" in words
    if as_json:
        words.remove("--json")
    limit = _STEPS
    if "--limit" in words:
        at = words.index("--limit")
        if at + 1 == len(words):
            raise UsageError(f"usage: {ORIGIN_USAGE}")
        limit = whole_number(words[at + 1], "limit")
        del words[at : at + 2]
    output = words[1:] if words[:1] == ["sent"] else []
    if len(words) not in (1, 2) and not output:
        raise UsageError(f"usage: {ORIGIN_USAGE}")
    lines: list[str] = []
    more = False
    try:
        with _run(context) as run:
            if output:
                sent = sent_output(run.outputs(), output)
                steps = OutputOrigin(run).steps(sent, output[0], whole_number(output[1], "number"))
            else:
                steps = OriginSearch(run).steps(_target(context, words))
            for step in islice(steps, limit):
                lines.append(_json(context, step) if as_json else _words(context, step))
            more = next(steps, None) is not None
    except QuestionInterrupted:
        return "".join(lines) + ("" if as_json else _INTERRUPTED)
    if more and not as_json:
        lines.append(f"... it goes on behind these {limit} steps; say --limit N\n")
    return "".join(lines)


def _target(context: MonitorContext, words: list[str]) -> SoughtBytes:
    timeline = context.timeline
    if words[0].startswith("$") and words[0].replace("_", "").isascii() and words[0][1:].isalnum() and len(words) == 1:
        return SoughtBytes(timeline.position, register_number(timeline.machine, words[0]))
    start = evaluate(timeline.machine, context.symbols, words[0])
    length = whole_number(words[1], "length") if len(words) > 1 else start.size or _LENGTH
    if not 0 < length <= min(_MOST, timeline.machine.architecture.room(start.address)):
        raise UsageError(f"length {length} at {start.address:#x} is empty, more than {_MOST}, or runs out of memory")
    return SoughtBytes(timeline.position, None, (), start.address, length)


def _words(context: MonitorContext, step: OriginStep) -> str:
    shown = context.timeline.machine.architecture.shown
    way = f"[way {'.'.join(map(str, step.branch))}] " if step.branch else ""
    place = ""
    if step.pc is not None:
        place = f", pc {shown(step.pc)} {namer(context.symbols)(step.pc)}".rstrip() + f": {step.name}"
    value = "" if step.value is None else f", value {step.value:#x}"
    operands = "".join(f", ${name} = {held:#x}" for name, held in step.operands)
    return f"{way}icount {step.icount}{place}: {step.what}{value}{operands}\n"


def _json(context: MonitorContext, step: OriginStep) -> str:
    row = {
        "icount": step.icount,
        "pc": step.pc,
        "pc_name": None if step.pc is None else namer(context.symbols)(step.pc) or None,
        "name": step.name,
        "what": step.what,
        "value": step.value,
        "operands": dict(step.operands),
        "way": list(step.branch),
        "ends": step.ends,
    }
    return json.dumps(row) + "\n"


ORIGIN_COMMANDS = (
    MonitorCommand("origin", ORIGIN_USAGE, "where this value came from, followed back step by step", origin_lines),
    MonitorCommand("lastset", LASTSET_USAGE, "which instruction set this register last, before here", lastset_lines),
)
