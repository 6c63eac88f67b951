"""Which processes answer questions to a run."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from rdbg.analysis.in_one_process import InOneProcess
from rdbg.analysis.question import Piece, PiecePool, Question
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.host.progress import Progress
from rdbg.timeline import Timeline
from rdbg.workers.copies import Copies
from rdbg.workers.pooled_pieces import PooledPieces, parts_of
from rdbg.workers.run_copies import RunCopies


class _CopiedHands:
    """Copies of this process, as hands."""

    def __init__(self, copies: Copies) -> None:
        self._copies = copies
        self.size = copies.size

    def submit(self, question: Question[Any], piece: Piece, newest_first: bool) -> Future[list[Any]]:
        return self._copies.submit(question, piece, newest_first)

    def dismiss(self) -> None:
        self._copies.dismiss()


def copied_pool(
    copies: RunCopies, timeline: Timeline, interrupted: Callable[[], bool], progress: Progress
) -> PiecePool:
    """A pool of copies of this process.

    Args:
        copies: makes them.
        timeline: the run.
        interrupted: polled; True ends a question.
        progress: told how far a question has come.
    """
    alone = InOneProcess(lambda: one_run(timeline, interrupted, progress))

    def work(question: Question[Any], piece: Piece, newest_first: bool) -> list[Any]:
        return parts_of(question, lambda: ReplayedRun(timeline), piece, newest_first)

    def hire() -> _CopiedHands:
        return _CopiedHands(copies.copies(copies.jobs, work))

    return PooledPieces(timeline, alone, hire, copies.jobs, interrupted, progress)


def one_run(timeline: Timeline, interrupted: Callable[[], bool], progress: Progress) -> ReplayedRun:
    """A run that is looked through in this process, which says how far it has come."""

    def told(position: int) -> None:
        done = min(max(position - timeline.start, 0), timeline.end - timeline.start)
        progress.advance(done, timeline.end - timeline.start, "instructions looked through")

    return ReplayedRun(timeline, interrupted, told)
