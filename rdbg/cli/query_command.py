"""``rdbg query``: a question to a whole recording."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from rdbg.analysis.answer import INTERRUPTED, AnswerInterrupted, answer_lines, namer
from rdbg.analysis.in_one_process import InOneProcess
from rdbg.analysis.question_table import COMMON_OPTIONS, QUESTIONS, Asker, understand
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.cli.option_values import hint
from rdbg.cli.qemu_options import help_entry, parse_line
from rdbg.cli.running import replaying
from rdbg.cli.standard_streams import writing
from rdbg.errors import UsageError
from rdbg.host.messages import say
from rdbg.serial.serial_spec import SerialKind, SerialSpec
from rdbg.session.images import read_image
from rdbg.session.options import ImageFile
from rdbg.session.session import Session, Surroundings

_NOWHERE = SerialSpec(SerialKind.NULL)
_SYMBOLS = "--symbols"
#: Exit code of an answer that Ctrl-C has cut short, as a shell has it.
_CUT_SHORT = 130


def query(words: Sequence[str]) -> int:
    """Answer a question on standard output.

    Raises:
        RdbgError: there is no such question, or the recording cannot be used.
    """
    if len(words) < 2 or words[0].startswith("-"):
        raise UsageError("query: give a recording and a question; see rdbg query --help")
    recording, name, *rest = words
    if name not in QUESTIONS:
        raise UsageError(f"query: there is no question '{name}'{hint(name, QUESTIONS)}; see rdbg query --help")
    symbols, rest = _symbols(rest)
    options = replace(replaying(parse_line([]).options, recording), serials=(_NOWHERE,))
    around = Surroundings(command_line=("rdbg", "query", *words), terminal=False, symbols=symbols)
    session = Session(options, around)
    try:
        timeline = session.timeline
        asked = understand(Asker(timeline, session.symbols), name, rest)
        digits = timeline.machine.architecture.address_bits // 4
        with writing() as out, _ended_by_signals() as ended:
            pool = InOneProcess(lambda: ReplayedRun(timeline, ended.is_set))
            try:
                for line in answer_lines(asked, pool, namer(session.symbols), digits):
                    out.write(line)
            except AnswerInterrupted:
                out.flush()
                say(INTERRUPTED)
                return _CUT_SHORT
    finally:
        session.close()
    return 0


@contextmanager
def _ended_by_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and other ending signals set."""
    ended = threading.Event()
    previous = {
        number: signal.signal(number, lambda *_: ended.set())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield ended
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _symbols(words: Sequence[str]) -> tuple[bytes | None, list[str]]:
    """The ELF file named by ``--symbols``, and the other words."""
    rest = list(words)
    if _SYMBOLS not in rest:
        return None, rest
    at = rest.index(_SYMBOLS)
    if at + 1 == len(rest):
        raise UsageError(f"query: {_SYMBOLS} names no file")
    return read_image(ImageFile("symbols", rest[at + 1])).data, rest[:at] + rest[at + 2 :]


def query_help() -> str:
    """What ``rdbg query --help`` says."""
    entries = [(f"{kind.name} {kind.usage}", kind.help) for kind in QUESTIONS.values()]
    entries += [
        ("--from PLACE, --to PLACE", "the stretch of the run that is asked about, places as in monitor goto"),
        ("--newest-first", "the latest row first"),
        ("--count", "only how many rows there are"),
        ("--limit N", "end after so many rows"),
        ("--json, --csv", "a JSON object a line, or CSV, with decimal numbers"),
        ("--symbols FILE", "an ELF file with the guest's symbols (default: its image, if it is one)"),
    ]
    lines = [line for head, words in entries for line in help_entry(head, words)]
    return "\n".join(lines) + f"\n\nEach question takes {COMMON_OPTIONS}.\nCtrl-C ends one with what was found so far."
