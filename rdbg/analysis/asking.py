"""Asking a question of a stretch of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rdbg.analysis.followed_rows import FollowedQuestion, followed_rows
from rdbg.analysis.question import Piece, PiecePool, PieceQuestion


def ask(question: PieceQuestion[Any], pool: PiecePool, stretch: Piece, newest_first: bool = False) -> Iterator[Any]:
    """The rows of an answer, each as soon as it is known. To close the iterator ends the search.

    Args:
        question: what is asked.
        pool: who answers.
        stretch: the part of the run that it is asked of.
        newest_first: the order of rows; else oldest first.

    Raises:
        QuestionInterrupted: the user asked to stop; what was found until then has been given.
    """
    if isinstance(question, FollowedQuestion):
        return followed_rows(question, pool, stretch, newest_first)
    pieces = [stretch] if question.reaches_behind else pool.split(stretch, newest_first)
    return pool.answers(question, pieces, newest_first)
