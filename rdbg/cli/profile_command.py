"""``rdbg profile`` and ``rdbg coverage``: where a recorded run has spent its instructions, and what of the code ran."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from rdbg.analysis.block_counts import BlockCounts, CountBlocks, together
from rdbg.analysis.call_paths import CallPaths, CountPaths
from rdbg.analysis.call_tree import NamedPaths, named_paths
from rdbg.analysis.code_lines import InstructionCounts, Source, instruction_counts
from rdbg.analysis.coverage_files import drcov, lcov
from rdbg.analysis.path_files import callgrind_paths, flame_graph_paths, folded_paths, speedscope_paths
from rdbg.analysis.place_names import stretch_of
from rdbg.analysis.profile_files import callgrind, folded, picture, speedscope
from rdbg.cli.command_page import PLACES, CommandOption, CommandPage
from rdbg.cli.option_values import parse_number
from rdbg.cli.qemu_options import ParsedLine, parse_line
from rdbg.cli.running import CUT_SHORT, one_file
from rdbg.cli.standard_streams import writing
from rdbg.elf.elf_file import ElfFile
from rdbg.errors import UsageError
from rdbg.host.interrupts import NotedInterrupts
from rdbg.host.messages import say
from rdbg.host.shell_progress import shell_progress
from rdbg.host.whole_file import whole_file
from rdbg.quick_dataclass import dataclass
from rdbg.session.images import read_symbols
from rdbg.session.options import silent_replay
from rdbg.session.session import Session
from rdbg.session.surroundings import Surroundings
from rdbg.timeline import QuestionInterrupted
from rdbg.workers.run_copies import RunCopies, all_cores

_OPTIONS = (
    CommandOption(
        ("from",), "PLACE", "where the stretch of the run begins, a place as in monitor goto", lambda: PLACES
    ),
    CommandOption(("to",), "PLACE", "where it ends (default: all of the run)", lambda: PLACES),
    CommandOption(("jobs",), "N", "processes that look through the run (default: one for each core)"),
    CommandOption(
        ("symbols",), "FILE", "an ELF file with the guest's symbols and lines (default: its image, if it is one)"
    ),
)


@dataclass(frozen=True)
class _Counted:
    """What was counted of a run.

    Args:
        blocks: how often each ran.
        instructions: how often each ran.
        elf: the guest's file.
        image: its name.
        title: what this is about.
        instruction: bytes of one.
        paths: the same instructions by call path; None: that was not asked for.
    """

    blocks: BlockCounts
    instructions: InstructionCounts
    elf: ElfFile | None
    image: str
    title: str
    instruction: int
    paths: NamedPaths | None


@dataclass(frozen=True)
class _Format:
    """A format of files.

    Args:
        ending: of their names.
        magic: how they begin.
        what: one of them, with the article.
        write: its contents.
    """

    ending: str
    magic: bytes
    what: str
    write: Callable[[_Counted], Iterator[bytes]]


def _text(
    flat: Callable[[InstructionCounts, str], Iterator[str]], by_path: Callable[[NamedPaths, str], Iterator[str]]
) -> Callable[[_Counted], Iterator[bytes]]:
    def write(counted: _Counted) -> Iterator[bytes]:
        paths = counted.paths
        pieces = flat(counted.instructions, counted.title) if paths is None else by_path(paths, counted.title)
        return (piece.encode() for piece in pieces)

    return write


_PROFILES = (
    _Format(".folded", b"guest;", "a file of folded stacks", _text(folded, folded_paths)),
    _Format(".speedscope.json", b'{"$schema"', "a profile of speedscope's", _text(speedscope, speedscope_paths)),
    _Format(".callgrind", b"# callgrind format", "a profile of callgrind's", _text(callgrind, callgrind_paths)),
    _Format(".svg", b"<?xml", "an SVG", _text(picture, flame_graph_paths)),
)
_COVERAGES = (
    _Format(
        ".drcov",
        b"DRCOV VERSION",
        "a file of drcov's",
        lambda all_: drcov(all_.blocks, all_.elf, all_.image, all_.instructions.source.moved, all_.instruction),
    ),
    _Format(".lcov", b"TN:", "a tracefile of lcov's", lambda all_: lcov(all_.instructions, all_.instructions.source)),
)


def profile(words: Sequence[str]) -> int:
    """Write a profile.

    Raises:
        RdbgError: the recording cannot be used, or the file not be written.
    """
    return _write("profile", words, _PROFILES)


def coverage(words: Sequence[str]) -> int:
    """Write what ran.

    Raises:
        RdbgError: the recording cannot be used, or the file not be written.
    """
    return _write("coverage", words, _COVERAGES)


def _write(command: str, words: Sequence[str], formats: Sequence[_Format]) -> int:
    page = PROFILE_PAGE if command == "profile" else COVERAGE_PAGE
    line = parse_line(words, own=page.values(), operands=True, allowed=())
    recording = one_file(command, line.operands)
    output = line.last("o") or line.last("output")
    endings = ", ".join(each.ending for each in formats)
    if output is None:
        raise UsageError(f"{command}: names no file to write to; add -o FILE, whose name ends with one of {endings}")
    chosen = next((each for each in formats if output.endswith(each.ending)), None)
    if chosen is None:
        raise UsageError(f"{command}: {output}: its name says what to write: let it end with one of {endings}")
    with whole_file(Path(output), chosen.magic, chosen.what) as file:
        counted, complete = _count(command, recording, line, words)
        if command == "coverage" and output.endswith(".lcov") and not len(counted.instructions.source.lines.starts):
            raise UsageError(
                f"coverage: {counted.image or recording} says nothing of source lines; name an ELF file with debug "
                "information by --symbols, or write a .drcov"
            )
        file.writelines(chosen.write(counted))
    if not complete:
        say(f"interrupted: {output} has what ran up to icount {counted.blocks.end}")
    with writing() as out:
        print(f"{counted.title} in {output}", file=out)
    return 0 if complete else CUT_SHORT


def _count(command: str, recording: str, line: ParsedLine, words: Sequence[str]) -> tuple[_Counted, bool]:
    """What ran, and whether that is all."""
    symbols = line.last("symbols")
    file = read_symbols(symbols)
    jobs = parse_number(line.last("jobs") or str(all_cores()), "--jobs", 1, 1024)
    around = Surroundings(command_line=("rdbg", command, *words), terminal=False, symbols=file)
    session = Session(silent_replay(recording), around)
    try:
        timeline = session.timeline
        stretch = stretch_of(timeline, line.last("from"), line.last("to"))
        by_path = command == "profile" and "flat" not in line.own
        elf = session.symbols.elf
        timeline.goto(stretch.end)
        source = Source.of(elf, session.symbols.moved())
        question: CountPaths | CountBlocks = CountPaths(source.borders()) if by_path else CountBlocks()
        found: list[Any] = []
        complete = True
        with shell_progress() as progress, NotedInterrupts() as ended:
            pool = RunCopies(timeline, jobs, session.reopen).pool(ended, progress)
            parts = pool.answers(cast(Any, question), pool.split(stretch, False), False)
            with closing(cast(Any, parts)):
                try:
                    found.extend(parts)
                except QuestionInterrupted:
                    complete = False
        architecture = timeline.machine.architecture
        length = architecture.instruction_lengths[0]
        paths = None
        if by_path:
            counted_paths = CallPaths.of(found, stretch.start)
            blocks = counted_paths.flat()
            paths = named_paths(counted_paths, source, length, architecture.longest_step * length)
        else:
            blocks = together(found) if found else BlockCounts.empty(stretch.start)
        counted = instruction_counts(blocks, source, length) if paths is None else paths.instructions
        image = symbols or next((each.path for each in session.spec.images if each.data[:4] == b"\x7fELF"), "")
        title = f"{counted.total:,} instructions of {recording} from icount {stretch.start} to {blocks.end}"
        return _Counted(blocks, counted, elf, image, title, length, paths), complete
    finally:
        session.close()


def _page(output: str, notes: str, *more: CommandOption) -> CommandPage:
    return CommandPage(("RECORDING",), (), (CommandOption(("o", "output"), "FILE", output), *_OPTIONS, *more), notes)


#: What ``rdbg profile`` takes.
PROFILE_PAGE = _page(
    "a profile: .folded (FlameGraph), .speedscope.json, .callgrind (KCachegrind, callgrind_annotate), .svg",
    "Instructions are counted by the calls that led to them, not sampled: they add up to those of the stretch.",
    CommandOption(("flat",), "", "by function and line, whoever has called them"),
)
#: What ``rdbg coverage`` takes.
COVERAGE_PAGE = _page(
    "what ran: .drcov (Lighthouse), or .lcov (genhtml; needs an ELF file with debug information)",
    "Code is not instrumented: it is what the recorded run has run.",
)
