"""Replays that look at places without stopping: what they note, in the order of the run, as soon as it is complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.emu.machine_api import RunRequest, StopKind
from rdbg.emu.probes import NOTE, Probes
from rdbg.timeline import QuestionInterrupted

Made = TypeVar("Made")
Notes = NDArray[np.void]


def probed(
    run: ReplayedRun, piece: Piece, probes: Probes, newest_first: bool, make: Callable[[Notes], list[Made]]
) -> Iterator[Made]:
    """What probes note in a piece of a run, made into rows.

    Args:
        run: the run.
        piece: what is noted at its positions counts.
        probes: where to look.
        newest_first: the order of what is given; else oldest first.
        make: makes rows of notes, in their order.

    Raises:
        QuestionInterrupted: the user asked to stop; what was found until then has been given.
        ConditionFailed: the condition could not be evaluated at some places; the others have been given.
    """
    batches = _batches(run, piece, probes)
    if not newest_first:
        for notes in batches:
            yield from make(notes)
        return
    found: list[Notes] = []
    interruption: Exception | None = None
    try:
        found.extend(batches)
    except (QuestionInterrupted, ConditionFailed) as error:
        interruption = error
    for notes in reversed(found):
        yield from reversed(make(notes))
    if interruption is not None:
        raise interruption


def numbers_noted(run: ReplayedRun, piece: Piece, probes: Probes) -> Iterator[int]:
    """How many notes there are in a piece of a run, in numbers that add up to it: no row is made.

    Raises:
        QuestionInterrupted: the user asked to stop; what was found until then has been given.
    """

    def take(ended: bool) -> tuple[int, int]:
        taken = run.machine.take_probe_notes(ended)
        return len(_of_piece(taken.rows, piece)), number_within(taken.unevaluated, piece.start, piece.end)

    return _numbers(run, piece, probes, take)


def times_executed(run: ReplayedRun, piece: Piece, probes: Probes) -> Iterator[int]:
    """How often a place is come to in a piece of a run, in numbers that add up to it: nothing is noted.

    Raises:
        QuestionInterrupted: the user asked to stop; what was found until then has been given.
        ConditionFailed: the condition could not be evaluated at some places; the others have been counted.
    """

    def take(ended: bool) -> tuple[int, int]:
        taken = run.machine.take_probe_count()
        if ended:
            run.machine.take_probe_notes(ended=True)  # else what was counted last is not counted when it comes again
        return taken.times, number_within(taken.unevaluated, piece.start, piece.end)

    return _numbers(run, piece, replace(probes, counts=(piece.start, piece.end)), take)


def _numbers(run: ReplayedRun, piece: Piece, probes: Probes, take: Callable[[bool], tuple[int, int]]) -> Iterator[int]:
    """Numbers of what is found in a piece of a run.

    Args:
        run: the run.
        piece: the stretch.
        probes: where to look.
        take: gives how many were found since it was asked last, and how often that could not be told; told whether
            nothing more comes.
    """
    unevaluated = 0
    run.go(piece.start)
    take(True)  # of a search that did not come to its end
    moved = True
    until = piece.end
    interruption: QuestionInterrupted | None = None
    while moved and run.position < piece.end:
        here = run.position
        try:
            stop = run.advance(RunRequest(until=until, slice=run.slice, probes=probes))
        except QuestionInterrupted as error:
            interruption = error
            break
        moved = run.position > here or stop.kind is StopKind.PAUSED
        if stop.kind is StopKind.LIMIT and run.position < piece.end and until == piece.end:
            until, moved = end_of_step(run, piece.end), True
        number, failed = take(False)
        unevaluated += failed
        yield number
    yield take(True)[0]
    if interruption is not None:
        raise interruption
    if unevaluated:
        raise ConditionFailed(unevaluated)


class ConditionFailed(Exception):
    """A condition could not be evaluated: memory that it reads is not mapped there.

    Args:
        times: how often.
    """

    def __init__(self, times: int) -> None:
        super().__init__(times)
        self.times = times


def _batches(run: ReplayedRun, piece: Piece, probes: Probes) -> Iterator[Notes]:
    """Notes in order."""
    machine = run.machine
    pending: list[Notes] = []
    unevaluated = 0
    moved = True
    until = piece.end
    interruption: QuestionInterrupted | None = None
    try:
        run.go(piece.start)
        machine.take_probe_notes(ended=True)  # of a search that did not come to its end
        while moved and run.position < piece.end:
            here = run.position
            stop = run.advance(RunRequest(until=until, slice=run.slice, probes=probes))
            taken = machine.take_probe_notes(ended=False)
            unevaluated += number_within(taken.unevaluated, piece.start, piece.end)
            pending.append(_of_piece(taken.rows, piece))
            ready, pending = _ready(pending, min(piece.end, run.position))
            if len(ready):
                yield ready
            moved = run.position > here or stop.kind is StopKind.PAUSED
            if stop.kind is StopKind.LIMIT and run.position < piece.end and until == piece.end:
                until, moved = end_of_step(run, piece.end), True
    except QuestionInterrupted as error:
        interruption = error
    ready, _ = _ready([*pending, _of_piece(machine.take_probe_notes(ended=True).rows, piece)], piece.end)
    if len(ready):
        yield ready
    if interruption is not None:
        raise interruption
    if unevaluated:
        raise ConditionFailed(unevaluated)


def number_within(icounts: NDArray[np.uint64], start: int, end: int) -> int:
    """How many of ascending icounts are from ``start`` to before ``end``."""
    first, last = np.searchsorted(icounts, np.array([start, end], np.uint64)).tolist()
    return int(last - first)


def end_of_step(run: ReplayedRun, position: int) -> int:
    """Where a step ends at the latest that begins before a position and goes on behind it: all of it counts where it
    begins."""
    return min(position + run.machine.architecture.longest_step - 1, run.end)


def _of_piece(notes: Notes, piece: Piece) -> Notes:
    """Those in a piece. Where it begins inside of a step, it is looked at from that step on, and where it ends in one,
    to the end of that."""
    icounts = notes["icount"]
    found: Notes = notes[(icounts >= piece.start) & (icounts < piece.end)]
    return found


def _ready(pending: list[Notes], limit: int) -> tuple[Notes, list[Notes]]:
    """Notes before a position, sorted, and the others."""
    if not any(len(notes) and notes["icount"].min() < limit for notes in pending):
        return np.empty(0, NOTE), [notes for notes in pending if len(notes)]
    notes = np.concatenate(pending)
    notes = notes[np.argsort(notes["icount"], kind="stable")]
    split = int(np.searchsorted(notes["icount"], limit))
    return notes[:split], [notes[split:]]
