"""Which memory was written, and which code run, by address and time."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdbg.checkpoints.interval_index import Interval
from rdbg.checkpoints.page_set import PageSet
from rdbg.quick_dataclass import dataclass
from rdbg.ui.bins import Bins
from rdbg.ui.run_view import RunView

_PAGE_BITS = 12
_MOST_ROWS = 160
_MOST_COLUMNS = 400
_LAST_PAGE = 1 << 52
_MOST_INTERVALS = 4096


@dataclass(frozen=True)
class HeatMap:
    """Written and executed pages of a stretch.

    Args:
        start, end: icounts.
        columns: parts in which it is divided.
        low, high: virtual addresses that are looked at, the last one included.
    """

    start: int
    end: int
    columns: int
    low: int
    high: int

    def answer(self, view: RunView) -> dict[str, Any]:
        """Rows of addresses that were touched at all, and of each cell how many of the stretches that are known there
        touched it, at most 255, row by row in base64."""
        bins = Bins(self.start, self.end, min(max(self.columns, 1), _MOST_COLUMNS))
        known = view.timeline.past.touched(self.start, self.end)
        written, executed = _ranges(view, known, bins)
        low, high = self.low >> _PAGE_BITS, min((self.high >> _PAGE_BITS) + 1, _LAST_PAGE)
        rows = _rows(np.concatenate([written, executed]), low, high)
        seen = sum(min(each.end, self.end) - max(each.start, self.start) for each in known)
        return {
            "from": self.start,
            "to": self.end,
            "columns": bins.count,
            "rows": [[first << _PAGE_BITS, (end << _PAGE_BITS) - 1] for first, end in rows.tolist()],
            "written": _cells(written, rows, bins.count),
            "executed": _cells(executed, rows, bins.count),
            "known": seen / (self.end - self.start),
        }


def _ranges(view: RunView, known: Sequence[Interval], bins: Bins) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of what was written, and of what was executed: first page, page behind, first and last column of each stretch of
    pages that an interval touched."""
    if not known:
        return np.empty((0, 4), np.int64), np.empty((0, 4), np.int64)
    pages = _pages(view, known)
    edges = np.array([(max(each.start, bins.start), min(each.end, bins.end) - 1) for each in known], np.uint64)
    columns = bins.of(edges.ravel()).reshape(-1, 2)
    made = []
    for kind in (0, 1):
        each = [pair[kind] for pair in pages]
        made.append(np.concatenate([np.concatenate(each), np.repeat(columns, [len(rows) for rows in each], axis=0)], 1))
    return made[0], made[1]


def _pages(view: RunView, known: Sequence[Interval]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Stretches of pages that were written, and executed, of each interval; they are worked out once."""
    worked_out: dict[tuple[int, int, int], tuple[object, NDArray[np.int64], NDArray[np.int64]]]
    worked_out = view.kept("pages of intervals", None, dict)
    if len(worked_out) > 3 * _MOST_INTERVALS:
        worked_out.clear()
    found = []
    for interval in known:
        key = interval.start, interval.end, id(interval.pages)
        if key not in worked_out:
            written = interval.pages.written.bounds.astype(np.int64).reshape(-1, 2)
            code = interval.pages.executed.bounds.astype(np.uint64)
            begin, end = code[::2] >> np.uint64(_PAGE_BITS), (code[1::2] - np.uint64(1)) >> np.uint64(_PAGE_BITS)
            executed = PageSet.of_runs(begin, end + np.uint64(1)).bounds.astype(np.int64).reshape(-1, 2)
            worked_out[key] = interval.pages, written, executed  # what is held keeps its id
        found.append(worked_out[key][1:])
    return found


def _rows(ranges: NDArray[np.int64], low: int, high: int) -> NDArray[np.int64]:
    """Stretches of pages, first and behind, that hold all that was touched between two pages and little else."""
    pages = np.clip(ranges[:, :2], low, high)
    pages = pages[pages[:, 0] < pages[:, 1]]
    if not len(pages):
        return np.empty((0, 2), np.int64)
    order = np.argsort(pages[:, 0], kind="stable")
    first, reach = pages[order, 0], np.maximum.accumulate(pages[order, 1])
    begins = np.flatnonzero(np.concatenate([[True], first[1:] > reach[:-1]]))
    ends = np.concatenate([begins[1:] - 1, [len(first) - 1]])
    runs = np.stack([first[begins], reach[ends]], axis=1)
    if len(runs) > _MOST_ROWS:  # the widest gaps stay
        gaps = runs[1:, 0] - runs[:-1, 1]
        kept = np.sort(np.argsort(gaps, kind="stable")[len(gaps) - _MOST_ROWS + 1 :])
        firsts = np.concatenate([runs[:1, 0], runs[kept + 1, 0]])
        return np.stack([firsts, np.concatenate([runs[kept, 1], runs[-1:, 1]])], axis=1)
    total = int((runs[:, 1] - runs[:, 0]).sum())
    size = max(1, -(-total // max(1, _MOST_ROWS - len(runs))))
    rows = [[at, min(at + size, end)] for begin, end in runs.tolist() for at in range(begin, end, size)]
    return np.array(rows, np.int64)


def _cells(ranges: NDArray[np.int64], rows: NDArray[np.int64], columns: int) -> str:
    """How many ranges touch each cell."""
    if not len(rows):
        return ""
    first = np.searchsorted(rows[:, 1], ranges[:, 0], side="right")
    end = np.searchsorted(rows[:, 0], ranges[:, 1], side="left")
    some = first < end
    first, end, left, right = first[some], end[some], ranges[some, 2], ranges[some, 3] + 1
    width, size = columns + 1, (len(rows) + 1) * (columns + 1)
    edges = np.zeros(size, np.int64)
    for row, column, sign in ((first, left, 1), (end, left, -1), (first, right, -1), (end, right, 1)):
        edges += sign * np.bincount(row * width + column, minlength=size)
    corners = edges.reshape(-1, width)
    cells = corners.cumsum(axis=0).cumsum(axis=1)[:-1, :-1]
    return base64.b64encode(np.minimum(cells, 255).astype(np.uint8).tobytes()).decode()
