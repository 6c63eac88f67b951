"""Which periodic snapshots to give up when they take too much room."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rdbg.checkpoints.worth import replay_saved
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.quick_dataclass import dataclass


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

    The one that is worth least for each byte that it takes goes first; see `replay_saved`. The latest stays.

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
        worth = replay_saved(np.array([one.icount for one in left], np.float64), 0, now, (now,))
        alone = [int(sizes[one.pages[users[one.pages] == 1]].sum()) + one.beside for one in left]
        at = int(np.argmin(worth[:-1] / (np.array(alone[:-1]) + PAGE_SIZE)))
        victim = left.pop(at)
        users[victim.pages] -= 1
        total -= alone[at]
        victims.append(victim.id)
    return victims
