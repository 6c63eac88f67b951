"""A stretch of a run, divided into as many parts as a page can show."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdbg.errors import UsageError
from rdbg.quick_dataclass import dataclass

MOST_BINS = 2000


def check_stretch(start: int, end: int) -> None:
    """Raises UsageError unless there is something between two icounts."""
    if end <= start:
        raise UsageError(f"from icount {start} to {end} there is nothing to show")


@dataclass(frozen=True)
class Bins:
    """Parts of [start, end) of one length, which need not be a whole number.

    Args:
        start, end: icounts.
        count: parts; fewer where an instruction would be divided.

    Raises:
        UsageError: that is no stretch.
    """

    start: int
    end: int
    count: int

    def __post_init__(self) -> None:
        check_stretch(self.start, self.end)
        if self.count < 1:
            raise UsageError("in no parts there is nothing to show")
        object.__setattr__(self, "count", min(self.count, MOST_BINS, self.end - self.start))

    def of(self, icounts: NDArray[Any]) -> NDArray[np.int64]:
        """The bin of each icount that lies in the stretch."""
        within = (icounts - np.uint64(self.start)).astype(np.float64)
        return np.minimum((within * (self.count / (self.end - self.start))).astype(np.int64), self.count - 1)

    def counts(self, icounts: NDArray[Any]) -> list[list[int]]:
        """How many of some icounts in the stretch lie in each bin: pairs of bin and number, where there are any."""
        found = np.bincount(self.of(icounts), minlength=self.count) if len(icounts) else np.zeros(0, np.int64)
        some = np.flatnonzero(found)
        return np.stack([some, found[some]], axis=1).tolist() if len(some) else []
