"""Questions answered by the machine at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rdbg.analysis.probing import ConditionFailed
from rdbg.analysis.question import Part, Piece, PieceQuestion
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.host.progress import Progress
from rdbg.timeline import Timeline

#: Instructions of the first piece that is looked through for what is newest, and at most.
_FIRST, _MOST = 1 << 21, 1 << 28


class InOneProcess:
    """A `PiecePool` of one machine, which stands where it stood when a question is answered.

    Args:
        make_run: gives the run to look through.
    """

    def __init__(self, make_run: Callable[[], ReplayedRun]) -> None:
        self._make_run = make_run

    @property
    def run(self) -> ReplayedRun:
        """The run."""
        return self._make_run()

    def split(self, stretch: Piece, newest_first: bool) -> Sequence[Piece]:
        """One piece, which is passed through once; newest first, ever longer ones."""
        if not newest_first:
            return [stretch]
        pieces: list[Piece] = []
        end, length = stretch.end, _FIRST
        while end > stretch.start or not pieces:
            start = max(stretch.start, end - length)
            pieces.append(Piece(start, end))
            end, length = start, min(2 * length, _MOST)
        return pieces

    def answers(self, question: PieceQuestion[Part], pieces: Sequence[Piece], newest_first: bool) -> Iterator[Part]:
        """What all pieces have to say; see `PiecePool`."""
        with self._make_run() as run:
            unevaluated = 0
            for piece in pieces:
                try:
                    yield from question.of_piece(run, piece, newest_first)
                except ConditionFailed as failed:  # the other pieces have their say all the same
                    unevaluated += failed.times
            if unevaluated:
                raise ConditionFailed(unevaluated)


def in_this_process(timeline: Timeline, interrupted: Callable[[], bool], progress: Progress) -> InOneProcess:
    """A pool of the machine at hand alone, which says how far it has come.

    Args:
        timeline: the run.
        interrupted: polled; True ends a question.
        progress: told how far a question has come.
    """

    def told(position: int) -> None:
        done = min(max(position - timeline.start, 0), timeline.end - timeline.start)
        progress.advance(done, timeline.end - timeline.start, "instructions looked through")

    return InOneProcess(lambda: ReplayedRun(timeline, interrupted, told))
