"""Positions as users name them: ``start``, ``end``, an icount, ``N%``, a snapshot, a bookmark, ``packet N``."""

from __future__ import annotations

import re

from rdbg.analysis.whole_number import whole_number
from rdbg.errors import UsageError
from rdbg.timeline import Timeline

#: What a place can be, as usages show it.
PLACES = "start|end|ICOUNT|+N|-N|N%|SNAPSHOT|BOOKMARK|packet N|input N"
#: Words of places that a number follows.
INPUTS = ("packet", "input")
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
    if _PERCENT.fullmatch(place):
        percent = float(place[:-1])
        if percent > 100:
            raise UsageError(f"{place} is past the end; say a share from 0% to 100%")
        return timeline.start + int((timeline.end - timeline.start) * percent / 100)
    if place.startswith(("+", "-")):
        distance = whole_number(place[1:], "distance")
        return timeline.position + (distance if place[0] == "+" else -distance)
    if place[:1].isdigit():
        return whole_number(place, "icount")
    words = place.split()
    if len(words) == 2 and words[0] in INPUTS:
        return entered(timeline, *words)
    known = ", ".join(sorted({*names, *bookmarks})) or "none"
    raise UsageError(f"there is no snapshot or bookmark '{place}' (there are: {known}); usage: goto {PLACES}")


def position_of(timeline: Timeline, place: str) -> int:
    """The icount of a place, within the run: one beyond its start or end is that.

    Raises:
        UsageError: there is no such place.
    """
    position = named_position(timeline, place)
    if position is None:
        position = next(each.position for each in timeline.snapshots.here() if each.name == place)
    return min(max(position, timeline.start), timeline.end)


def entered(timeline: Timeline, what: str, number: str) -> int:
    """Where a packet or an input entered.

    Args:
        timeline: the run.
        what: ``packet`` or ``input``.
        number: which, as the user writes it.

    Raises:
        UsageError: there is none of that number.
    """
    history = timeline.history
    wanted = whole_number(number, f"number of the {what}")
    found = history.packet(wanted) if what == "packet" else history.input(wanted)
    if found is not None:
        return found.icount
    if what == "packet":
        there_are = history.packets
        known = f"{there_are} have entered" if there_are else "none has entered"
        raise UsageError(f"there is no packet {wanted}: {known}")
    raise UsageError(f"there is no input {wanted}: 'monitor info inputs' lists those around here")
