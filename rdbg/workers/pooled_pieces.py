"""Pieces of a question, answered by an executor: of processes here, or of a cluster."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future, TimeoutError
from contextlib import closing
from typing import Any, Protocol, cast

from rdbg.analysis.in_one_process import InOneProcess
from rdbg.analysis.probing import ConditionFailed
from rdbg.analysis.question import Part, Piece, PieceQuestion
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.errors import RdbgError
from rdbg.host.progress import SILENT, Progress
from rdbg.quick_dataclass import dataclass
from rdbg.timeline import QuestionInterrupted, Timeline

#: Seconds of replay that a piece should have at least: a state to begin from costs some hundredths.
PIECE_SECONDS = 0.25
#: Pieces for each process, at most: they differ in length, and the last one is waited for.
_PIECES_EACH = 8
#: A stretch that is replayed in less time is looked through in this process.
_ALONE_SECONDS = 0.3
#: Seconds between two looks at the outside world.
_LOOK_SECONDS = 0.02
#: Pieces handed out ahead of the one whose answer is next, for each process: answers that wait take memory.
_AHEAD = 3
#: How often the processes may be lost before it is given up.
_MOST_LOSSES = 3


@dataclass(frozen=True)
class PieceAnswer:
    """What a piece had to say.

    Args:
        parts: of the answer, in their order.
        unevaluated: how often the question's condition could not be evaluated.
    """

    parts: list[Any]
    unevaluated: int = 0


class Hands(Protocol):
    """What does the work on pieces."""

    @property
    def size(self) -> int:
        """How many pieces can be worked on at once."""
        ...

    def submit(self, question: PieceQuestion[Any], piece: Piece, newest_first: bool) -> Future[PieceAnswer]:
        """Let a piece be answered. The future ends in BrokenExecutor where who did it was lost."""
        ...

    def dismiss(self) -> None:
        """End all."""
        ...


class PooledPieces:
    """A `PiecePool` of several processes. Short stretches stay in this one.

    Args:
        timeline: the run.
        alone: answers in this process.
        hire: gives hands, anew when they were lost.
        size: how many pieces they can work on at once.
        interrupted: polled; True ends the question.
        progress: told how many instructions are looked through.
        seconds: replay that a piece has at least.
    """

    def __init__(
        self,
        timeline: Timeline,
        alone: InOneProcess,
        hire: Callable[[], Hands],
        size: int,
        interrupted: Callable[[], bool],
        progress: Progress = SILENT,
        seconds: float = PIECE_SECONDS,
    ) -> None:
        self._timeline = timeline
        self._alone = alone
        self._hire = hire
        self._size = size
        self._interrupted = interrupted
        self._progress = progress
        self._seconds = seconds

    @property
    def run(self) -> ReplayedRun:
        """The run, in this process."""
        return self._alone.run

    def split(self, stretch: Piece, newest_first: bool) -> Sequence[Piece]:
        """Pieces that begin where there are states."""
        length = stretch.end - stretch.start
        shortest = self._timeline.speed * self._seconds
        parts = min(int(length / shortest), _PIECES_EACH * self._size) if shortest else 1
        if parts < 2 or self._size < 2 or length < self._timeline.speed * min(self._seconds, _ALONE_SECONDS):
            return self._alone.split(stretch, newest_first)
        starts = self._timeline.borders(stretch.start, stretch.end, parts)
        pieces = [Piece(low, high) for low, high in zip(starts, [*starts[1:], stretch.end], strict=True)]
        return pieces[::-1] if newest_first else pieces

    def answers(self, question: PieceQuestion[Part], pieces: Sequence[Piece], newest_first: bool) -> Iterator[Part]:
        """What all pieces have to say; see `PiecePool`."""
        first = self._alone.split(Piece(pieces[0].start, pieces[0].end), newest_first) if len(pieces) == 1 else pieces
        if len(pieces) == 1 or self._size < 2:
            yield from self._alone.answers(question, first, newest_first)
            return
        total = sum(piece.end - piece.start for piece in pieces)
        done, losses, unevaluated = 0, 0, 0
        waiting = deque(pieces)
        given: deque[tuple[Piece, Future[PieceAnswer]]] = deque()
        hands = self._hire()
        try:
            while waiting or given:
                try:
                    while waiting and len(given) < _AHEAD * self._size:
                        given.append((waiting[0], hands.submit(question, waiting[0], newest_first)))
                        waiting.popleft()
                    piece, future = given[0]
                    found = self._result(future, done, total)
                except (BrokenExecutor, CancelledError) as error:
                    # Those that were lost, and those that went with them, are done again by others.
                    losses += 1
                    if losses > _MOST_LOSSES:
                        raise RdbgError(
                            "the processes that looked through the run were ended again and again (is the host's "
                            "memory full?); use fewer with --jobs"
                        ) from error
                    waiting.extendleft(each for each, _ in reversed(given))
                    given.clear()
                    hands.dismiss()
                    hands = self._hire()
                    continue
                given.popleft()
                done += piece.end - piece.start
                unevaluated += found.unevaluated
                yield from found.parts
        finally:
            hands.dismiss()
        if unevaluated:
            raise ConditionFailed(unevaluated)

    def _result(self, future: Future[PieceAnswer], done: int, total: int) -> PieceAnswer:
        while True:
            self._progress.advance(done, total, "instructions looked through")
            if self._interrupted():
                raise QuestionInterrupted
            try:
                return future.result(_LOOK_SECONDS)
            except TimeoutError:
                continue


def parts_of(
    question: PieceQuestion[Any], make_run: Callable[[], Any], piece: Piece, newest_first: bool
) -> PieceAnswer:
    """What a piece has to say, all of it: the work of a hand, whose machine need not go back to where it stood."""
    found: list[Any] = []
    with closing(cast(Any, iter(question.of_piece(make_run(), piece, newest_first)))) as parts:
        try:
            found.extend(parts)
        except ConditionFailed as failed:
            return PieceAnswer(found, failed.times)
    return PieceAnswer(found)
