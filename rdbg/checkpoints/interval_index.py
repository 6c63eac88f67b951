"""Which pages and code were touched between two positions of a run: what lets a search skip most of the past."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rdbg.checkpoints.accesses import Accesses
from rdbg.checkpoints.cleared import Breakpoint, Cleared, Sought
from rdbg.checkpoints.page_set import Numbers, PageSet
from rdbg.checkpoints.stored_words import WordFilters
from rdbg.emu.machine_api import Access, Conditions, Space, Touched, Watch
from rdbg.quick_dataclass import dataclass

_PAGE_BITS = 12
_PAGE_BYTES = 1 << _PAGE_BITS
#: Runs of code that an interval may have, 8 or 16 bytes each. Beyond, the narrowest gaps between them are filled.
_MOST_RUNS = 512
_LAST_ADDRESS = (1 << 64) - 1
#: What is added to the number of a device's guest-physical page: there are no more pages of memory, and the sums of
#: 32-bit machines fit in 32 bits.
DEVICE_PAGES = 1 << 31
#: Intervals that an index has, and bytes that it takes, before neighbours are joined.
_MOST_INTERVALS = 4096
_MOST_BYTES = 16 << 20

_NO_CONDITIONS: Conditions = {}


@dataclass(frozen=True)
class TouchedPages:
    """What an interval touched, or a superset of it.

    Args:
        written, read: virtual page numbers, by which instructions accessed them, or which showed what something else
            accessed.
        changed: what was written, by whatever address: numbers of the machine's pages, and behind them (DEVICE_PAGES)
            guest-physical ones of devices.
        executed: bytes of instructions, by virtual address: a hot loop must not stand for all of its page.
    """

    written: PageSet
    read: PageSet
    executed: PageSet
    changed: PageSet

    @classmethod
    def of(cls, touched: Touched) -> TouchedPages:
        """From what the machine reports."""
        if touched.executed_blocks is None:
            executed = _bytes(np.asarray(touched.executed_virtual, np.uint64) * np.uint64(_PAGE_BYTES), _PAGE_BYTES)
        else:
            executed = _bytes(touched.executed_blocks[:, 0].astype(np.uint64), touched.executed_blocks[:, 1])
        devices = np.asarray(touched.written_devices, np.uint64) + np.uint64(DEVICE_PAGES)
        return cls(
            PageSet.of(touched.written_virtual),
            PageSet.of(touched.read_virtual),
            executed.coarsened(_MOST_RUNS),
            PageSet.of(np.concatenate([np.asarray(touched.written, np.uint64), devices])),
        )

    def union(self, other: TouchedPages) -> TouchedPages:
        """What both touched together."""
        return TouchedPages(
            self.written.union(other.written),
            self.read.union(other.read),
            self.executed.union(other.executed).coarsened(_MOST_RUNS),
            self.changed.union(other.changed),
        )

    @property
    def nbytes(self) -> int:
        return self.written.nbytes + self.read.nbytes + self.executed.nbytes + self.changed.nbytes


def _bytes(first: NDArray[np.uint64], length: Numbers | int) -> PageSet:
    """The addresses of pieces of code, which may reach to the end of a 64-bit address space."""
    end = first + np.asarray(length, np.uint64)
    return PageSet.of_runs(first, np.where(end < first, np.uint64(_LAST_ADDRESS), end))


class Wanted:
    """What a search is about, in the index's terms.

    Args:
        breakpoints: virtual addresses whose execution matters.
        watches: watched ranges.
        reach: how far behind a step's first instruction the last one can begin, in bytes.
        conditions: of breakpoints.
    """

    def __init__(
        self,
        breakpoints: frozenset[int] = frozenset(),
        watches: tuple[Watch, ...] = (),
        reach: int = 0,
        conditions: Conditions = _NO_CONDITIONS,
    ) -> None:
        # Near the start of a page the breakpoint may sit inside a step that begins, and where it stops, at the end of
        # the page before, perhaps in the interval before.
        self._executed = [
            (
                max(address - reach, 0) if address % _PAGE_BYTES < reach else address,
                address,
                Breakpoint(address, tuple(conditions.get(address, ()))),
            )
            for address in sorted(breakpoints)
        ]
        #: Those of the breakpoints that may be met all the time and seldom stop.
        self.conditional = tuple(each for _, _, each in self._executed if each.condition)
        self._watches = []
        for watch in watches:
            last = watch.address + watch.length - 1
            self._watches.append((watch, watch.address >> _PAGE_BITS, last >> _PAGE_BITS, _storage_pages(watch)))

    def __bool__(self) -> bool:
        return bool(self._executed or self._watches)

    def possible_in(self, pages: TouchedPages) -> list[Sought]:
        """All of which an interval that touched ``pages`` can hold a hit."""
        found: list[Sought] = []
        for first, last, each in self._executed:
            if pages.executed.meets(first, last):
                found.append(each)
        if self._watches:
            found += self.accessed_in(pages)
        return found

    def accessed_in(self, pages: TouchedPages) -> list[Watch]:
        """The watches of which an interval that touched ``pages`` can hold a hit."""
        found = []
        for watch, first, last, storage in self._watches:
            written = False
            if watch.storage:
                written = any(pages.changed.meets(*run) for run in storage)
                written = written or watch.commands and pages.written.meets(first, last)
            elif watch.access is not Access.READ:
                written = pages.written.meets(first, last)
            if written or (watch.access in (Access.READ, Access.ACCESS) and pages.read.meets(first, last)):
                found.append(watch)
        return found


def _storage_pages(watch: Watch) -> list[tuple[int, int]]:
    """First and last page of each stretch of a watch's storage, as in TouchedPages.changed."""
    base = {Space.MEMORY: 0, Space.DEVICE: DEVICE_PAGES}
    return [
        (
            base[extent.space] + (extent.address >> _PAGE_BITS),
            base[extent.space] + (extent.address + extent.length - 1 >> _PAGE_BITS),
        )
        for extent in watch.storage
    ]


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
