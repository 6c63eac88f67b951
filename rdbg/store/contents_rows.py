"""Rows of pages' first contents: what is on its way to one, what one holds, and where a page is among them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rdbg.quick_dataclass import dataclass

Pages = NDArray[np.uint32]


@dataclass(frozen=True)
class ContentsRow:
    """What a row holds but for the contents."""

    id: int
    pages: Pages
    zeros: Pages  # first, count, first, count, ...
    lost: Pages


class ContentsBatch:
    """Pages of a disk on their way to the store."""

    def __init__(self) -> None:
        self.contents: dict[int, bytes] = {}
        self.zeros: list[int] = []
        self.lost: list[int] = []

    def __len__(self) -> int:
        return len(self.contents) + len(self.zeros) // 64 + len(self.lost)


class ContentsIndex:
    """Where the pages of a disk are."""

    def __init__(self, rows: list[ContentsRow]) -> None:
        self.rows = len(rows)
        ids = np.array([row.id for row in rows], np.int64)
        lengths = np.array([len(row.pages) for row in rows], np.int64)
        pages = np.concatenate([row.pages for row in rows])
        order = np.argsort(pages, kind="stable")
        self._pages = pages[order]
        self._ids = np.repeat(ids, lengths)[order]
        self._places = np.concatenate([np.arange(length) for length in lengths])[order]
        self._lost = np.sort(np.concatenate([row.lost for row in rows]))
        runs = np.concatenate([row.zeros for row in rows]).reshape(-1, 2).astype(np.int64)
        self._zeros = runs[np.argsort(runs[:, 0], kind="stable")]

    def has(self, page: int) -> bool:
        """Whether a page is there, or lost."""
        at = int(np.searchsorted(self._zeros[:, 0], page, "right"))
        if at and page < self._zeros[at - 1].sum():
            return True
        return self.place(page) is not None

    def place(self, page: int) -> tuple[int, int] | None:
        """Row and place of a page; a negative row: it is lost; None: it is zeros."""
        at = int(np.searchsorted(self._pages, page))
        if at < len(self._pages) and self._pages[at] == page:
            return int(self._ids[at]), int(self._places[at])
        at = int(np.searchsorted(self._lost, page))
        return (-1, 0) if at < len(self._lost) and self._lost[at] == page else None


def as_runs(numbers: list[int]) -> Pages:
    """Numbers as runs: first, count, first, count, ..."""
    if not numbers:
        return np.zeros(0, "<u4")
    ordered = np.sort(np.array(numbers, np.int64))
    starts = np.concatenate([[0], np.flatnonzero(np.diff(ordered) != 1) + 1])
    counts = np.diff(np.concatenate([starts, [len(ordered)]]))
    return np.stack([ordered[starts], counts], axis=1).ravel().astype("<u4")
