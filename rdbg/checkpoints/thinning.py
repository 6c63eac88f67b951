"""Which periodic snapshots to give up when they take too much room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Candidate:
    """A periodic snapshot.

    Args:
        id: its number in the store.
        icount: the moment.
        pages: which of the stored pages it uses, as indices of their sizes, each once.
        beside: bytes that belong to it alone: state and page table.
    """

    id: int
    icount: int
    pages: NDArray[np.intp]
    beside: int = 0


def choose_victims(candidates: Sequence[Candidate], sizes: NDArray[np.int64], now: int, budget: int) -> list[int]:
    """Numbers of the snapshots to delete so that those left fit the budget.

    The one whose loss hurts least goes first: the one for which the gap that it leaves is smallest relative to its
    distance from ``now``. So spacing grows in proportion to distance, and their number with the logarithm of the run.

    Args:
        candidates: periodic snapshots by icount.
        sizes: bytes of each stored page; 0 for those that are kept anyway.
        now: icount that distance is measured from.
        budget: bytes.
    """
    left = list(candidates)
    users = np.zeros(len(sizes), np.int32)
    for candidate in left:
        users[candidate.pages] += 1
    total = int(sizes[users > 0].sum()) + sum(candidate.beside for candidate in left)
    victims = []
    while total > budget and len(left) > 1:
        at = min(range(len(left)), key=lambda index: _loss(left, index, now))
        victim = left.pop(at)
        users[victim.pages] -= 1
        total -= int(sizes[victim.pages[users[victim.pages] == 0]].sum()) + victim.beside
        victims.append(victim.id)
    return victims


def _loss(left: Sequence[Candidate], index: int, now: int) -> float:
    before = left[index - 1].icount if index else 0
    after = left[index + 1].icount if index + 1 < len(left) else max(now, left[index].icount)
    distance = abs(now - left[index].icount)
    # The newest has no gap to its right yet, and is the one wanted next.
    return (after - before) / distance if distance else float("inf")
