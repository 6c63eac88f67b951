"""Calls followed to their return in a piece of a run: pieces put together are what one look at all of it finds.

What a piece notes may hang on what was before it: how the instruction was come to that a handler returns to, and
whether a function's first instruction runs again after an exception. So it begins to look earlier, and earlier still
where that did not suffice. What it says of calls that began before it is what ended first for each frame.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import field, replace

import numpy as np
from numpy.typing import NDArray

from rdbg.analysis.probing import ConditionFailed, Notes, end_of_step, number_within
from rdbg.analysis.question import LEAD, Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.analysis.waiting_notes import PackedNotes, WaitingNotes, keep_notes, no_notes
from rdbg.analysis.where_condition import parse_where
from rdbg.emu.machine_api import RunRequest, RunStop, StopKind
from rdbg.emu.probes import (
    AGAIN,
    CALL,
    EXCEPTION,
    FROM_EXCEPTION,
    OPEN,
    REPLACED,
    RETURN,
    RETURNED,
    UNKNOWN,
    Probes,
)
from rdbg.quick_dataclass import dataclass
from rdbg.timeline import QuestionInterrupted

#: Instructions before a piece that are looked at first, and by how many times more each time that they did not suffice.
_BEFORE, _FURTHER = LEAD, 8
#: Slices behind a piece in which returns are waited for.
_PATIENCE = 2
#: What tells frames apart.
_KEY = ["return_address", "stack", "space"]


@dataclass(frozen=True)
class FollowedPart:
    """What was found in a piece, or in some of it.

    Args:
        piece: where.
        notes: of calls that began there, in order, behind those of the parts before; those that are `OPEN` have not
            ended as far as was looked.
        ends: for frames, what would have ended a call first that was open when the piece began: `end` and `ended`, and
            the results where it returned.
        again: icounts of calls before the piece whose first instruction ran again in it: these rows are no calls.
        watched: return addresses that were looked at in all of the piece; None: all.
        last: of the piece, of which all was looked at; the machine is not needed any more for it.
    """

    piece: Piece
    notes: Notes
    ends: Notes
    again: NDArray[np.uint64]
    watched: frozenset[int] | None
    last: bool = False


def followed(run: ReplayedRun, piece: Piece, probes: Probes) -> Iterator[FollowedPart]:
    """What begins in a piece, and what ends there.

    Args:
        run: the run.
        piece: the stretch.
        probes: where to look.

    Raises:
        QuestionInterrupted: the user asked to stop; what was found until then has been given.
        ConditionFailed: the condition could not be evaluated at some places; all else has been given.
    """
    if piece.start >= piece.end:
        return
    distance = _BEFORE
    while True:
        look = _Look(run, piece, probes, max(run.start, piece.start - distance))
        held = _HeldParts()
        interruption: QuestionInterrupted | None = None
        try:
            for part in look.parts():
                if look.certain:
                    yield part
                else:
                    held.add(part)
                if look.doubtful:
                    break
            wanted = look.begin if look.doubtful else look.earlier()
        except QuestionInterrupted as error:
            interruption = error
            wanted = None
        if interruption is not None:
            yield from held.parts()
            raise interruption
        if wanted is None:
            yield from held.parts()
            yield FollowedPart(piece, no_notes(), no_notes(), no_notes()["icount"], look.watched, last=True)
            if look.unevaluated:
                raise ConditionFailed(look.unevaluated)
            return
        distance = max(distance * _FURTHER if look.doubtful else 0, piece.start - wanted + 1)


class _HeldParts:
    """Parts that are not certain yet, in little memory."""

    def __init__(self) -> None:
        self._empty: list[FollowedPart] = []
        self._notes: deque[PackedNotes] = deque()

    def add(self, part: FollowedPart) -> None:
        """Keep another one."""
        if len(part.ends) or len(part.again) or not self._empty:
            self._empty.append(replace(part, notes=no_notes()))
        keep_notes(self._notes, part.notes)

    def parts(self) -> Iterator[FollowedPart]:
        """They, or others that say the same."""
        yield from self._empty
        for pack in self._notes:
            nothing = no_notes()
            yield replace(self._empty[0], notes=pack.notes, ends=nothing, again=nothing["icount"])


@dataclass
class _Look:
    """One look at a piece, from before it on.

    Args:
        run: the run.
        piece: the stretch.
        probes: where to look.
        begin: icount at which it begins to look.
    """

    run: ReplayedRun
    piece: Piece
    probes: Probes
    begin: int
    doubtful: bool = False  #: what was before the beginning matters
    unevaluated: int = 0
    _pending: WaitingNotes = field(default_factory=WaitingNotes)
    _resumed: list[Notes] = field(default_factory=list)  # come to by a return from an exception
    _seen: list[NDArray[np.uint64]] = field(default_factory=list)  # icounts of all that was noted and is no more open

    @property
    def certain(self) -> bool:
        """Nothing was before the beginning."""
        return self.begin == self.run.start

    def parts(self) -> Iterator[FollowedPart]:
        """What is found, as soon as it is known."""
        run, piece, machine = self.run, self.piece, self.run.machine
        interruption: QuestionInterrupted | None = None
        first: int | None = None
        run.go(self.begin)
        machine.take_probe_notes(ended=True)  # of a search that did not come to its end
        try:
            while run.position < piece.start and self._advance(piece.start).kind is StopKind.PAUSED:
                self._take()
            self._take()
            # Where who looks at the next piece begins, which is us if we are left to it.
            until, moved = piece.end - _BEFORE if run.position < piece.end - _BEFORE else piece.end, True
            while moved and run.position < piece.end:
                here = run.position
                stop = self._advance(until)
                taken, first = self._take()
                moved = run.position > here or stop.kind is StopKind.PAUSED
                if stop.kind is StopKind.LIMIT and until < piece.end:
                    run.keep_state()
                    until, moved = piece.end, True
                elif stop.kind is StopKind.LIMIT and run.position < piece.end and until == piece.end:
                    until, moved = end_of_step(run, piece.end), True
                limit = min(run.position, run.end if first is None else first)
                yield from self._parts(taken, limit)
            patience = min(run.end, piece.end + _PATIENCE * run.slice)
            while first is not None and first < piece.end and run.position < patience:
                here = run.position
                stop = self._advance(patience)
                taken, first = self._take()
                self._pending.add(_as_the_piece_ends(taken, piece))
                if run.position == here and stop.kind is not StopKind.PAUSED:
                    break
        except QuestionInterrupted as error:
            interruption = error
        rest = machine.take_probe_notes(ended=True).rows
        self._note_seen(rest)
        yield from self._parts(rest, piece.end)
        if interruption is not None:
            raise interruption

    def earlier(self) -> int | None:
        """Where it would have had to begin; None: it has seen enough.

        A function that a handler has returned to may be a call of before, whose first instruction runs again. Then it
        has been about to run with this frame.
        """
        if self.certain or not self._resumed:
            return None
        (place,) = self.probes.places
        resumed = np.concatenate(self._resumed)
        seen = np.unique(np.concatenate(self._seen)) if self._seen else np.empty(0, np.uint64)
        _, at = np.unique(resumed[_KEY], return_index=True)
        architecture = self.run.machine.architecture
        for note in resumed[np.sort(at)]:
            frame = parse_where(f"sp == {int(note['stack'])} && ra == {int(note['return_address'])}", architecture)
            before = self.run.last_met(place, frame, int(note["icount"]))
            while before is not None and before >= self.begin and before not in seen:
                before = self.run.last_met(place, frame, before)  # it is that call, or no call
            if before is not None and before < self.begin:
                return before
        return None

    def _advance(self, until: int) -> RunStop:
        return self.run.advance(RunRequest(until=until, slice=self.run.slice, probes=self.probes))

    def _take(self) -> tuple[Notes, int | None]:
        """What was noted since the last time, and the first icount of what is waited for."""
        taken = self.run.machine.take_probe_notes(ended=False)
        self.unevaluated += number_within(taken.unevaluated, self.piece.start, self.piece.end)
        doubtful = taken.doubtful_from
        if not self.certain and doubtful is not None and doubtful >= self.piece.start:
            self.doubtful = True
        self._note_seen(taken.rows)
        return taken.rows, taken.waiting_from

    def _note_seen(self, taken: Notes) -> None:
        if not self.certain:  # else nobody asks
            self._seen.append(taken["icount"][(taken["kind"] != RETURN) & (taken["ended"] != AGAIN)])

    def _parts(self, taken: Notes, limit: int) -> Iterator[FollowedPart]:
        """What of the notes is complete before a position, with all that they say of calls of before."""
        start, end = self.piece.start, self.piece.end
        nothing = no_notes()
        ends, again = nothing, nothing["icount"]
        if len(taken):
            icounts, is_again = taken["icount"], taken["ended"] == AGAIN
            own = (taken["kind"] != RETURN) & (icounts < end)
            again = icounts[own & is_again & (icounts < start) & (taken["end"] >= start)]
            began = _those(taken, own & ~is_again & (icounts >= start))
            resumed = (began["kind"] != EXCEPTION) & np.isin(began["arrival"], (UNKNOWN, FROM_EXCEPTION))
            if resumed.any():
                self._resumed.append(began[resumed])
            self._pending.add(began)
            ends = self._ends(taken, began)
        yield FollowedPart(self.piece, nothing, ends, again, self.watched)
        for notes in self._pending.before(min(limit, end)):
            yield FollowedPart(self.piece, notes, nothing, nothing["icount"], self.watched)

    def _ends(self, taken: Notes, began: Notes) -> Notes:
        """What ends a call first that was open when the piece began, for each frame."""
        start, end = self.piece.start, self.piece.end
        ended = np.flatnonzero((taken["ended"] == RETURNED) & (taken["end"] >= start) & (taken["end"] < end))
        returned = taken[ended[_begin_runs(taken, ended)]]
        replaced = began[(began["arrival"] == CALL) | (began["kind"] == EXCEPTION)].copy()
        replaced["end"] = replaced["icount"]
        replaced["ended"] = REPLACED
        return first_ends(np.concatenate([replaced, returned]))

    @property
    def watched(self) -> frozenset[int] | None:
        """See `FollowedPart`."""
        return None if self.probes.exceptions else self.probes.returns or frozenset()


def _those(notes: Notes, mask: NDArray[np.bool_]) -> Notes:
    """Some of the notes; all of them are not copied."""
    return notes if mask.all() else notes[mask]


def _as_the_piece_ends(taken: Notes, piece: Piece) -> Notes:
    """Notes that were complete behind a piece. That one is of before, the piece finds out in which it runs again."""
    notes = taken[taken["kind"] != RETURN].copy()
    notes["ended"][notes["ended"] == AGAIN] = OPEN
    found: Notes = notes[(notes["icount"] >= piece.start) & (notes["icount"] < piece.end)]
    return found


def _begin_runs(notes: Notes, chosen: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which of the chosen notes are of another frame than the one before them, or have ended elsewhere: the turns of a
    loop, which has no return for each, end together."""
    begin = np.ones(len(chosen), bool)
    if len(chosen) > 1:
        begin[1:] = False
        for name in ("end", *_KEY):
            column = notes[name][chosen]
            begin[1:] |= column[1:] != column[:-1]
    return begin


def first_ends(ends: Notes) -> Notes:
    """For each frame the first of some ends."""
    if len(ends) < 2:
        return ends
    ends = ends[np.argsort(ends["end"], kind="stable")]
    _, first = np.unique(ends[_KEY], return_index=True)
    return ends[np.sort(first)]
