"""A compact set of numbers, of pages or of addresses: sorted runs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NARROW = 0xFFFF_FFFF
#: Numbers below 2^64.
Numbers = NDArray[np.unsignedinteger[Any]]


class PageSet:
    """An immutable set of numbers, kept as run boundaries: start, end, start, end, ... (ends exclusive).

    A walk over 8,000 pages is 8 bytes, 200 scattered pages are 1.6 KB; twice that where a number does not fit in 32
    bits.

    Args:
        bounds: strictly increasing boundaries, an even number of them.
    """

    __slots__ = ("_looked_up", "bounds")

    def __init__(self, bounds: Numbers) -> None:
        narrow = len(bounds) == 0 or bounds[-1] <= _NARROW
        self.bounds: Numbers = bounds.astype(np.uint32 if narrow else np.uint64, copy=False)
        # A search asks thousands of sets: bisecting a memoryview takes a tenth of what a call of numpy does.
        self._looked_up = self.bounds.data

    def __reduce__(self) -> tuple[type[PageSet], tuple[Numbers]]:
        """A memoryview goes to no other process."""
        return PageSet, (self.bounds,)

    @classmethod
    def of(cls, pages: Sequence[int] | Numbers) -> PageSet:
        """The set of ``pages``: sorted, each once, below 2^64 - 1."""
        numbers = np.asarray(pages, np.uint64)
        if len(numbers) == 0:
            return EMPTY
        breaks = np.flatnonzero(np.diff(numbers) != 1)
        bounds = np.empty(2 * len(breaks) + 2, np.uint64)
        bounds[::2] = numbers[np.concatenate([[0], breaks + 1])]
        bounds[1::2] = numbers[np.concatenate([breaks, [len(numbers) - 1]])] + np.uint64(1)
        return cls(bounds)

    @classmethod
    def of_runs(cls, first: Numbers, end: Numbers) -> PageSet:
        """The set of all numbers from each ``first`` up to its ``end`` (exclusive); they may overlap."""
        if len(first) == 0:
            return EMPTY
        order = np.argsort(first, kind="stable")
        first, reach = first[order], np.maximum.accumulate(end[order])
        # A run begins a new one where nothing before reaches it (touching runs join).
        begins = np.flatnonzero(np.concatenate([[True], first[1:] > reach[:-1]]))
        ends = np.concatenate([begins[1:] - 1, [len(first) - 1]])
        return cls(np.stack([first[begins], reach[ends]], axis=1).ravel())

    def coarsened(self, most: int) -> PageSet:
        """A superset of at most ``most`` runs: the narrowest gaps are filled."""
        gaps = self.bounds[2::2] - self.bounds[1:-1:2]
        if len(gaps) < most:
            return self
        kept = np.sort(np.argsort(gaps)[len(gaps) - most + 1 :])
        inner = np.stack([self.bounds[2 * kept + 1], self.bounds[2 * kept + 2]], axis=1).ravel()
        return PageSet(np.concatenate([self.bounds[:1], inner, self.bounds[-1:]]))

    @property
    def nbytes(self) -> int:
        return self.bounds.nbytes

    def pages(self) -> list[int]:
        """All numbers, sorted."""
        pairs = self.bounds.reshape(-1, 2).tolist()
        return [page for first, end in pairs for page in range(first, end)]

    def meets(self, first: int, last: int) -> bool:
        """Whether any page from ``first`` to ``last`` (inclusive) is in the set."""
        at = bisect_right(self._looked_up, first)
        return at % 2 == 1 or (at < len(self._looked_up) and self._looked_up[at] <= last)

    def union(self, other: PageSet) -> PageSet:
        """All pages of both."""
        if len(self.bounds) == 0 or other is self:
            return other
        if len(other.bounds) == 0:
            return self
        mine, theirs = self.bounds.reshape(-1, 2), other.bounds.reshape(-1, 2)
        runs = np.concatenate([mine, theirs])
        return PageSet.of_runs(runs[:, 0], runs[:, 1])


EMPTY = PageSet(np.zeros(0, np.uint32))
