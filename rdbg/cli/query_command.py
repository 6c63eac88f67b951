"""``rdbg query``: a question to a whole recording."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack

from rdbg.analysis.answer import INTERRUPTED, AnswerInterrupted, answer_lines, namer
from rdbg.analysis.input_places import INPUTS
from rdbg.analysis.place_names import position_of
from rdbg.analysis.question_table import QUESTION_OPTIONS, QUESTIONS, Asker, understand
from rdbg.cli.command_page import PLACES, Choices, CommandArgument, CommandOption, CommandPage
from rdbg.cli.option_values import hint, parse_number
from rdbg.cli.running import CUT_SHORT
from rdbg.cli.standard_streams import writing
from rdbg.errors import UsageError
from rdbg.host.interrupts import NotedInterrupts
from rdbg.host.messages import say
from rdbg.host.shell_progress import shell_progress
from rdbg.monitor.command import MonitorContext
from rdbg.monitor.origin_commands import LASTSET_USAGE, ORIGIN_USAGE, lastset_lines, origin_lines
from rdbg.session.images import read_symbols
from rdbg.session.options import silent_replay
from rdbg.session.session import Session
from rdbg.session.surroundings import Surroundings
from rdbg.workers.run_copies import RunCopies, all_cores

_CHOICES: dict[str, Choices] = {"PLACE": lambda: PLACES}
_JOBS = CommandOption(("jobs",), "N", "processes that look through the run (default: one for each core)")
_SCHEDULER = CommandOption(
    ("scheduler",),
    "tcp://HOST:PORT",
    "hand the work to a dask.distributed cluster (pip install 'rdbg[cluster]'; docs/scale.md)",
)
_SYMBOLS = CommandOption(
    ("symbols",), "FILE", "an ELF file with the guest's symbols (default: its image, if it is one)"
)
_WHERE = CommandOption(
    ("where",),
    "CONDITION",
    f"of {', '.join(kind.name for kind in QUESTIONS.values() if dict(kind.options).get('--where'))}: only rows for "
    "which this holds, such as 'a0 == 0'",
)
_READ = CommandOption(("read",), "", "of accesses: only what was read")
_WRITE = CommandOption(("write",), "", "of accesses: only what was written")
_AT = CommandOption(("at",), "PLACE", "of origin and lastset: the position (default: end)", _CHOICES["PLACE"])


_AT_A_PLACE = {"origin": origin_lines, "lastset": lastset_lines}


def query(words: Sequence[str]) -> int:
    """Answer a question on standard output.

    Raises:
        RdbgError: there is no such question, or the recording cannot be used.
    """
    recording, name, rest = _sorted_words(words)
    if name in _AT_A_PLACE:
        return _at_a_place(recording, name, rest, words)
    if name not in QUESTIONS:
        meant = hint(name, (*QUESTIONS, *_AT_A_PLACE))
        raise UsageError(f"query: there is no question '{name}'{meant}; see rdbg query --help")
    symbols, rest = _symbols(rest)
    jobs, rest = _jobs(rest)
    scheduler, rest = _taken(rest, _SCHEDULER, "lacks the address of a scheduler, tcp://HOST:PORT")
    around = Surroundings(command_line=("rdbg", "query", *words), terminal=False, symbols=symbols)
    session = Session(silent_replay(recording), around)
    try:
        timeline = session.timeline
        asked = understand(Asker(timeline, session.symbols), name, rest)
        digits = timeline.machine.architecture.address_bits // 4
        own_bar = sys.stdout is None or not sys.stdout.isatty()
        shown = shell_progress("--json" in rest, bar=own_bar)
        with writing() as out, shown as progress, NotedInterrupts() as ended, ExitStack() as left:
            if scheduler is None:
                pool = RunCopies(timeline, jobs, session.reopen).pool(ended, progress)
            else:
                from rdbg.workers.cluster import cluster_pool  # what it loads takes long

                pool = left.enter_context(cluster_pool(scheduler, recording, timeline, ended, progress))
            try:
                for line in answer_lines(asked, pool, namer(session.symbols), digits, session.symbols.elf is not None):
                    out.write(line)
            except AnswerInterrupted:
                out.flush()
                say(INTERRUPTED)
                return CUT_SHORT
    finally:
        session.close()
    return 0


def _sorted_words(words: Sequence[str]) -> tuple[str, str, list[str]]:
    """The recording, the question, and all other words. Options may stand before them."""
    valued = {spelling for each in QUERY_PAGE.options if each.value for spelling in each.spellings}
    places = {spelling for each in QUERY_PAGE.options if each.value == "PLACE" for spelling in each.spellings}
    named: list[str] = []
    rest = list(words)
    before: list[str] = []
    while rest and len(named) < 2:
        word = rest.pop(0)
        if not word.startswith("-"):
            named.append(word)
            continue
        before.append(word)
        if word in valued and rest:
            before.append(rest.pop(0))
            if word in places and before[-1] in INPUTS and rest:
                before.append(rest.pop(0))
    if len(named) < 2:
        raise UsageError("query: give a recording and a question; see rdbg query --help")
    return named[0], named[1], [*rest, *before]


def _at_a_place(recording: str, name: str, words: Sequence[str], line: Sequence[str]) -> int:
    """``origin`` and ``lastset``: they are asked at one position, and told in steps, not in a table."""
    symbols, rest = _symbols(words)
    place, rest = _taken(rest, _AT, "names no place")
    around = Surroundings(command_line=("rdbg", "query", *line), terminal=False, symbols=symbols)
    session = Session(silent_replay(recording), around)
    try:
        timeline = session.timeline
        timeline.goto(position_of(timeline, place or "end"))
        with writing() as out, NotedInterrupts() as ended:
            context = MonitorContext(timeline, ended, lambda: None, session.symbols)
            out.write(_AT_A_PLACE[name](context, rest))
            return CUT_SHORT if ended() else 0
    finally:
        session.close()


def _symbols(words: Sequence[str]) -> tuple[bytes | None, list[str]]:
    """The ELF file named by ``--symbols``, and the other words."""
    path, rest = _taken(words, _SYMBOLS, "names no file")
    return read_symbols(path), rest


def _jobs(words: Sequence[str]) -> tuple[int, list[str]]:
    """The number after ``--jobs``, and the other words."""
    number, rest = _taken(words, _JOBS, "lacks its number")
    return all_cores() if number is None else parse_number(number, "--jobs", 1, 1024), rest


def _taken(words: Sequence[str], own: CommandOption, without: str) -> tuple[str | None, list[str]]:
    """The value of an option of this command, and the words without it."""
    (option,) = own.spellings
    rest = list(words)
    for at, word in enumerate(words):
        if word == option:
            if at + 1 == len(rest):
                raise UsageError(f"query: {option} {without}")
            return rest[at + 1], rest[:at] + rest[at + 2 :]
        if word.startswith(f"{option}="):
            return word.partition("=")[2], rest[:at] + rest[at + 1 :]
    return None, rest


_LASTSET = CommandArgument(
    "lastset",
    f"{LASTSET_USAGE.removeprefix('lastset ')} [--at PLACE]",
    "which instruction set this register last, before a position",
)
_ORIGIN = CommandArgument(
    "origin",
    f"{ORIGIN_USAGE.removeprefix('origin ')} [--at PLACE]",
    "where this value came from, as it is at a position",
)
#: What ``rdbg query`` takes.
QUERY_PAGE = CommandPage(
    operands=("RECORDING", "QUESTION"),
    arguments=(*(CommandArgument(kind.name, kind.usage, kind.help) for kind in QUESTIONS.values()), _ORIGIN, _LASTSET),
    options=(
        *(
            CommandOption((each.name.removeprefix("--"),), each.value, each.help, _CHOICES.get(each.value))
            for each in QUESTION_OPTIONS
        ),
        _WHERE,
        _READ,
        _WRITE,
        _AT,
        _JOBS,
        _SCHEDULER,
        _SYMBOLS,
    ),
    notes="Each question takes those from --from to --csv. Ctrl-C ends one with what was found so far.",
)
