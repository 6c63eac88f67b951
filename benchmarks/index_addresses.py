"""What the width of addresses costs the interval index: bytes in memory and on disk, and the time of a search.

A run of a real guest fills an index. The same intervals are measured again with every virtual address moved to the top
of a 64-bit address space, where a number takes 8 bytes instead of 4.

Run from the repository: python -m benchmarks.index_addresses
"""

from __future__ import annotations

import time

import numpy as np

from rdbg.checkpoints.interval_index import Interval, IntervalIndex
from rdbg.checkpoints.page_set import EMPTY, PageSet
from rdbg.checkpoints.touched_pages import TouchedPages
from rdbg.checkpoints.wanted import Wanted
from rdbg.emu.machine import Machine
from rdbg.history.history import History
from rdbg.store.index_codec import pack_index
from rdbg.timeline import Pace, StopConditions, Timeline
from tests.timeline.test_digest_property import busy_spec

_INSTRUCTIONS = 20_000_000
_PACE = Pace(slice=5_000, spacing=20_000)
_TOP = 0xFFFF_FFFF_0000_0000
_TURNS = 9


def _moved(pages: PageSet, by: int) -> PageSet:
    return PageSet(pages.bounds.astype(np.uint64) + np.uint64(by)) if len(pages.bounds) else pages


def _widened(interval: Interval) -> Interval:
    pages = interval.pages
    moved = TouchedPages(
        _moved(pages.written, _TOP >> 12), _moved(pages.read, _TOP >> 12), _moved(pages.executed, _TOP), pages.changed
    )
    return Interval(interval.start, interval.end, moved)


def _filled(intervals: list[Interval]) -> IntervalIndex:
    index = IntervalIndex(most_intervals=1 << 20, most_bytes=1 << 30)
    index.attach(intervals)
    return index


def _never_executed(intervals: list[Interval]) -> int:
    """An address among the code that no interval has."""
    executed = EMPTY
    for interval in intervals:
        executed = executed.union(interval.pages.executed)
    return int(executed.bounds[1])


def _search_seconds(index: IntervalIndex, wanted: Wanted) -> float:
    """The median of searches through all of the run that find nothing."""
    end = max(interval.end for interval in index)
    taken = []
    for _ in range(_TURNS):
        began = time.perf_counter()
        assert index.latest_possible(0, end, wanted) is None
        taken.append(time.perf_counter() - began)
    return sorted(taken)[_TURNS // 2]


def main() -> None:
    """Measure and print."""
    timeline = Timeline(Machine(busy_spec()), History.live_run(), pace=_PACE)
    timeline.run(StopConditions(), lambda: timeline.position >= _INSTRUCTIONS)
    intervals = list(timeline._keeper.index)
    never = _never_executed(intervals)
    print(f"{len(intervals)} intervals of {timeline.position} instructions")
    for name, those, top in (("32 bits", intervals, 0), ("64 bits", [*map(_widened, intervals)], _TOP)):
        index = _filled(those)
        seconds = _search_seconds(index, Wanted(frozenset({never + top})))
        sets = sum(interval.pages.nbytes for interval in those)
        print(f"{name}: {sets} bytes of sets, {index.nbytes} with the rest, {len(pack_index(those))} on disk, "
              f"{seconds * 1e9 / len(those):.0f} ns per interval of a search")  # fmt: skip


if __name__ == "__main__":
    main()
