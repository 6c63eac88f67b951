"""``rdbg trace``: every instruction of a stretch of a run, for Tenet, or as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rdbg.analysis.instruction_trace import InstructionTrace
from rdbg.analysis.place_names import stretch_of
from rdbg.cli.command_page import PLACES, CommandOption, CommandPage
from rdbg.cli.option_values import hint
from rdbg.cli.qemu_options import parse_line
from rdbg.cli.running import CUT_SHORT, one_file
from rdbg.cli.standard_streams import writing
from rdbg.emu.instruction_rows import instruction_text
from rdbg.emu.machine_api import InstructionRows
from rdbg.errors import UsageError
from rdbg.host.interrupts import NotedInterrupts
from rdbg.host.messages import say
from rdbg.host.shell_progress import shell_progress
from rdbg.host.whole_file import whole_file
from rdbg.quick_dataclass import dataclass
from rdbg.session.options import silent_replay
from rdbg.session.session import Session
from rdbg.session.surroundings import Surroundings
from rdbg.timeline import QuestionInterrupted

TRACE_PAGE = CommandPage(
    operands=("RECORDING",),
    options=(
        CommandOption(("from",), "PLACE", "where the stretch begins, a place as in monitor goto", lambda: PLACES),
        CommandOption(("to",), "PLACE", "where it ends (default: all of the run)", lambda: PLACES),
        CommandOption(
            ("format",), "tenet|json", "Tenet's text, or a JSON object in each line (default: tenet)",
            lambda: {"tenet": "for Tenet", "json": "a JSON object in each line"},
        ),
        CommandOption(("o", "output"), "FILE", "where to (default: standard output)"),
    ),
    notes="A row is an instruction: registers that have changed since the row before, and what it reads and writes.",
)  # fmt: skip


@dataclass(frozen=True)
class _Format:
    """A format of traces.

    Args:
        magic: how its files begin.
        what: one of them, with the article.
        json: an object in each line; else register=value and mr/mw=address:bytes, separated by commas.
    """

    magic: bytes
    what: str
    json: bool


_FORMATS = {
    "tenet": _Format(b"at=0x", "a trace for Tenet", json=False),
    "json": _Format(b'{"icount": ', "a trace in JSON", json=True),
}


def trace(words: Sequence[str]) -> int:
    """Run the words after ``rdbg trace``; gives the exit code.

    Raises:
        RdbgError: it cannot be done, or the file cannot be written.
    """
    line = parse_line(words, own=TRACE_PAGE.values(), operands=True, allowed=())
    name = line.last("format", "tenet") or ""
    if name not in _FORMATS:
        raise UsageError(f"--format {name}: there is no such format{hint(name, _FORMATS)}; write tenet or json")
    options = silent_replay(one_file("trace", line.operands))
    output = line.last("o") or line.last("output")
    around = Surroundings(command_line=("rdbg", "trace", *words), terminal=False, signals=False)
    session = Session(options, around)
    try:
        with NotedInterrupts() as noted, shell_progress(bar=output is not None) as progress:
            timeline = session.timeline
            stretch = stretch_of(timeline, line.last("from"), line.last("to"))
            names = {
                info.number: (info.aliases or (info.name,))[0]
                for info in timeline.machine.architecture.registers_of(timeline.machine.layout)
            }
            with timeline.telling(progress):
                traced = InstructionTrace(timeline, noted)
                return _write(traced.rows(stretch.start, stretch.end), names, _FORMATS[name], output)
    finally:
        session.close()


def _write(pieces: Iterator[InstructionRows], names: Mapping[int, str], chosen: _Format, output: str | None) -> int:
    cut: list[str] = []

    def until_interrupted() -> Iterator[bytes]:
        try:
            for piece in pieces:
                yield instruction_text(piece.rows, piece.values, names, chosen.json)
        except QuestionInterrupted:
            cut.append("interrupted: the trace ends before the end of the stretch")

    if output is None:
        with writing() as out:
            out.writelines(text.decode() for text in until_interrupted())
    else:
        with whole_file(Path(output), chosen.magic, chosen.what) as file:
            file.writelines(until_interrupted())
    for notice in cut:
        say(notice)
    return CUT_SHORT if cut else 0
