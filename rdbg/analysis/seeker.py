"""Who looks for a place of a run, and how the N-th of several is named."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from rdbg.analysis.in_one_process import in_this_process
from rdbg.analysis.question import MakePool, PiecePool
from rdbg.analysis.whole_number import whole_number
from rdbg.errors import UsageError
from rdbg.host.progress import SILENT, Progress
from rdbg.navigation.stops import Interrupted, never
from rdbg.timeline import OutputLog, Timeline


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
        return self.timeline.outputs(self.interrupted)

    def pool(self) -> PiecePool:
        """Who answers questions to the whole run."""
        if self.make_pool is None:
            return in_this_process(self.timeline, self.interrupted, self.progress)
        return self.make_pool(self.interrupted, self.progress)


#: Which of several is meant, as usages show it.
WHICH = "[N|next|previous]"
_SIDES = {"next": "behind", "previous": "before"}


def one_of_several(found: Sequence[int], which: Sequence[str], here: int, *, none: str, what: str) -> int:
    """One of several icounts: the N-th of the run for ``N``, the N-th from its end for ``-N``, the N-th behind here for
    ``next N``, before here for ``previous N``; the next one without words.

    Args:
        found: ascending, each once.
        which: words of the user.
        here: icount.
        none: says that there are none.
        what: what was looked for, in a sentence that goes on: "the guest printed 'x'".

    Raises:
        UsageError: there is no such one.
    """
    side = which[0] if which else "next"
    if len(which) > (2 if side in _SIDES else 1):
        raise UsageError(f"'{' '.join(which)}' names no one of several; say N, -N, next [N] or previous [N]")
    if side in _SIDES:
        wanted = whole_number(which[1], "number") if len(which) == 2 else 1
    else:
        wanted = whole_number(side.removeprefix("-"), "number")
    if not found:
        raise UsageError(none)
    counts = "once" if len(found) == 1 else f"{len(found)} times"
    if side not in _SIDES:
        if not 0 < wanted <= len(found):
            raise UsageError(f"{what} {counts}, and not {side}")
        return found[-wanted if side.startswith("-") else wanted - 1]
    there = found[bisect_right(found, here) :] if side == "next" else found[: bisect_left(found, here)][::-1]
    if not 0 < wanted <= len(there):
        raise UsageError(
            f"{what} {counts}, {_times(len(there))} of them {_SIDES[side]} here: first at icount {found[0]}, last at "
            f"icount {found[-1]}; say 1 for the first, -1 for the last"
        )
    return there[wanted - 1]


def _times(count: int) -> str:
    return "none" if not count else str(count)
