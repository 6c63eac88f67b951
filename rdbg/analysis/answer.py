"""An answer in lines, as it is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, cast

from rdbg.analysis.asking import ask
from rdbg.analysis.counting import count_rows
from rdbg.analysis.probing import ConditionFailed
from rdbg.analysis.question import PiecePool
from rdbg.analysis.question_table import Asked
from rdbg.analysis.rows import RowWriter
from rdbg.errors import RdbgError
from rdbg.symbols.table import SymbolTable
from rdbg.timeline import QuestionInterrupted

#: What stands behind an answer that the user has cut short.
INTERRUPTED = "interrupted: this is what was found until then"


class AnswerInterrupted(Exception):
    """The user has cut an answer short: all that was found has been given."""


def answer_lines(
    asked: Asked, pool: PiecePool, name_of: Callable[[int], str], digits: int, named: bool = False
) -> Iterator[str]:
    """The lines of an answer, each as soon as it is known.

    Args:
        asked: the question.
        pool: who answers it.
        name_of: the name of an address, or empty.
        digits: of an address.
        named: whether any address has a name.

    Raises:
        AnswerInterrupted: the user asked to stop.
    """
    writer = RowWriter(asked.name.columns, asked.style, name_of, digits, named)
    find = count_rows if asked.count else ask
    rows: Iterator[Any] = find(asked.question, pool, asked.stretch, asked.newest_first)
    count = 0
    interrupted = False
    unevaluated = 0
    with closing(cast(Any, rows)):
        if not asked.count and (header := writer.header()):
            yield header
        try:
            while asked.limit is None or count < asked.limit:
                row = next(rows, None)
                if row is None:
                    break
                if asked.count:
                    count += row
                else:
                    count += 1
                    yield writer.line(row)
        except QuestionInterrupted:
            interrupted = True
        except ConditionFailed as failed:
            unevaluated = failed.times
    if asked.count:
        yield f"{count if asked.limit is None else min(count, asked.limit)}\n"
    if unevaluated:
        raise RdbgError(
            f"the condition could not be evaluated {unevaluated} times, since memory that it reads was not mapped, or "
            "it divides by zero: what was answered lacks these"
        )
    if interrupted:
        raise AnswerInterrupted


def namer(symbols: SymbolTable) -> Callable[[int], str]:
    """Names addresses as ``function+0x10``; what has no name is empty."""

    def name_of(address: int) -> str:
        found = symbols.at(address)
        if found is None:
            return ""
        name, offset = found
        return f"{name}+{offset:#x}" if offset else name

    return name_of
