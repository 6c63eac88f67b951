"""Stretches of the run in which a watched range was looked for and not found."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from rdbg.emu.machine_api import Watch

#: Watches that are remembered, and stretches of each: the oldest watch, and the earliest stretches, are forgotten.
_MOST_WATCHES = 64
_MOST_STRETCHES = 1000


class Cleared:
    """What searches for accesses have learnt. Pages that are written all the time tell the index nothing about one word
    in them; to have looked once is enough.

    A stretch is of positions, from the first up to (not including) the second: of the instructions there none makes the
    access.
    """

    def __init__(self) -> None:
        self._stretches: dict[Watch, list[tuple[int, int]]] = {}

    def note(self, watches: Iterable[Watch], start: int, end: int) -> None:
        """None of these accesses was made from ``start`` up to ``end``."""
        if start >= end:
            return
        for watch in watches:
            known = self._stretches.pop(watch, [])
            apart = [one for one in known if one[1] < start or one[0] > end]
            joined = [one for one in known if not (one[1] < start or one[0] > end)]
            apart.append((min([start, *(one[0] for one in joined)]), max([end, *(one[1] for one in joined)])))
            self._stretches[watch] = sorted(apart)[-_MOST_STRETCHES:]
        while len(self._stretches) > _MOST_WATCHES:
            del self._stretches[next(iter(self._stretches))]

    def begins(self, watches: Iterable[Watch], position: int) -> int:
        """Since when, up to ``position``, none of the accesses was made; ``position`` if that is not known."""
        return max((self._around(watch, position - 1)[0] for watch in watches), default=position)

    def ends(self, watches: Iterable[Watch], position: int) -> int:
        """Until when, from ``position`` on, none of the accesses is made; ``position`` if that is not known."""
        return min((self._around(watch, position)[1] for watch in watches), default=position)

    def forget_after(self, position: int) -> None:
        """The run goes another way from there."""
        for watch, known in self._stretches.items():
            self._stretches[watch] = [(start, min(end, position)) for start, end in known if start < position]

    def _around(self, watch: Watch, position: int) -> tuple[int, int]:
        """The stretch that holds ``position``, or an empty one beside it: after it for its start, before it for its
        end."""
        known = self._stretches.get(watch, [])
        at = bisect_right(known, (position, 1 << 64))
        if at and known[at - 1][1] > position:
            return known[at - 1]
        return position + 1, position
