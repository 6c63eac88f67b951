"""Where ``goto input`` and ``goto packet`` lead."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from rdbg.analysis.seeker import WHICH, Side, Which, parse_which
from rdbg.errors import UsageError
from rdbg.history.known_records import NumberedInput
from rdbg.timeline import Timeline

INPUT_PLACES = f"packet {WHICH}|input {WHICH}"
#: The first words of such places.
INPUTS = ("packet", "input")


def place_of_input(timeline: Timeline, words: Sequence[str]) -> int:
    """Where an input entered that is named by words, the first of `INPUTS`: ``input 17`` is the one of that number in
    ``info inputs``, ``packet 3`` the third packet.

    Raises:
        UsageError: there is none.
    """
    what = words[0]
    which = parse_which(words[1:], what)
    if which.side is Side.START:
        return entered(timeline, what, which.number)
    found = _counted(timeline, what, which)
    if found is None:
        where = {Side.END: "in this run", Side.NEXT: "behind here", Side.PREVIOUS: "before here"}[which.side]
        many = "" if which.number == 1 else f" {which.number}, counted from there,"
        raise UsageError(f"there is no {what}{many} {where}; 'monitor info inputs' lists those around here")
    return found.record.icount


def entered(timeline: Timeline, what: str, wanted: int) -> int:
    """Where a packet or an input entered.

    Args:
        timeline: the run.
        what: ``packet`` or ``input``.
        wanted: its number.

    Raises:
        UsageError: there is none of that number.
    """
    history = timeline.history
    found = history.known.packet(wanted) if what == "packet" else history.known.input(wanted)
    if found is not None:
        return found.icount
    if what == "packet":
        there_are = history.known.packets
        known = f"{there_are} have entered" if there_are else "none has entered"
        raise UsageError(f"there is no packet {wanted}: {known}")
    raise UsageError(f"there is no input {wanted}: 'monitor info inputs' lists those around here")


def _counted(timeline: Timeline, what: str, which: Which) -> NumberedInput | None:
    history, here, behind = timeline.history, timeline.position, timeline.end + 1
    if which.side is Side.NEXT:
        inputs = history.known.inputs_between(here + 1, behind)
    else:
        end = here if which.side is Side.PREVIOUS else behind
        inputs = history.known.inputs_between(timeline.start, end, newest_first=True)
    right = (each for each in inputs if what == "input" or each.packet is not None)
    return next(islice(right, which.number - 1, None), None)
