"""Pages that so many stretches of the run write to that the index tells little about a word in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from rdbg.checkpoints.interval_index import Interval
from rdbg.checkpoints.page_set import EMPTY, PageSet
from rdbg.checkpoints.touched_pages import DEVICE_PAGES
from rdbg.emu.architecture import AddressSegment
from rdbg.emu.memory_map import PAGE_SIZE


class HotPages(NamedTuple):
    """Pages.

    Args:
        virtual: virtual ones that a TLB translates: elsewhere watches are for the memory behind the addresses.
        memory: the machine's.
    """

    virtual: PageSet = EMPTY
    memory: PageSet = EMPTY

    @property
    def empty(self) -> bool:
        """Whether there are none."""
        return not len(self.virtual.bounds) and not len(self.memory.bounds)

    def written_in(self, interval: Interval) -> bool:
        """Whether an interval of the index may have written to one."""
        return any(
            written.meets(page, page)
            for pages, written in ((self.virtual, interval.pages.written), (self.memory, interval.pages.changed))
            for page in pages.pages()
        )


def hot_pages(intervals: Sequence[Interval], least: int, most: int, segments: Sequence[AddressSegment]) -> HotPages:
    """The pages for which a search of the whole run would have to replay most.

    Args:
        intervals: of the index.
        least: instructions that the intervals which write to a page have together, at least.
        most: how many pages of either kind.
        segments: addresses that no TLB translates.
    """
    fixed = PageSet.of_runs(
        np.array([each.start // PAGE_SIZE for each in segments], np.uint64),
        np.array([(each.start + each.length) // PAGE_SIZE for each in segments], np.uint64),
    )
    virtual = _most_written([(each.pages.written, each.end - each.start) for each in intervals], least, most, fixed)
    devices = PageSet(np.array([DEVICE_PAGES, 1 << 63], np.uint64))
    memory = _most_written([(each.pages.changed, each.end - each.start) for each in intervals], least, most, devices)
    return HotPages(virtual, memory)


def _most_written(written: Iterable[tuple[PageSet, int]], least: int, most: int, but: PageSet) -> PageSet:
    """The pages with the longest stretches that write to them, as a set."""
    bounds: list[np.ndarray[tuple[int, ...], np.dtype[np.uint64]]] = []
    lengths: list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = []
    for pages, length in written:
        bounds.append(pages.bounds.astype(np.uint64))
        lengths.append(np.tile([float(length), -float(length)], len(pages.bounds) // 2))
    if not bounds:
        return EMPTY
    at, change = np.concatenate(bounds), np.concatenate(lengths)
    order = np.argsort(at, kind="stable")
    at, total = at[order], np.cumsum(change[order])  # from each boundary on
    found: list[int] = []
    for n in np.argsort(-total, kind="stable"):
        if total[n] < max(least, 1) or len(found) >= most:
            break
        for page in range(int(at[n]), int(at[n + 1])):
            if len(found) < most and not but.meets(page, page):
                found.append(page)
    return PageSet.of(sorted(found))
