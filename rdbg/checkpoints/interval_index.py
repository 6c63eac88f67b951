"""Which pages and code were touched between two positions of a run: what lets a search skip most of the past."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from rdbg.checkpoints.accesses import Accesses
from rdbg.checkpoints.cleared import Cleared, Sought
from rdbg.checkpoints.page_set import PageSet
from rdbg.checkpoints.stored_words import WordFilters
from rdbg.checkpoints.touched_pages import TouchedPages
from rdbg.checkpoints.wanted import Wanted
from rdbg.emu.machine_api import Touched, Watch
from rdbg.quick_dataclass import dataclass

#: Intervals that an index has, and bytes that it takes, before neighbours are joined.
_MOST_INTERVALS = 4096
_MOST_BYTES = 16 << 20


@dataclass(frozen=True)
class Interval:
    """Positions from ``start`` up to (not including) ``end``, and what the instructions there touched."""

    start: int
    end: int
    pages: TouchedPages

    @property
    def nbytes(self) -> int:
        return self.pages.nbytes + 300


def _is_known(overlapping: Sequence[Interval], start: int, end: int, cut: bool) -> bool:
    """Whether one of the intervals that overlap [start, end) says of it all that `IntervalIndex.record` could."""
    if len(overlapping) != 1:
        return False
    only = overlapping[0]
    return only.start <= start and end <= only.end and not (cut and (only.start < start or end < only.end))


class IntervalIndex:
    """Disjoint intervals, sorted: what is known of the whole run, also after checkpoints in it were evicted.

    What is recorded may be a superset of the truth, never less, so it holds however intervals are cut or merged.
    Positions that no interval covers were never run in this session: anything may be there. When there are too many,
    neighbours are joined, so that their length grows with the distance from the end of the run.

    Args:
        most_intervals: bound on their number.
        most_bytes: bound on what they take.
    """

    def __init__(
        self, most_intervals: int = _MOST_INTERVALS, most_bytes: int = _MOST_BYTES, longest_step: int = 1
    ) -> None:
        self._intervals: list[Interval] = []
        self._starts: list[int] = []
        self._most_intervals = most_intervals
        self._most_bytes = most_bytes
        self._longest_step = longest_step
        self.nbytes = 0  #: bytes held, roughly
        self.cleared = Cleared()  #: what searches have learnt beyond that: where what they looked for is not,
        self.accesses = Accesses()  #: and where accesses are
        self.words = WordFilters()  #: which words of hot pages were stored to

    def __len__(self) -> int:
        return len(self._intervals)

    def __iter__(self) -> Iterator[Interval]:
        return iter(self._intervals)

    def between(self, start: int, end: int) -> Sequence[Interval]:
        """What is known of [start, end), in order."""
        low, high = self._overlapping(start, end)
        return self._intervals[low:high]

    def knows(self, start: int, end: int, cut: bool) -> bool:
        """Whether `record` of that run would change nothing: to put together what it touched is dear."""
        return start >= end or _is_known(self.between(start, end), start, end, cut)

    def record(self, start: int, end: int, pages: TouchedPages, cut: bool = True) -> None:
        """Note what a run from ``start`` to ``end`` touched.

        Args:
            start: icount at which the run, and tracking, began.
            end: icount at which it stood when the pages were asked for.
            pages: what it touched.
            cut: whether an interval that is known already and contains this one is cut to make room for the finer
                knowledge (there is a checkpoint at ``end``), or left as it is.
        """
        if start >= end:
            return
        low, high = self._overlapping(start, end)
        old = self._intervals[low:high]
        if _is_known(old, start, end, cut):
            return
        if not old:
            self._replace(low, high, [Interval(start, end, pages)])
            return
        if len(old) == 1 and old[0].start <= start and end <= old[0].end:
            only = old[0]
            parts = [
                Interval(only.start, start, only.pages),
                Interval(start, end, pages),
                Interval(end, only.end, only.pages),
            ]
            self._replace(low, high, [part for part in parts if part.start < part.end])
            return
        # Keep what is known, fill the gaps with the new.
        parts, at = [], start
        for interval in old:
            if at < interval.start:
                parts.append(Interval(at, interval.start, pages))
            parts.append(interval)
            at = interval.end
        if at < end:
            parts.append(Interval(at, end, pages))
        self._replace(low, high, parts)

    def record_late(self, position: int, touched: Touched) -> None:
        """Note pages that something else than the CPU accessed at a position at which an interval had ended: what led
        there led to it.

        Args:
            position: icount.
            touched: what the machine reports.
        """
        self.words.forget_step_to(position)
        low, high = self._overlapping(position - 1, position)
        for at in range(low, high):
            old = self._intervals[at]
            pages = replace(
                old.pages,
                written=old.pages.written.union(PageSet.of(touched.written_virtual_late)),
                read=old.pages.read.union(PageSet.of(touched.read_virtual_late)),
                changed=old.pages.changed.union(PageSet.of(np.asarray(touched.written_late, np.uint64))),
            )
            self._replace(at, at + 1, [replace(old, pages=pages)])

    def forget_searches(self, position: int) -> None:
        """What was learned by searching at positions from ``position`` on may not hold any more."""
        self.cleared.forget_after(position)
        self.accesses.forget_after(position)
        self.words.forget_after(position)

    def coarsen(self, most: int) -> None:
        """Join neighbours until there are at most about ``most`` intervals.

        Those go first that are short for their distance from the end.
        """
        starts = np.array(self._starts, np.float64)
        ends = np.array([interval.end for interval in self._intervals], np.float64)
        surplus = len(starts) - most
        if surplus <= 0:
            return
        length = (ends[1:] - starts[:-1]) / (ends[-1] - starts[1:])
        length[ends[:-1] != starts[1:]] = np.inf  # nothing is known of what lies between
        shortest = set(np.argsort(length, kind="stable")[: 2 * surplus].tolist())
        parts: list[Interval] = []
        joined = False  # no interval takes part twice: else the earliest would grow and grow
        for at, interval in enumerate(self._intervals):
            if surplus > 0 and not joined and at - 1 in shortest and parts[-1].end == interval.start:
                before = parts[-1]
                parts[-1] = Interval(before.start, interval.end, before.pages.union(interval.pages))
                surplus, joined = surplus - 1, True
            else:
                parts.append(interval)
                joined = False
        if len(parts) < len(self._intervals):
            self._replace(0, len(self._intervals), parts)

    def attach(self, intervals: Sequence[Interval]) -> None:
        """Take back what `forget_after` gave, in place of what is known of positions from there on."""
        if intervals:
            self.forget_after(intervals[0].start)
            self._replace(len(self._starts), len(self._starts), list(intervals))

    def forget_after(self, position: int) -> list[Interval]:
        """Drop, and give, what is known of positions from ``position`` on: the run went another way."""
        self.forget_searches(position)
        low = bisect_left(self._starts, position)
        dropped = self._intervals[low:]
        self._replace(low, len(self._starts), [])
        if low and self._intervals[low - 1].end > position:
            last = self._intervals[low - 1]
            self._replace(low - 1, low, [Interval(last.start, position, last.pages)])
            dropped.insert(0, Interval(position, last.end, last.pages))
        return dropped

    def latest_possible(self, low: int, high: int, wanted: Wanted) -> int | None:
        """Where to end a backward search.

        Returns:
            the end (at most ``high``) of the latest stretch of [low, high) in which a hit is possible, or None. A run
            that ends there has made the stretch's last step.
        """
        at = self._latest_possible(low, high, wanted)
        # What is known may begin inside a step, whose hit counts where it begins.
        return None if at is None else min(at + self._longest_step - 1, high)

    def _latest_possible(self, low: int, high: int, wanted: Wanted) -> int | None:
        first, last = self._overlapping(low, high)
        at = high
        begins: dict[Sought, int] = {}  # what was found out for a later interval often holds for many
        for interval in reversed(self._intervals[first:last]):
            if interval.end < at:
                return at
            sought = wanted.possible_in(interval.pages)
            if sought:
                for each in sought:
                    if not begins.get(each, at + 1) <= at:
                        begins[each] = self._begins(each, at)
                at = max(begins[each] for each in sought)
                if at > max(interval.start, low):
                    return at
            at = interval.start
        return at if at > low else None

    def earliest_possible(self, low: int, high: int, wanted: Wanted) -> int:
        """Where to start a forward search: the start (at least ``low``) of the first stretch of [low, high) in which a
        hit is possible, or ``high``.
        """
        first, last = self._overlapping(low, high)
        at = low
        ends: dict[Sought, int] = {}
        for interval in self._intervals[first:last]:
            if at < interval.start:
                return at
            sought = wanted.possible_in(interval.pages)
            if sought:
                for each in sought:
                    if not ends.get(each, at - 1) >= at:
                        ends[each] = self._ends(each, at)
                at = min(ends[each] for each in sought)
                if at < min(interval.end, high):
                    return at
            at = interval.end
        return min(at, high)

    def _begins(self, sought: Sought, position: int) -> int:
        """Since when, up to ``position``, nothing of this is to be found, by all that is known."""
        while True:
            at = self.cleared.begins((sought,), position)
            if isinstance(sought, Watch):
                at = self.words.begins(sought, at)
            if at == position:
                return at
            position = at

    def _ends(self, sought: Sought, position: int) -> int:
        """Until when, from ``position`` on, nothing of this is to be found, by all that is known."""
        while True:
            at = self.cleared.ends((sought,), position)
            if isinstance(sought, Watch):
                at = self.words.ends(sought, at)
            if at == position:
                return at
            position = at

    def _overlapping(self, start: int, end: int) -> tuple[int, int]:
        low = bisect_right(self._starts, start)
        if low and self._intervals[low - 1].end > start:
            low -= 1
        return low, bisect_left(self._starts, end, low)

    def _replace(self, low: int, high: int, parts: list[Interval]) -> None:
        self.nbytes += sum(part.nbytes for part in parts) - sum(part.nbytes for part in self._intervals[low:high])
        self._intervals[low:high] = parts
        self._starts[low:high] = [part.start for part in parts]
        if len(self._intervals) > self._most_intervals or self.nbytes > self._most_bytes:
            # In one go, so that it is rarely done.
            self.coarsen(min(self._most_intervals, len(self._intervals)) * 3 // 4)
