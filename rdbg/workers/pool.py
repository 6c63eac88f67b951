"""Which processes answer questions to a run."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from rdbg.analysis.in_one_process import in_this_process
from rdbg.analysis.question import Piece, PiecePool, PieceQuestion
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.host.progress import Progress
from rdbg.timeline import Timeline
from rdbg.workers.copies import Copies
from rdbg.workers.pooled_pieces import PieceAnswer, PooledPieces, next_piece, parts_of


class _CopiedHands:
    """Copies of this process, as hands."""

    def __init__(self, copies: Copies) -> None:
        self._copies = copies
        self.size = copies.size

    @property
    def stay(self) -> bool:
        return True

    def submit(self, question: PieceQuestion[Any], piece: Piece, newest_first: bool) -> Future[PieceAnswer]:
        return self._copies.submit(question, piece, newest_first)

    def dismiss(self) -> None:
        self._copies.dismiss()


def copied_pool(
    copies: Callable[[int, Callable[..., Any]], Copies],
    jobs: int,
    timeline: Timeline,
    interrupted: Callable[[], bool],
    progress: Progress,
) -> PiecePool:
    """A pool of copies of this process.

    Args:
        copies: makes so many that do a work.
        jobs: how many.
        timeline: the run.
        interrupted: polled; True ends a question.
        progress: told how far a question has come.
    """
    alone = in_this_process(timeline, interrupted, progress)

    def work(question: PieceQuestion[Any], piece: Piece, newest_first: bool) -> PieceAnswer:
        timeline.copies.only_pass_through()
        return parts_of(question, lambda: ReplayedRun(timeline), piece, newest_first)

    def hire() -> _CopiedHands:
        made = copies(jobs, work)
        made.choose = lambda waiting, last: next_piece([each[1] for each in waiting], None if last is None else last[1])
        return _CopiedHands(made)

    return PooledPieces(timeline, alone, hire, jobs, interrupted, progress)
