"""Who looks for a place of a run, and how the N-th of several is named."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from enum import Enum
from typing import Any

from numpy.typing import NDArray

from rdbg.analysis.in_one_process import in_this_process
from rdbg.analysis.question import MakePool, PiecePool
from rdbg.analysis.whole_number import whole_number
from rdbg.errors import UsageError
from rdbg.host.progress import SILENT, Progress
from rdbg.navigation.stops import Interrupted, never
from rdbg.quick_dataclass import dataclass
from rdbg.timeline import OutputLog, Timeline

#: Some icounts, in a list or an array.
Icounts = Sequence[int] | NDArray[Any]


@dataclass(frozen=True)
class Seeker:
    """Who looks for a place.

    Args:
        timeline: the run, standing where relative places are meant.
        interrupted: polled every few milliseconds; True ends the search.
        progress: told how far it has come.
        make_pool: who answers questions to the whole run; None: this process alone.
    """

    timeline: Timeline
    interrupted: Interrupted = never
    progress: Progress = SILENT
    make_pool: MakePool | None = None

    def outputs(self) -> OutputLog:
        """All that has left the run.

        Raises:
            QuestionInterrupted: the user asked to stop.
        """
        return self.timeline.past.outputs(self.interrupted)

    def pool(self) -> PiecePool:
        """Who answers questions to the whole run."""
        if self.make_pool is None:
            return in_this_process(self.timeline, self.interrupted, self.progress)
        return self.make_pool(self.interrupted, self.progress)


#: Which of several is meant, as usages show it.
WHICH = "[N|next|previous]"


class Side(Enum):
    """From where one of several is counted."""

    START = "start"
    END = "end"
    NEXT = "next"  #: behind here
    PREVIOUS = "previous"  #: before here


@dataclass(frozen=True)
class Which:
    """Which of several is meant.

    Args:
        side: from where it is counted.
        number: from 1.
    """

    side: Side
    number: int

    def __str__(self) -> str:
        return f"{'-' if self.side is Side.END else ''}{self.number}"


def parse_which(words: Sequence[str], what: str) -> Which:
    """Which is meant: ``N`` the N-th of the run, ``-N`` the N-th from its end, ``next N`` the N-th behind here,
    ``previous N`` the N-th before here; the next one without words.

    Args:
        words: of the user.
        what: is counted, for messages.

    Raises:
        UsageError: they name none.
    """
    first = words[0] if words else "next"
    relative = first in ("next", "previous")
    if len(words) > 1 + relative:
        raise UsageError(f"'{' '.join(words)}' names no one of several; say N, -N, next [N] or previous [N]")
    if relative:
        side, number = Side(first), words[1] if len(words) > 1 else "1"
    else:
        side, number = (Side.END if first.startswith("-") else Side.START), first.removeprefix("-")
    value = whole_number(number, f"number of the {what}")
    if not value:
        raise UsageError(f"there is no {what} 0: the first is 1, the last is -1")
    return Which(side, value)


def one_of_several(found: Icounts, which: Which, here: int, *, none: str, what: str) -> int:
    """One of several icounts.

    Args:
        found: ascending.
        which: of them.
        here: icount.
        none: says that there are none.
        what: what was looked for, in a sentence that goes on: "the guest printed 'x'".

    Raises:
        UsageError: there is no such one.
    """
    if not len(found):
        raise UsageError(none)
    counts = "once" if len(found) == 1 else f"{len(found)} times"
    if which.side in (Side.START, Side.END):
        if which.number > len(found):
            raise UsageError(f"{what} {counts}, and not {which}")
        return int(found[which.number - 1 if which.side is Side.START else -which.number])
    behind, before = bisect_right(found, here), bisect_left(found, here)
    at = behind + which.number - 1 if which.side is Side.NEXT else before - which.number
    if 0 <= at < len(found):
        return int(found[at])
    there, side = (len(found) - behind, "behind") if which.side is Side.NEXT else (before, "before")
    raise UsageError(
        f"{what} {counts}, {there or 'none'} of them {side} here: first at icount {found[0]}, last at icount "
        f"{found[-1]}; say 1 for the first, -1 for the last"
    )
