"""Stretches of the run in which something was looked for and not found: an access of a watched range, or a breakpoint's
condition that holds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from rdbg.emu.expression import Expression
from rdbg.emu.machine_api import Watch
from rdbg.quick_dataclass import dataclass

#: What was looked for that is remembered, and stretches of each: the oldest, and the earliest stretches, are forgotten.
_MOST_SOUGHT = 64
_MOST_STRETCHES = 1000


@dataclass(frozen=True)
class Breakpoint:
    """A breakpoint that stops where its condition holds. Two conditions make two breakpoints.

    Args:
        address: virtual.
        condition: it stops if one of these is not zero, or cannot be evaluated; empty: it always does.
    """

    address: int
    condition: tuple[Expression, ...] = ()


#: What a search looks for.
Sought = Watch | Breakpoint


@dataclass(frozen=True)
class ClearedBreakpoint:
    """Where a breakpoint with a condition does not stop.

    Args:
        breakpoint: it.
        stretches: first position, and the one behind the last, of each.
    """

    breakpoint: Breakpoint
    stretches: tuple[tuple[int, int], ...]


class Cleared:
    """What searches have learnt. Pages that are written all the time tell the index nothing about one word in them, and
    code that runs all the time nothing about a condition there; to have looked once is enough.

    A stretch is of positions, from the first up to (not including) the second: of the instructions there none makes the
    access, and the breakpoint stops before none.
    """

    def __init__(self) -> None:
        self._stretches: dict[Sought, list[tuple[int, int]]] = {}

    def note(self, sought: Iterable[Sought], start: int, end: int) -> None:
        """Nothing of this is to be found from ``start`` up to ``end``."""
        if start >= end:
            return
        for each in sought:
            known = self._stretches.pop(each, [])
            apart = [one for one in known if one[1] < start or one[0] > end]
            joined = [one for one in known if not (one[1] < start or one[0] > end)]
            apart.append((min([start, *(one[0] for one in joined)]), max([end, *(one[1] for one in joined)])))
            self._stretches[each] = sorted(apart)[-_MOST_STRETCHES:]
        while len(self._stretches) > _MOST_SOUGHT:
            del self._stretches[next(iter(self._stretches))]

    def conditions(self) -> Iterator[ClearedBreakpoint]:
        """What is known of breakpoints with conditions, the latest last."""
        for each, known in self._stretches.items():
            if isinstance(each, Breakpoint) and each.condition:
                yield ClearedBreakpoint(each, tuple(known))

    def begins(self, sought: Iterable[Sought], position: int) -> int:
        """Since when, up to ``position``, nothing of this is to be found; ``position`` if that is not known."""
        return max((self._around(each, position - 1)[0] for each in sought), default=position)

    def ends(self, sought: Iterable[Sought], position: int) -> int:
        """Until when, from ``position`` on, nothing of this is to be found; ``position`` if that is not known."""
        return min((self._around(each, position)[1] for each in sought), default=position)

    def forget_after(self, position: int) -> None:
        """The run goes another way from there."""
        for each, known in self._stretches.items():
            self._stretches[each] = [(start, min(end, position)) for start, end in known if start < position]

    def _around(self, sought: Sought, position: int) -> tuple[int, int]:
        """The stretch that holds ``position``, or an empty one beside it: after it for its start, before it for its
        end."""
        known = self._stretches.get(sought, [])
        at = bisect_right(known, (position, 1 << 64))
        if at and known[at - 1][1] > position:
            return known[at - 1]
        return position + 1, position
