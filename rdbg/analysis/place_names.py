"""Positions as users name them: ``start``, ``end``, an icount, ``N%``, a snapshot, ``packet N``, ``output "TEXT"``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rdbg.analysis.event_places import EVENT_PLACES, EVENT_WORDS, place_of_event
from rdbg.analysis.input_places import INPUT_PLACES, INPUTS, place_of_input
from rdbg.analysis.output_places import OUTPUT_PLACES, OUTPUT_WORDS, place_of_output
from rdbg.analysis.question import Piece
from rdbg.analysis.quoted_words import quoted_words
from rdbg.analysis.seeker import Seeker
from rdbg.analysis.whole_number import whole_number
from rdbg.errors import UsageError
from rdbg.timeline import QuestionInterrupted, Stop, Timeline

#: What a place can be, as usages show it.
PLACES = "start|end|ICOUNT|+N|-N|N%|SNAPSHOT|BOOKMARK"
#: Those with what has to be looked for in the run.
ALL_PLACES = f"{PLACES}|{INPUT_PLACES}|{OUTPUT_PLACES}|{EVENT_PLACES}"
_PERCENT = re.compile(r"\d+(\.\d+)?%")


def named_position(timeline: Timeline, place: str) -> int | None:
    """The icount meant; None: a snapshot's name is meant. A name goes before a number that reads the same, and after
    ``start`` and ``end``.

    Raises:
        UsageError: there is no such place.
    """
    if place in ("start", "end"):
        return timeline.start if place == "start" else timeline.end
    names = {snapshot.name for snapshot in timeline.snapshots.here()}
    if place in names:
        return None
    bookmarks = timeline.bookmarks.all()
    if place in bookmarks:
        return bookmarks[place]
    if place[:1] in ("+", "-") and _PERCENT.fullmatch(place[1:]):
        raise UsageError(f"{place} is no place: a share of the run is 0% to 100%, and +N or -N instructions from here")
    if _PERCENT.fullmatch(place):
        percent = float(place[:-1])
        if percent > 100:
            raise UsageError(f"{place} is past the end; say a share from 0% to 100%")
        return timeline.start + int((timeline.end - timeline.start) * percent / 100)
    if place.startswith(("+", "-")):
        return _away(timeline.position, place)
    if place[:1].isdigit():
        return whole_number(place, "icount")
    known = ", ".join(sorted({*names, *bookmarks})) or "none"
    words = ", ".join([*PLACES.split("|")[:-2], *INPUTS, *OUTPUT_WORDS, *EVENT_WORDS])
    raise UsageError(f"there is no snapshot or bookmark '{place}' (there are: {known}); other places are {words}")


def place_words(timeline: Timeline, place: str) -> list[str]:
    """The words of a place that is written in one string; a name with blanks is one word.

    Raises:
        UsageError: a quote is not closed.
    """
    return [place] if place in _names(timeline) else quoted_words(place) or [place]


def sought(seeker: Seeker, words: Sequence[str]) -> int | None:
    """The icount of a place that may have to be looked for; None: a snapshot's name is meant. A name with blanks may be
    written without quotes.

    Raises:
        UsageError: there is no such place, or the user asked to stop.
    """
    if " ".join(words) in _names(seeker.timeline):
        return named_position(seeker.timeline, " ".join(words))
    try:
        if words and words[0] in OUTPUT_WORDS:
            return place_of_output(seeker, words)
        if words and words[0] in EVENT_WORDS:
            return place_of_event(seeker, words)
    except QuestionInterrupted:
        raise UsageError("interrupted: the machine stays where it is") from None
    if words and words[0] in INPUTS:
        return place_of_input(seeker.timeline, words)
    if len(words) != 1:
        wrong = f"'{words[1]}' is too much; " if words else ""
        raise UsageError(f"{wrong}usage: goto {ALL_PLACES}")
    return named_position(seeker.timeline, words[0])


def _away(position: int, place: str) -> int:
    """So far on (``+N``) or back (``-N``) from a position."""
    distance = whole_number(place[1:], "distance")
    return position + (distance if place[0] == "+" else -distance)


def _names(timeline: Timeline) -> set[str]:
    return {*timeline.bookmarks.all(), *(snapshot.name for snapshot in timeline.snapshots.here())}


def position_of(timeline: Timeline, place: str) -> int:
    """The icount of a place, within the run: one beyond its start or end is that.

    Raises:
        UsageError: there is no such place.
    """
    position = sought(Seeker(timeline), place_words(timeline, place))
    if position is None:
        position = next(each.position for each in timeline.snapshots.here() if each.name == place)
    return min(max(position, timeline.start), timeline.end)


def stretch_of(timeline: Timeline, begin: str | None, end: str | None) -> Piece:
    """The stretch of the run between two places. The distance of an end that is given as ``+N`` or ``-N`` is from the
    beginning, if that is given, and else from where the run stands.

    Args:
        timeline: of the run.
        begin: a place; None: the start.
        end: a place; None: the end.

    Raises:
        UsageError: there is no such place, or the end is before the beginning.
    """
    first = timeline.start if begin is None else position_of(timeline, begin)
    if begin is not None and end is not None and end.startswith(("+", "-")) and end not in _names(timeline):
        last = min(max(_away(first, end), timeline.start), timeline.end)
    else:
        last = timeline.end if end is None else position_of(timeline, end)
    if last < first:
        raise UsageError(f"--to is icount {last}, before --from, icount {first}")
    return Piece(first, last)


def go_to_place(seeker: Seeker, words: Sequence[str]) -> Stop:
    """Go to a place. A scratch branch is left, and the place where it began remembered.

    Args:
        seeker: who goes.
        words: of the place.

    Raises:
        RdbgError: there is no such place.
    """
    timeline = seeker.timeline
    timeline.scratch.drop()
    position = sought(seeker, words)
    if position is None:
        return timeline.snapshots.load(" ".join(words))
    here = timeline.position
    stop = timeline.goto(position, seeker.interrupted)
    if stop.position != here:
        timeline.places.leave(here)
    return stop
