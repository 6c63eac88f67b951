"""The questions by name, and how one is written: with the same words at GDB's prompt and in a shell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rdbg.analysis.address_expression import address_range, evaluate
from rdbg.analysis.calls import Calls, FunctionCall
from rdbg.analysis.exceptions import Exceptions, Interrupts, RaisedException, TakenInterrupt
from rdbg.analysis.executions import Execution, Executions
from rdbg.analysis.input_places import INPUTS
from rdbg.analysis.input_rows import InputRow, Inputs
from rdbg.analysis.memory_accesses import RangeAccess, RangeAccesses
from rdbg.analysis.outputs import OutputRow, Outputs, endpoint_named
from rdbg.analysis.place_names import stretch_of
from rdbg.analysis.question import Piece, PieceQuestion
from rdbg.analysis.rows import Column, Style
from rdbg.analysis.system_calls import SystemCall, SystemCalls
from rdbg.analysis.where_condition import parse_where
from rdbg.analysis.whole_number import whole_number
from rdbg.emu.expression import Expression
from rdbg.emu.machine_api import Access
from rdbg.emu.probes import ACCESS_REGISTERS
from rdbg.errors import UsageError
from rdbg.quick_dataclass import dataclass
from rdbg.symbols.table import SymbolTable
from rdbg.timeline import Timeline


@dataclass(frozen=True)
class QuestionOption:
    """An option that every question takes.

    Args:
        name: with its dashes.
        value: name of its value; empty: it takes none.
        help: what it does.
    """

    name: str
    value: str
    help: str


#: These options.
QUESTION_OPTIONS = (
    QuestionOption("--from", "PLACE", "where the stretch of the run begins that is asked about, as in monitor goto"),
    QuestionOption("--to", "PLACE", "where it ends"),
    QuestionOption("--newest-first", "", "the latest row first"),
    QuestionOption("--count", "", "only how many rows there are"),
    QuestionOption("--limit", "N", "end after so many rows"),
    QuestionOption("--json", "", "a JSON object a line, with decimal numbers"),
    QuestionOption("--csv", "", "the same as CSV"),
)
#: They, as usages show them.
COMMON_OPTIONS = " ".join(f"[{f'{each.name} {each.value}'.rstrip()}]" for each in QUESTION_OPTIONS)
#: Options that an operand of two words may be given to (``packet 3``).
_PLACES = ("--from", "--to")


@dataclass(frozen=True)
class Asker:
    """Who asks, and of what.

    Args:
        timeline: the run, standing where names of registers and addresses are meant.
        symbols: names of the guest.
    """

    timeline: Timeline
    symbols: SymbolTable

    def address(self, text: str) -> int:
        """An address as users write them; see `evaluate`."""
        return evaluate(self.timeline.machine, self.symbols, text).address


@dataclass(frozen=True)
class QuestionName:
    """A question that users can ask.

    Args:
        name: the word.
        usage: what follows it.
        help: what it shows, in a phrase.
        columns: of its table.
        parse: makes the question of its operands and of its own options. Raises UsageError.
        options: its own options; True: with a value.
    """

    name: str
    usage: str
    help: str
    columns: tuple[Column, ...]
    parse: Callable[[Asker, Sequence[str], dict[str, str]], PieceQuestion[Any]]
    options: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True)
class Asked:
    """A question as it was asked.

    Args:
        name: which.
        question: what.
        stretch: of the run.
        newest_first: the order.
        count: whether only their number is wanted.
        limit: how many rows at most; None: all.
        style: how they are written.
    """

    name: QuestionName
    question: PieceQuestion[Any]
    stretch: Piece
    newest_first: bool
    count: bool
    limit: int | None
    style: Style


def understand(asker: Asker, name: str, words: Sequence[str]) -> Asked:
    """What a user asks.

    Args:
        asker: who.
        name: of the question.
        words: that follow it.

    Raises:
        UsageError: it is no question, or makes no sense here.
    """
    kind = QUESTIONS[name]
    usage = " ".join(filter(None, (kind.name, kind.usage, COMMON_OPTIONS)))
    operands, options = _sorted_words(kind, words, usage)
    if "--json" in options and "--csv" in options:
        raise UsageError(f"{name}: --json or --csv, not both")
    stretch = stretch_of(asker.timeline, options.get("--from"), options.get("--to"))
    limit = whole_number(options["--limit"], "limit") if "--limit" in options else None
    if not operands and kind.usage and not kind.usage.startswith("["):
        raise UsageError(f"usage: {usage}")
    return Asked(
        kind,
        kind.parse(asker, operands, options),
        stretch,
        "--newest-first" in options,
        "--count" in options,
        limit,
        Style.JSON if "--json" in options else Style.CSV if "--csv" in options else Style.TEXT,
    )


def _sorted_words(kind: QuestionName, words: Sequence[str], usage: str) -> tuple[list[str], dict[str, str]]:
    """Operands, and options with their values."""
    takes = {each.name: bool(each.value) for each in QUESTION_OPTIONS} | dict(kind.options)
    operands: list[str] = []
    options: dict[str, str] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        option, given, value = word.partition("=")
        if not word.startswith("--"):
            operands.append(word)
            continue
        if option not in takes:
            raise UsageError(f"{kind.name}: there is no option {option}; usage: {usage}")
        if option in options:
            raise UsageError(f"{kind.name}: {option} is given twice")
        if not takes[option]:
            if given:
                raise UsageError(f"{kind.name}: {option} takes no value")
            value = ""
        elif not given:
            if not rest:
                raise UsageError(f"{kind.name}: {option} lacks its value; usage: {usage}")
            value = rest.pop(0)
            if option in _PLACES and value in INPUTS and rest:
                value = f"{value} {rest.pop(0)}"
        options[option] = value
    return operands, options


def _only(name: str, operands: Sequence[str], what: str) -> str:
    if len(operands) != 1:
        raise UsageError(f"{name}: give one {what}, not {len(operands)} (quote what has blanks)")
    return operands[0]


def _executions(asker: Asker, operands: Sequence[str], options: dict[str, str]) -> PieceQuestion[Any]:
    return Executions(asker.address(_only("executions", operands, "address")), _condition(asker, options))


def _calls(asker: Asker, operands: Sequence[str], options: dict[str, str]) -> PieceQuestion[Any]:
    function = evaluate(asker.timeline.machine, asker.symbols, _only("calls", operands, "function"))
    return Calls(function.address, function.address + max(function.size - 1, 0), _condition(asker, options))


def _accesses(asker: Asker, operands: Sequence[str], options: dict[str, str]) -> PieceQuestion[Any]:
    wanted = address_range(asker.timeline.machine, asker.symbols, _only("accesses", operands, "range"))
    kinds = {("--read" in options, "--write" in options)}
    access = Access.READ if kinds == {(True, False)} else Access.WRITE if kinds == {(False, True)} else Access.ACCESS
    where = options.get("--where")
    architecture = asker.timeline.machine.architecture
    condition = () if where is None else parse_where(where, architecture, ACCESS_REGISTERS)
    return RangeAccesses(wanted.address, wanted.size, access, condition)


def _exceptions(asker: Asker, operands: Sequence[str], options: dict[str, str]) -> PieceQuestion[Any]:
    known = {
        info.name.lower(): info.name for info in asker.timeline.machine.architecture.exceptions if not info.interrupt
    }
    for name in operands:
        if name.lower() not in known:
            raise UsageError(f"exceptions: there is no exception '{name}'; there are {', '.join(known.values())}")
    return Exceptions(tuple(known[name.lower()] for name in operands))


def _interrupts(asker: Asker, operands: Sequence[str], options: dict[str, str]) -> PieceQuestion[Any]:
    _none("interrupts", operands)
    return Interrupts()


def _system_calls(asker: Asker, operands: Sequence[str], options: dict[str, str]) -> PieceQuestion[Any]:
    _none("syscalls", operands)
    return SystemCalls(_condition(asker, options))


def _condition(asker: Asker, options: dict[str, str]) -> Expression:
    where = options.get("--where")
    return () if where is None else parse_where(where, asker.timeline.machine.architecture)


#: The option of questions that have conditions.
_WHERE = (("--where", True),)


def _none(name: str, operands: Sequence[str]) -> None:
    if operands:
        raise UsageError(f"{name}: '{operands[0]}' is too much")


def _outputs(asker: Asker, operands: Sequence[str], options: dict[str, str]) -> PieceQuestion[Any]:
    return Outputs(tuple(endpoint_named(operand) for operand in operands))


def _inputs(asker: Asker, operands: Sequence[str], options: dict[str, str]) -> PieceQuestion[Any]:
    _none("inputs", operands)
    return Inputs()


QUESTIONS: dict[str, QuestionName] = {
    each.name: each
    for each in (
        QuestionName(
            "output", "[ENDPOINT...]", "what the guest printed, sent and wrote to disks", OutputRow.COLUMNS, _outputs
        ),
        QuestionName("inputs", "", "what came from outside: typed, packets, writes by GDB", InputRow.COLUMNS, _inputs),
        QuestionName(
            "calls",
            "FUNCTION [--where CONDITION]",
            "who called this function, with what, and what it returned",
            FunctionCall.COLUMNS,
            _calls,
            _WHERE,
        ),
        QuestionName(
            "accesses",
            "A..B|A+LENGTH|SYMBOL [--read|--write] [--where CONDITION]",
            "who read and wrote this memory, and what",
            RangeAccess.COLUMNS,
            _accesses,
            (("--read", False), ("--write", False), *_WHERE),
        ),
        QuestionName(
            "exceptions", "[NAME...]", "exceptions that instructions raised", RaisedException.COLUMNS, _exceptions
        ),
        QuestionName("interrupts", "", "interrupts that were taken", TakenInterrupt.COLUMNS, _interrupts),
        QuestionName(
            "syscalls",
            "[--where CONDITION]",
            "what programs asked of their system",
            SystemCall.COLUMNS,
            _system_calls,
            _WHERE,
        ),
        QuestionName(
            "executions",
            "ADDRESS [--where CONDITION]",
            "when this instruction was about to run",
            Execution.COLUMNS,
            _executions,
            _WHERE,
        ),
    )
}
