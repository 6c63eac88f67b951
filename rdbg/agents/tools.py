"""The tools: what a model may ask of a run, each with a purpose instead of a packet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from rdbg.agents.bounded import MOST_BYTES, MOST_LINES, bounded, clipped
from rdbg.agents.call_chain import call_chain
from rdbg.errors import UsageError
from rdbg.library.recorded_run import RecordedRun
from rdbg.navigation.stops import Interrupted, StopReason, never
from rdbg.quick_dataclass import dataclass

_FEWER = "ask for fewer"


@dataclass(frozen=True)
class Parameter:
    """What a tool is given.

    Args:
        kind: ``string``, ``integer`` or ``boolean``, as JSON Schema has it.
        help: what it is.
        default: what it is if it is left out; None: it must be given, unless it is optional.
        optional: it may be left out.
    """

    kind: str
    help: str
    default: str | int | bool | None = None
    optional: bool = False


@dataclass(frozen=True)
class AgentTool:
    """One tool.

    Args:
        help: what it is for, and what it answers.
        function: does it.
        parameters: by name.
        moves: whether the machine stands somewhere else afterwards.
    """

    help: str
    function: Callable[[RecordedRun, Mapping[str, Any]], str]
    parameters: Mapping[str, Parameter]
    moves: bool = False


def call_tool(run: RecordedRun, name: str, arguments: Mapping[str, Any], interrupted: Interrupted = never) -> str:
    """Use a tool. If it fails, the machine stands where it stood.

    Args:
        run: the run.
        name: of the tool.
        arguments: as the client gave them.
        interrupted: polled; True ends it, which is a failure too.

    Returns:
        text of at most `bounded.MOST_BYTES`.

    Raises:
        RdbgError: there is no such tool, an argument is wrong, or it cannot be done.
    """
    tool = TOOLS.get(name)
    if tool is None:
        raise UsageError(f"there is no tool '{name}'; there are {', '.join(TOOLS)}")
    given = _checked(name, tool, arguments)
    stood = run.position
    run.interrupted = interrupted
    try:
        text = tool.function(run, given)
    except BaseException:
        run.interrupted = never
        run.goto(stood)
        raise
    finally:
        run.interrupted = never
    if not tool.moves and run.position != stood:
        run.goto(stood)
    return clipped(text)


_TYPES: Mapping[str, type] = {"string": str, "integer": int, "boolean": bool}


def _checked(name: str, tool: AgentTool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    for word in arguments:
        if word not in tool.parameters:
            raise UsageError(f"{name}: there is no argument '{word}'; there are {', '.join(tool.parameters) or 'none'}")
    given: dict[str, Any] = {}
    for word, parameter in tool.parameters.items():
        value = arguments.get(word, parameter.default)
        if value is None and not parameter.optional:
            raise UsageError(f"{name}: the argument '{word}' is missing: {parameter.help}")
        kind = _TYPES[parameter.kind]
        if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
            raise UsageError(f"{name}: the argument '{word}' must be of type {parameter.kind}")
        given[word] = value
    return given


# --- answers ---------------------------------------------------------------------------------
def _place(run: RecordedRun, address: int) -> str:
    symbol = run.symbol(address)
    return f"{address:#010x}" if symbol is None else f"{address:#010x} {symbol[0]}+{symbol[1]:#x}"


def _here(run: RecordedRun) -> str:
    instructions = run.disassemble(count=1)
    text = instructions[0].text if instructions else "(not mapped)"
    share = 100 * (run.position - run.start) / max(run.end - run.start, 1)
    return (
        f"icount {run.position} ({share:.2f}% of {run.start}..{run.end}), virtual time {run.virtual_ns / 1e9:.9f} s\n"
        f"pc {_place(run, run.pc)}: {text}"
    )


def _where(run: RecordedRun, given: Mapping[str, Any]) -> str:
    names = [f"{name} = icount {icount}" for name, icount in sorted({**run.snapshots, **run.bookmarks}.items())]
    return bounded([*_here(run).splitlines(), "named places:", *names], "'goto NAME' works for all")


def _goto(run: RecordedRun, given: Mapping[str, Any]) -> str:
    stop = run.travel(given["place"])
    beyond = {StopReason.HISTORY_START: "start", StopReason.HISTORY_END: "end"}.get(stop.reason)
    return _here(run) if beyond is None else f"{given['place']} is beyond the run; this is its {beyond}:\n{_here(run)}"


def _said(run: RecordedRun, *words: str) -> list[str]:
    """What a command of the monitor says, in lines that name tools instead of it."""
    return [line.replace("'monitor goto", "'goto") for line in run.command(*words).splitlines()]


def _last_value(run: RecordedRun, given: Mapping[str, Any]) -> str:
    what = given["what"]
    words = what.replace("==", " == ").split()
    if not words:
        raise UsageError("last_value: names nothing; give a register or an address")
    try:
        value = run.register(words[0])
    except UsageError:
        if len(words) > 1:
            raise UsageError(f"last_value: '{words[0]}' is no register; '== VALUE' goes with registers") from None
        return bounded(_said(run, "lastwrite", what), "use who_wrote for more")
    lines = [f"{words[0]} is {value:#x} here", *_said(run, "lastset", *words)]
    return bounded(lines, "ask for one register")


def _who_wrote(run: RecordedRun, given: Mapping[str, Any]) -> str:
    words = [given["address"], *([] if given["length"] is None else [str(given["length"])])]
    writes = run.writes(given["address"], given["length"], _positive("who_wrote", "count", given["count"]))
    if not writes:
        return f"nothing has written {' '.join(words)} before here"

    def lines() -> Iterator[str]:
        for found in writes:
            write = found.write
            by = write.by or f"pc {_place(run, write.pc)}"
            before, after = (int.from_bytes(data, _order(run)) for data in (write.old, write.new))
            yield f"icount {write.before}, {by} wrote {write.address:#010x}: {before:#x} -> {after:#x}"

    return bounded(lines(), _FEWER)


def _order(run: RecordedRun) -> Any:
    return "big" if run.timeline.machine.big_endian else "little"


def _positive(tool: str, name: str, value: int, most: int = MOST_LINES) -> int:
    """What is asked for, or as much as an answer can show."""
    if value < 1:
        raise UsageError(f"{tool}: {name} must be at least 1, not {value}")
    return min(value, most)


def _find_output(run: RecordedRun, given: Mapping[str, Any]) -> str:
    which = {"first": "1", "last": "-1"}.get(given["which"], given["which"])
    run.command("goto", "output", given["text"], which)
    position = run.position
    shown = next((row for row in run.output(start=position) if row.icount >= position), None)
    lines = _here(run).splitlines()
    return bounded([*lines, *([] if shown is None else [f"output here: {shown.text!r}"])], _FEWER)


def _last_exception(run: RecordedRun, given: Mapping[str, Any]) -> str:
    count, kind = _positive("last_exception", "count", given["count"]), given["kind"]
    position = run.position
    names = [info.name for info in run.timeline.machine.architecture.exceptions if not info.interrupt]
    if kind not in (None, "interrupt", *names):
        raise UsageError(f"last_exception: there is no exception '{kind}'; there are interrupt, {', '.join(names)}")

    def lines() -> Iterator[str]:
        if kind == "interrupt":
            for taken in run.interrupts(end=position, newest_first=True):
                yield f"icount {taken.icount}: interrupt, lines {taken.lines:#x}, before pc {_place(run, taken.pc)}"
            return
        for raised in run.exceptions(end=position, newest_first=True):
            if kind in (None, raised.exception):
                about = "" if raised.address is None else f" about address {raised.address:#010x}"
                nested = " in the handler of another one" if raised.nested else ""
                yield f"icount {raised.icount}: {raised.exception}{about}{nested}, pc {_place(run, raised.pc)}"

    found = list(islice(lines(), count))
    return bounded(found, _FEWER) if found else f"no {kind or 'exception'} before icount {position}"


def _backtrace(run: RecordedRun, given: Mapping[str, Any]) -> str:
    most = _positive("backtrace", "count", given["count"])
    frames = call_chain(run, most)

    def lines() -> Iterator[str]:
        for number, frame in enumerate(frames):
            if frame.function is None:
                yield f"#{number} {frame.pc:#010x} (no symbol: what is further out is not known)"
                continue
            entered = (
                "entry not found in the history" if frame.entered is None else f"entered at icount {frame.entered}"
            )
            how = "" if frame.called or frame.entered is None else ", not by a call"
            words = ", ".join(f"a{index}={value:#x}" for index, value in enumerate(frame.arguments))
            arguments = f" ({words})" if words else ""
            yield f"#{number} {frame.pc:#010x} {frame.function}+{frame.offset:#x}{arguments}, {entered}{how}"
        if len(frames) == most:
            yield f"[only the {most} innermost are looked for; count=N for more]"

    return bounded(lines(), _FEWER)


def _disassemble(run: RecordedRun, given: Mapping[str, Any]) -> str:
    instructions = run.disassemble(given["address"], _positive("disassemble", "count", given["count"]))
    if not instructions:
        raise UsageError(f"disassemble: nothing is mapped at {given['address']}")
    pc = run.pc
    lines = (
        f"{'=>' if each.address == pc else '  '} {_place(run, each.address)}: {each.text}" for each in instructions
    )
    return bounded(lines, "begin further on")


def _read(run: RecordedRun, given: Mapping[str, Any]) -> str:
    what, length = given["what"], given["length"]
    if what == "registers":
        words = [f"{name}={value:#x}" for name, value in run.registers().items()]
        return bounded((" ".join(words[at : at + 8]) for at in range(0, len(words), 8)), "ask for one register")
    try:
        value = run.register(what)
        return f"{what} = {value:#x} ({value})"
    except UsageError:
        pass
    length = _positive("read", "length", length, MOST_BYTES)
    address, data = run.read(what, length)
    if not data:
        raise UsageError(f"read: nothing is mapped at {what}")

    def lines() -> Iterator[str]:
        for at in range(0, len(data), 16):
            row = data[at : at + 16]
            shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
            yield f"{address + at:#010x}: {row.hex(' ')}  {shown}"
        if len(data) < length:
            yield f"[only {len(data)} bytes are mapped]"

    return bounded(lines(), "begin further on")


def _search(run: RecordedRun, given: Mapping[str, Any]) -> str:
    kind, backward = given["kind"], given["direction"] == "backward"
    if given["direction"] not in ("forward", "backward"):
        raise UsageError(f"search: the direction is forward or backward, not '{given['direction']}'")
    if kind == "runs":
        found = run.find(given["address"], given["where"], backward)
    elif kind == "written":
        found = run.find_write(given["address"], None, given["where"], backward)
    else:
        raise UsageError(f"search: the kind is runs or written, not '{kind}'")
    if found is None:
        raise UsageError(f"search: there is no such moment {'before' if backward else 'after'} icount {run.position}")
    return _here(run)


def _snapshot(run: RecordedRun, given: Mapping[str, Any]) -> str:
    return bounded(_said(run, "savevm", given["name"]), _FEWER)


def _origin(run: RecordedRun, given: Mapping[str, Any]) -> str:
    first, *rest = given["expression"].split() or [""]
    try:
        run.register(first)
        first = "$" + first.removeprefix("$")  # the other tools take a register without that, too
    except UsageError:
        pass
    return bounded(_said(run, "origin", first, *rest), "'goto' a step's icount and ask from there")


_PLACE = 'start, end, an icount, +N, -N, N%, a name, output "TEXT", exception [KIND] [next|previous], input [N]'
_ADDRESS = "an address: a symbol, symbol+0x10, $register or a number"
_COUNT = "how many at most"

TOOLS: Mapping[str, AgentTool] = {
    "where": AgentTool("Where the run stands: icount, time, pc, instruction, and the named places.", _where, {}),
    "goto": AgentTool("Go to a moment of the run.", _goto, {"place": Parameter("string", _PLACE)}, moves=True),
    "last_value": AgentTool(
        "Which instruction gave a register or a variable the value that it has here, and what it was before.",
        _last_value,
        {"what": Parameter("string", "a register ('v0', 'v0 == 5' for when it was last set to that), or an address")},
    ),
    "who_wrote": AgentTool(
        "The last writes to memory before here, latest first, by instructions and devices, with old and new values.",
        _who_wrote,
        {
            "address": Parameter("string", _ADDRESS),
            "length": Parameter("integer", "bytes; left out: the symbol's, or 4", optional=True),
            "count": Parameter("integer", _COUNT, 5),
        },
    ),
    "find_output": AgentTool(
        "Go to where the guest printed a text.",
        _find_output,
        {
            "text": Parameter("string", "what it printed"),
            "which": Parameter("string", "first, last, next, previous, or a number from 1", "first"),
        },
        moves=True,
    ),
    "last_exception": AgentTool(
        "The latest exceptions, or interrupts, before here, with the instruction and the address that they are about.",
        _last_exception,
        {
            "kind": Parameter(
                "string", "an exception's name such as AdEL, or interrupt; left out: any exception", optional=True
            ),
            "count": Parameter("integer", _COUNT, 3),
        },
    ),
    "backtrace": AgentTool(
        "The functions that have not returned here, with their arguments and when each was entered, from the history.",
        _backtrace,
        {"count": Parameter("integer", _COUNT, 12)},
    ),
    "disassemble": AgentTool(
        "Instructions in memory as it is here.",
        _disassemble,
        {"address": Parameter("string", _ADDRESS, "$pc"), "count": Parameter("integer", _COUNT, 12)},
    ),
    "read": AgentTool(
        "Registers or memory as they are here.",
        _read,
        {
            "what": Parameter("string", "'registers', a register, or " + _ADDRESS),
            "length": Parameter("integer", "bytes of memory", 64),
        },
    ),
    "search": AgentTool(
        "Go to the next or the previous moment at which code runs, or memory is written.",
        _search,
        {
            "address": Parameter("string", _ADDRESS),
            "kind": Parameter("string", "runs or written", "runs"),
            "direction": Parameter("string", "forward or backward", "backward"),
            "where": Parameter("string", "only where this holds, such as '$a0 == 0 && word($sp) > 5'", ""),
        },
        moves=True,
    ),
    "snapshot": AgentTool(
        "Keep this moment under a name, in the recording, for goto.",
        _snapshot,
        {"name": Parameter("string", "its name")},
    ),
    "origin": AgentTool(
        "Where a value came from: followed back through registers and memory to an input, an image or an instruction.",
        _origin,
        {"expression": Parameter("string", "a register, or " + _ADDRESS)},
    ),
}
