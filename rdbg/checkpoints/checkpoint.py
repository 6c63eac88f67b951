"""Checkpoints in memory: which there are, and which to give up when memory is short."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter

import numpy as np

from rdbg.checkpoints.page_store import PageTable
from rdbg.checkpoints.worth import replay_saved
from rdbg.emu.machine_api import MachineState
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.output_mark import OutputMark
from rdbg.quick_dataclass import dataclass

#: Checkpoints that are asked what they hold before one is given up.
_ASKED = 48

_position = attrgetter("position")


@dataclass(frozen=True)
class Checkpoint:
    """A complete machine state in memory.

    Args:
        state: everything but memory.
        table: the version of each page.
        entered: how many of the inputs that stand at this icount had entered.
        output: how far output had come.
    """

    state: MachineState
    table: PageTable
    entered: int
    output: OutputMark

    @property
    def position(self) -> int:
        return self.state.icount

    @property
    def bytes_beside_pages(self) -> int:
        """Bytes that belong to this checkpoint alone, but for pages and leaves."""
        return len(self.state.cpu) + len(self.state.devices) + self.table.leaves.nbytes + 500


class CheckpointList:
    """Checkpoints sorted by position, at most one at each."""

    def __init__(self) -> None:
        self._items: list[Checkpoint] = []
        self.bytes_beside_pages = 0

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Checkpoint]:
        return iter(self._items)

    def put(self, checkpoint: Checkpoint) -> Checkpoint | None:
        """Add one; returns the one that stood at its position before."""
        old = self.at(checkpoint.position)
        if old is not None:
            self.remove(old)
        insort(self._items, checkpoint, key=_position)
        self.bytes_beside_pages += checkpoint.bytes_beside_pages
        return old

    def remove(self, checkpoint: Checkpoint) -> None:
        """Take one out."""
        del self._items[bisect_left(self._items, checkpoint.position, key=_position)]
        self.bytes_beside_pages -= checkpoint.bytes_beside_pages

    def at(self, position: int) -> Checkpoint | None:
        """The one at exactly ``position``."""
        found = self.latest(position)
        return found if found is not None and found.position == position else None

    def latest(self, position: int) -> Checkpoint | None:
        """The latest one at or before ``position``."""
        at = bisect_right(self._items, position, key=_position)
        return self._items[at - 1] if at else None

    def latest_shared(self, position: int, entered: int) -> Checkpoint:
        """The latest one at or before ``position`` with at most ``entered`` inputs entered, if it is there."""
        at = self.latest(position)
        if at is not None and at.position == position and at.entered > entered:
            at = self.latest(position - 1)
        return at if at is not None else self._items[0]

    def next(self, position: int) -> Checkpoint | None:
        """The first one after ``position``."""
        at = bisect_right(self._items, position, key=_position)
        return self._items[at] if at < len(self._items) else None

    def after(self, position: int) -> list[Checkpoint]:
        """All after ``position``."""
        return self._items[bisect_right(self._items, position, key=_position) :]

    def least_useful(
        self, places: Sequence[int], end: int, freed: Callable[[Checkpoint], int] | None = None
    ) -> Checkpoint | None:
        """The one to give up first; None if only the first is left (it is never given up).

        It is the one that is worth least for each byte that it holds; see `replay_saved`.

        Args:
            places: where the user is, or has been.
            end: the latest position known.
            freed: bytes that are free when one is given up; None: all are taken to hold the same.
        """
        if len(self._items) < 2:
            return None
        positions = np.array([item.position for item in self._items], np.float64)
        worth = replay_saved(positions[1:], positions[0], end, [*places, end])
        if freed is None:
            return self._items[1 + int(np.argmin(worth))]
        # To know what one holds takes time: ask for those that are worth least.
        few: list[int] = np.argsort(worth)[:_ASKED].tolist()
        return self._items[1 + min(few, key=lambda at: float(worth[at]) / (freed(self._items[1 + at]) + PAGE_SIZE))]
