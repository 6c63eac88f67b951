"""What searches learnt about a watched range is never more than they saw."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rdbg.checkpoints.cleared import Cleared
from rdbg.checkpoints.interval_index import IntervalIndex, TouchedPages, Wanted
from rdbg.checkpoints.page_set import EMPTY, PageSet
from rdbg.emu.machine_api import Access, Watch

LENGTH = 40
WATCHES = [Watch(0x1000 + 4 * n, 4, Access.WRITE) for n in range(3)]
HOT = TouchedPages(PageSet.of([1]), EMPTY, EMPTY, EMPTY)


@settings(deadline=None)
@given(st.data())
def test_stretches_hold_no_access(data: st.DataObject) -> None:
    wrote = data.draw(st.lists(st.integers(0, 9), min_size=LENGTH, max_size=LENGTH))  # which watch is hit, or none
    index = IntervalIndex()
    for start in range(0, LENGTH, 8):
        index.record(start, start + 8, HOT)
    for _ in range(data.draw(st.integers(1, 12))):
        watches = data.draw(st.sets(st.sampled_from(range(3)), min_size=1))
        low, high = sorted((data.draw(st.integers(0, LENGTH)), data.draw(st.integers(0, LENGTH))))
        asked = tuple(WATCHES[n] for n in watches)
        hits = [at for at in range(low, high) if wrote[at] in watches]
        # As a search does: what lies behind the last hit is known then, and what it saw of it is noted.
        index.cleared.note(asked, hits[-1] + 1 if hits else low, high)
        low, high = sorted((data.draw(st.integers(0, LENGTH)), data.draw(st.integers(0, LENGTH))))
        hits = [at for at in range(low, high) if wrote[at] in watches]
        latest = index.latest_possible(low, high, Wanted(watches=asked))
        earliest = index.earliest_possible(low, high, Wanted(watches=asked))
        assert low <= earliest <= high
        if hits:
            assert latest is not None and hits[-1] < latest <= high
            assert earliest <= hits[0]


def test_a_second_look_is_spared() -> None:
    index = IntervalIndex()
    index.record(0, 100, HOT)
    wanted = Wanted(watches=(WATCHES[0],))
    assert index.latest_possible(0, 100, wanted) == 100
    index.cleared.note([WATCHES[0]], 30, 100)
    assert index.latest_possible(0, 100, wanted) == 30
    assert index.latest_possible(40, 90, wanted) is None
    assert index.earliest_possible(50, 100, wanted) == 100
    assert index.latest_possible(0, 100, Wanted(watches=(WATCHES[1],))) == 100
    assert index.latest_possible(0, 100, Wanted(watches=(WATCHES[0], WATCHES[1]))) == 100
    index.forget_after(60)
    index.record(60, 100, HOT)
    assert index.latest_possible(0, 100, wanted) == 100 and index.latest_possible(0, 60, wanted) == 30


def test_the_oldest_watch_is_forgotten() -> None:
    cleared = Cleared()
    for n in range(100):
        cleared.note([Watch(4 * n, 4, Access.READ)], 10, 20)
    assert cleared.begins([Watch(0, 4, Access.READ)], 20) == 20
    assert cleared.begins([Watch(4 * 99, 4, Access.READ)], 20) == 10
    assert cleared.ends([Watch(4 * 99, 4, Access.READ)], 10) == 20
