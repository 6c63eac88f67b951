"""How many rows an answer has, counted where they are found: not each row comes from process to process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from rdbg.analysis.followed_rows import FollowedQuestion
from rdbg.analysis.probing import ConditionFailed
from rdbg.analysis.question import Piece, PiecePool, PieceQuestion
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.quick_dataclass import dataclass
from rdbg.timeline import QuestionInterrupted

#: Rows after which their number is given: who wants no more than some ends it then.
_AT_ONCE = 1024


@runtime_checkable
class CountedQuestion(Protocol):
    """A question that can say how many rows a piece has without making them."""

    def numbers_of_piece(self, run: ReplayedRun, piece: Piece) -> Iterator[int]:
        """Numbers that add up to it; see `PieceQuestion.of_piece`."""
        ...


@dataclass(frozen=True)
class Counting:
    """How many parts each piece has for a question whose parts are its rows.

    Args:
        question: see there.
        since: icount from which on is counted.
    """

    question: PieceQuestion[Any]
    since: int

    reaches_behind: ClassVar[bool] = False  # who divides a stretch asks that question

    def of_piece(self, run: ReplayedRun, piece: Piece, newest_first: bool) -> Iterator[int]:
        """Numbers that add up to what there is in a piece; see `PieceQuestion`."""
        if isinstance(self.question, CountedQuestion):
            yield from self.question.numbers_of_piece(run, piece)
            return
        if isinstance(self.question, FollowedQuestion):
            for part in self.question.of_piece(run, piece, newest_first):
                # What runs again was counted in another piece.
                yield len(part.notes) - int(np.count_nonzero(part.again >= self.since))
            return
        count = 0
        try:
            for _ in self.question.of_piece(run, piece, newest_first):
                count += 1
                if count == _AT_ONCE:
                    yield count
                    count = 0
        except (QuestionInterrupted, ConditionFailed):
            yield count
            raise
        yield count


def count_rows(question: PieceQuestion[Any], pool: PiecePool, stretch: Piece, newest_first: bool) -> Iterator[int]:
    """Numbers that add up to that of an answer's rows; see `ask`."""
    pieces = [stretch] if question.reaches_behind else pool.split(stretch, newest_first)
    return pool.answers(Counting(question, stretch.start), pieces, newest_first)
