"""Rows of calls that return, of pieces put together: another piece completes a call that is open where its own ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import field
from typing import Any, Protocol, Self, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rdbg.analysis.followed_pieces import FollowedPart
from rdbg.analysis.probing import ConditionFailed, Notes
from rdbg.analysis.question import Piece, PiecePool, PieceQuestion
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.analysis.rows import Row
from rdbg.analysis.waiting_notes import PackedNotes, keep_notes
from rdbg.emu.probes import OPEN, RETURNED
from rdbg.quick_dataclass import dataclass
from rdbg.timeline import QuestionInterrupted

_Frame = tuple[int, int, int]
#: Instructions of the first piece behind a stretch that is looked through for returns; the next ones are ever longer.
_BEHIND = 1 << 21
#: Rows that are made at once.
_AT_ONCE = 4096


@runtime_checkable
class FollowedQuestion(PieceQuestion[FollowedPart], Protocol):
    """A question for what begins somewhere and returns somewhere else."""

    def watching(self, run: ReplayedRun, returns: frozenset[int]) -> Self:
        """The same, with more return addresses that are looked at from the beginning of each piece on.

        Args:
            run: the run, standing where its code is that of most of the stretch.
            returns: these, and what else is likely.
        """
        ...

    def made(self, notes: Notes) -> Sequence[Row]:
        """Rows of notes."""
        ...


@dataclass
class _KnownPiece:
    """What a piece says of calls that began before it."""

    piece: Piece
    ends: dict[_Frame, Any] = field(default_factory=dict)
    again: set[int] = field(default_factory=set)
    watched: frozenset[int] | None = frozenset()

    def add(self, part: FollowedPart) -> None:
        """Take in more of it."""
        for end in part.ends:
            self.ends.setdefault(_frame(end), end)
        self.again.update(part.again.tolist())
        self.watched = part.watched

    def unseen(self, notes: Notes) -> frozenset[int]:
        """Where calls that are open when the piece begins return to, if it was not looked at in all of the piece."""
        if self.watched is None:
            return frozenset()
        return frozenset(np.unique(notes["return_address"][_waits(notes, self)]).tolist()) - self.watched


class _Endings:
    """How calls end, as far as pieces have told.

    Args:
        question: what is asked.
        pool: who answers.
        stretch: the part of the run that it is asked of.
    """

    def __init__(self, question: FollowedQuestion, pool: PiecePool, stretch: Piece) -> None:
        self._question = question
        self._pool = pool
        self._stretch = stretch
        self._behind: list[_KnownPiece] | None = None  # pieces behind the stretch
        self._unknown: set[int] = set()  # icounts of calls that may have ended where nobody looked
        self.pieces: list[_KnownPiece] = []  #: by position

    def settle(self, notes: Notes) -> Notes:
        """All notes that are calls, complete as far as the run goes. All pieces behind theirs are known."""
        notes, calls = notes.copy(), np.ones(len(notes), bool)
        for known in self.pieces:
            self._look_at_returns(known, notes)
            _end(notes, calls, known)
        for known in self._pieces_behind() if (notes["ended"][calls] == OPEN).any() else ():
            self._look_at_returns(known, notes)
            # One whose first instruction runs again there is the one that was asked about.
            _end(notes, None, known)
        return notes[calls]

    def settle_by(self, known: _KnownPiece, notes: Notes) -> Notes:
        """The same as far as one more piece says it, where that is certain."""
        if not len(notes) or not (notes["ended"] == OPEN).any():
            return notes
        notes, calls = notes.copy(), np.ones(len(notes), bool)
        if unseen := known.unseen(notes):
            doubtful = _waits(notes, known) & np.isin(notes["return_address"], np.array(sorted(unseen), np.uint32))
            self._unknown.update(notes["icount"][doubtful].tolist())
        certain = ~np.isin(notes["icount"], np.array(sorted(self._unknown), np.uint64))
        part, of_part = notes[certain], calls[certain]
        _end(part, of_part, known)
        notes[certain], calls[certain] = part, of_part
        return notes[calls]

    def _look_at_returns(self, known: _KnownPiece, notes: Notes) -> None:
        """Ask a piece again for returns that it has not looked at."""
        if not (unseen := known.unseen(notes)):
            return
        question = self._question.watching(self._pool.run, unseen | (known.watched or frozenset()))
        found = _KnownPiece(known.piece)
        try:
            for part in self._pool.answers(question, [known.piece], False):
                found.add(part)
        except ConditionFailed:
            pass  # it was told of when the piece was asked first
        known.ends, known.watched = found.ends, found.watched

    def _pieces_behind(self) -> list[_KnownPiece]:
        if self._behind is None:
            # Most return soon: one is asked of no more than it takes.
            self._behind = []
            start, end, length = self._stretch.end, self._pool.run.end, _BEHIND
            while start < end:
                # What returns at the very end of the run has done so at a position where no piece is.
                self._behind.append(_KnownPiece(Piece(start, min(start + length, end))))
                start, length = start + length, 2 * length
        return self._behind


def _waits(notes: Notes, known: _KnownPiece) -> NDArray[np.bool_]:
    """Which calls are open when a piece begins."""
    return np.asarray((notes["ended"] == OPEN) & (notes["icount"] < known.piece.start))


def _end(notes: Notes, calls: NDArray[np.bool_] | None, known: _KnownPiece) -> None:
    """End those that end in a piece.

    Args:
        notes: changed.
        calls: which of them are calls; changed. None: all are.
        known: the piece.
    """
    waiting = _waits(notes, known)
    if calls is not None and known.again:
        runs_again = waiting & np.isin(notes["icount"], np.array(sorted(known.again), np.uint64))
        calls[runs_again] = False
        waiting &= ~runs_again
    # Most have a frame that the piece says nothing of.
    addresses = np.array(sorted({frame[0] for frame in known.ends}), np.uint32)
    for at in np.flatnonzero(waiting & np.isin(notes["return_address"], addresses)).tolist():
        end = known.ends.get(_frame(notes[at]))
        if end is not None:
            notes["end"][at], notes["ended"][at] = end["end"], end["ended"]
            if end["ended"] == RETURNED:
                notes["results"][at] = end["results"]


def _frame(note: Any) -> _Frame:
    return int(note["return_address"]), int(note["stack"]), int(note["space"])


def followed_rows(question: FollowedQuestion, pool: PiecePool, stretch: Piece, newest_first: bool) -> Iterator[Row]:
    """The rows of an answer; see `ask`."""
    pieces = pool.split(stretch, newest_first)
    asked = question
    if len(pieces) > 1:
        # Where most of the code is that ran: a kernel has unpacked itself.
        with pool.run as run:
            run.go_near(stretch.end)
            asked = question.watching(run, frozenset())
    endings = _Endings(asked, pool, stretch)
    order = _newest_first if newest_first else _oldest_first
    yield from order(asked, endings, pool.answers(asked, pieces, newest_first))


def _rows(question: FollowedQuestion, notes: Notes, newest_first: bool = False) -> Iterator[Row]:
    """Rows of notes, some at a time: a row takes twenty times as much memory as its note."""
    for at in range(0, len(notes), _AT_ONCE):
        first = max(len(notes) - at - _AT_ONCE, 0) if newest_first else at
        last = len(notes) - at if newest_first else at + _AT_ONCE
        made = question.made(notes[first:last])
        yield from reversed(made) if newest_first else made


def _oldest_first(question: FollowedQuestion, endings: _Endings, answers: Iterator[FollowedPart]) -> Iterator[Row]:
    waiting: deque[PackedNotes] = deque()  # of which the first is open

    def ready() -> Iterator[Row]:
        while waiting and not waiting[0].opens:
            notes = waiting.popleft().notes
            still = np.flatnonzero(notes["ended"] == OPEN)
            yield from _rows(question, notes[: still[0]] if len(still) else notes)
            if len(still):
                waiting.appendleft(PackedNotes(notes[still[0] :]))

    trouble: Exception | None = None
    known: _KnownPiece | None = None
    with closing(cast(Any, answers)):
        try:
            for part in answers:
                known = _taken_in(known, part)
                keep_notes(waiting, part.notes)
                yield from ready()
                if part.last:
                    endings.pieces.append(known)
                    packs, waiting = waiting, deque()
                    for pack in packs:
                        if pack.has_open:
                            keep_notes(waiting, endings.settle_by(known, pack.notes))
                        else:
                            waiting.append(pack)
                    packs.clear()
                    yield from ready()
        except (QuestionInterrupted, ConditionFailed) as error:
            trouble = error
    while waiting:
        pack = waiting.popleft()
        settles = pack.has_open and not isinstance(trouble, QuestionInterrupted)
        yield from _rows(question, endings.settle(pack.notes) if settles else pack.notes)
    if trouble is not None:
        raise trouble


def _newest_first(question: FollowedQuestion, endings: _Endings, answers: Iterator[FollowedPart]) -> Iterator[Row]:
    trouble: Exception | None = None
    known: _KnownPiece | None = None
    found: deque[PackedNotes] = deque()
    with closing(cast(Any, answers)):
        try:
            for part in answers:
                known = _taken_in(known, part)
                keep_notes(found, part.notes)
                if part.last:
                    endings.pieces.insert(0, known)
                    while found:
                        pack = found.pop()
                        notes = endings.settle(pack.notes) if pack.has_open else pack.notes
                        yield from _rows(question, notes, newest_first=True)
        except (QuestionInterrupted, ConditionFailed) as error:
            trouble = error
    while found:
        yield from _rows(question, found.pop().notes, newest_first=True)
    if trouble is not None:
        raise trouble


def _taken_in(known: _KnownPiece | None, part: FollowedPart) -> _KnownPiece:
    """What is known of a part's piece with it."""
    if known is None or known.piece != part.piece:
        known = _KnownPiece(part.piece)
    known.add(part)
    return known
