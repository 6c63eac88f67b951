"""A compact set of page numbers: sorted runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class PageSet:
    """An immutable set of page numbers, kept as run boundaries: start, end, start, end, ... (ends exclusive).

    A walk over 8,000 pages is 16 bytes, 200 scattered pages are 1.6 KB.

    Args:
        bounds: strictly increasing boundaries, an even number of them.
    """

    __slots__ = ("bounds",)

    def __init__(self, bounds: NDArray[np.int64]) -> None:
        self.bounds = bounds.astype(np.uint32) if bounds.dtype != np.uint32 else bounds

    @classmethod
    def of(cls, pages: Sequence[int] | NDArray[np.uint32]) -> PageSet:
        """The set of ``pages``: sorted, each once."""
        numbers = np.asarray(pages, np.int64)
        if len(numbers) == 0:
            return EMPTY
        breaks = np.flatnonzero(np.diff(numbers) != 1)
        bounds = np.empty(2 * len(breaks) + 2, np.int64)
        bounds[0], bounds[-1] = numbers[0], numbers[-1] + 1
        bounds[1:-1:2], bounds[2:-1:2] = numbers[breaks] + 1, numbers[breaks + 1]
        return cls(bounds)

    @property
    def nbytes(self) -> int:
        return self.bounds.nbytes

    def pages(self) -> list[int]:
        """All numbers, sorted."""
        pairs = self.bounds.reshape(-1, 2).tolist()
        return [page for first, end in pairs for page in range(first, end)]

    def meets(self, first: int, last: int) -> bool:
        """Whether any page from ``first`` to ``last`` (inclusive) is in the set."""
        at = int(np.searchsorted(self.bounds, first, "right"))
        return at % 2 == 1 or (at < len(self.bounds) and int(self.bounds[at]) <= last)

    def union(self, other: PageSet) -> PageSet:
        """All pages of both."""
        if len(self.bounds) == 0 or other is self:
            return other
        if len(other.bounds) == 0:
            return self
        mine, theirs = self.bounds.reshape(-1, 2), other.bounds.reshape(-1, 2)
        runs = np.concatenate([mine, theirs]).astype(np.int64)
        runs = runs[np.argsort(runs[:, 0], kind="stable")]
        reach = np.maximum.accumulate(runs[:, 1])
        # A run begins a new one where nothing before reaches it (touching runs join).
        begins = np.flatnonzero(np.concatenate([[True], runs[1:, 0] > reach[:-1]]))
        ends = np.concatenate([begins[1:] - 1, [len(runs) - 1]])
        return PageSet(np.stack([runs[begins, 0], reach[ends]], axis=1).ravel())


EMPTY = PageSet(np.zeros(0, np.uint32))
