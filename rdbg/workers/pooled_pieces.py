"""Pieces of a question, answered by an executor: of processes here, or of a cluster."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future, TimeoutError
from contextlib import closing
from itertools import pairwise
from typing import Any, Protocol, cast

from rdbg.analysis.in_one_process import InOneProcess
from rdbg.analysis.probing import ConditionFailed
from rdbg.analysis.question import LEAD, Part, Piece, PieceQuestion
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.errors import RdbgError
from rdbg.host.progress import SILENT, Progress
from rdbg.quick_dataclass import dataclass
from rdbg.timeline import QuestionInterrupted, Timeline

#: Seconds of replay that a piece should have at least: a state to begin from costs some hundredths.
PIECE_SECONDS = 0.25
#: Pieces for each process, at most: they differ in length, and the last one is waited for.
_PIECES_EACH = 8
#: A piece is at least so many times as long as what is looked at before it.
_LEADS = 8
#: A stretch that is replayed in less time is looked through in this process.
_ALONE_SECONDS = 0.3
#: Seconds between two looks at the outside world.
_LOOK_SECONDS = 0.02
#: Pieces given ahead of the one whose answer is next, for each process, where answers that wait take so many bytes.
_AHEAD, _MOST_HELD = 3, 64 << 20
#: How often the processes may be lost before it is given up.
_MOST_LOSSES = 3


@dataclass(frozen=True)
class PieceAnswer:
    """What a piece had to say.

    Args:
        packed: the parts of the answer: while they wait for others they take less memory so.
        unevaluated: how often the question's condition could not be evaluated.
    """

    packed: bytes
    unevaluated: int = 0

    @classmethod
    def of(cls, parts: Sequence[Any], unevaluated: int = 0) -> PieceAnswer:
        """Pack the parts."""
        return cls(pickle.dumps(parts, pickle.HIGHEST_PROTOCOL), unevaluated)

    @property
    def parts(self) -> list[Any]:
        """The parts of the answer, in their order."""
        found: list[Any] = pickle.loads(self.packed)
        return found


class Hands(Protocol):
    """What does the work on pieces."""

    @property
    def size(self) -> int:
        """How many pieces can be worked on at once."""
        ...

    @property
    def stay(self) -> bool:
        """Whether each goes on where its last piece has led it, if it can: then it does no harm to give all pieces."""
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
        shortest = self._timeline.copies.speed * self._seconds
        parts = min(int(length / shortest), _PIECES_EACH * self._size) if shortest else 1
        if parts < 2 or self._size < 2 or length < self._timeline.copies.speed * min(self._seconds, _ALONE_SECONDS):
            return self._alone.split(stretch, newest_first)
        lead = min(LEAD, length // parts // _LEADS)
        starts = self._timeline.copies.borders(stretch.start, stretch.end, parts, lead)
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
        given = _Given(pieces, self._size)
        hands = self._hire()
        try:
            while given.left:
                try:
                    given.hand_out(hands, question, newest_first)
                    found = self._result(given, done, total)
                except (BrokenExecutor, CancelledError) as error:
                    # Those that were lost, and those that went with them, are done again by others.
                    losses += 1
                    if losses > _MOST_LOSSES:
                        raise RdbgError(
                            "the processes that looked through the run were ended again and again (is the host's "
                            "memory full?); use fewer with --jobs"
                        ) from error
                    hands.dismiss()
                    given.forget_lost()
                    hands = self._hire()
                    continue
                done += given.length
                given.next()
                unevaluated += found.unevaluated
                yield from found.parts
        finally:
            hands.dismiss()
        if unevaluated:
            raise ConditionFailed(unevaluated)

    def _result(self, given: _Given, done: int, total: int) -> PieceAnswer:
        while True:
            self._progress.advance(done, total, "instructions looked through")
            if self._interrupted():
                raise QuestionInterrupted
            try:
                return given.future.result(_LOOK_SECONDS)
            except TimeoutError:
                given.take_back()


class _Given:
    """Pieces, in the order in which their answers are wanted, of which some are with those who do them.

    Args:
        pieces: all of them.
        size: how many can be done at once.
    """

    def __init__(self, pieces: Sequence[Piece], size: int) -> None:
        self._pieces = pieces
        self._ahead = _AHEAD * size
        self._at = 0  # the next whose answer is wanted
        self._futures: dict[int, Future[PieceAnswer]] = {}

    @property
    def left(self) -> bool:
        """Whether any answer is still wanted."""
        return self._at < len(self._pieces)

    @property
    def future(self) -> Future[PieceAnswer]:
        """The answer that is wanted next."""
        return self._futures[self._at]

    @property
    def length(self) -> int:
        """Instructions of the piece whose answer is wanted next."""
        return self._pieces[self._at].end - self._pieces[self._at].start

    def next(self) -> None:
        """That answer is there."""
        del self._futures[self._at]
        self._at += 1

    def hand_out(self, hands: Hands, question: PieceQuestion[Any], newest_first: bool) -> None:
        """Give what can be given: only so far ahead where answers that wait take much memory."""
        far = hands.stay and self._held() <= _MOST_HELD
        for at in range(self._at, len(self._pieces) if far else min(self._at + self._ahead, len(self._pieces))):
            if at not in self._futures:
                self._futures[at] = hands.submit(question, self._pieces[at], newest_first)

    def take_back(self) -> None:
        """Let nobody begin what is far ahead while answers that wait take much memory."""
        if self._held() > _MOST_HELD:
            for at in [at for at in self._futures if at >= self._at + self._ahead]:
                if self._futures[at].cancel():
                    del self._futures[at]

    def forget_lost(self) -> None:
        """Those who did them are gone: keep what they have answered."""
        self._futures = {at: each for at, each in self._futures.items() if _answer_of(each) is not None}

    def _held(self) -> int:
        """Bytes of answers that wait."""
        found = (_answer_of(each) for at, each in self._futures.items() if at != self._at)
        return sum(len(each.packed) for each in found if each is not None)


def _answer_of(future: Future[PieceAnswer]) -> PieceAnswer | None:
    """Its answer, if it is there."""
    there = future.done() and not future.cancelled() and future.exception() is None
    return future.result() if there else None


def next_piece(waiting: Sequence[Piece], last: Piece | None) -> int:
    """Which piece somebody does best: the one that goes on where their last one has led them, since to begin elsewhere
    takes a state to be loaded; else one from which most others go on.

    Args:
        waiting: pieces, in the order in which their answers are wanted, at least one.
        last: what they have done last; None: nothing.
    """
    if last is None:
        return 0
    follows = [at for at, piece in enumerate(waiting) if _are_neighbours(last, piece)]
    if follows:
        return follows[-1]
    runs = [[0]]  # of neighbours
    for at, (before, piece) in enumerate(pairwise(waiting), 1):
        if _are_neighbours(before, piece):
            runs[-1].append(at)
        else:
            runs.append([at])
    longest = max(runs, key=len)
    return longest[len(longest) // 2]


def _are_neighbours(one: Piece, other: Piece) -> bool:
    return one.end == other.start or other.end == one.start


def parts_of(
    question: PieceQuestion[Any], make_run: Callable[[], Any], piece: Piece, newest_first: bool
) -> PieceAnswer:
    """What a piece has to say, all of it: the work of a hand, whose machine need not go back to where it stood."""
    found: list[Any] = []
    with closing(cast(Any, iter(question.of_piece(make_run(), piece, newest_first)))) as parts:
        try:
            found.extend(parts)
        except ConditionFailed as failed:
            return PieceAnswer.of(found, failed.times)
    return PieceAnswer.of(found)
