"""What searches learnt about a watched range is never more than they saw."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdbg.checkpoints.cleared import Cleared
from rdbg.checkpoints.interval_index import IntervalIndex
from rdbg.checkpoints.page_set import EMPTY, PageSet
from rdbg.checkpoints.touched_pages import TouchedPages
from rdbg.checkpoints.wanted import Wanted
from rdbg.emu.expression import Operation, Step
from rdbg.emu.machine_api import Access, Watch

LENGTH = 40
PAGES = [1, 0xF_FFFF_FFFF_FFFE]  # in an address space of 64 bits


def watches(page: int) -> list[Watch]:
    """Of words on a page."""
    return [Watch((page << 12) + 4 * n, 4, Access.WRITE) for n in range(3)]


def hot(page: int) -> TouchedPages:
    """What is touched where a page is written all the time."""
    return TouchedPages(PageSet.of([page]), EMPTY, EMPTY, EMPTY)


@settings(deadline=None)
@given(st.data(), st.sampled_from(PAGES))
def test_stretches_hold_no_access(data: st.DataObject, page: int) -> None:
    wrote = data.draw(st.lists(st.integers(0, 9), min_size=LENGTH, max_size=LENGTH))  # which watch is hit, or none
    index = IntervalIndex()
    for start in range(0, LENGTH, 8):
        index.record(start, start + 8, hot(page))
    for _ in range(data.draw(st.integers(1, 12))):
        chosen = data.draw(st.sets(st.sampled_from(range(3)), min_size=1))
        low, high = sorted((data.draw(st.integers(0, LENGTH)), data.draw(st.integers(0, LENGTH))))
        asked = tuple(watches(page)[n] for n in chosen)
        hits = [at for at in range(low, high) if wrote[at] in chosen]
        # As a search does: what lies behind the last hit is known then, and what it saw of it is noted.
        index.cleared.note(asked, hits[-1] + 1 if hits else low, high)
        low, high = sorted((data.draw(st.integers(0, LENGTH)), data.draw(st.integers(0, LENGTH))))
        hits = [at for at in range(low, high) if wrote[at] in chosen]
        latest = index.latest_possible(low, high, Wanted(watches=asked))
        earliest = index.earliest_possible(low, high, Wanted(watches=asked))
        assert low <= earliest <= high
        if hits:
            assert latest is not None and hits[-1] < latest <= high
            assert earliest <= hits[0]


@pytest.mark.parametrize("page", PAGES)
def test_a_second_look_is_spared(page: int) -> None:
    index = IntervalIndex()
    index.record(0, 100, hot(page))
    first, second, _ = watches(page)
    wanted = Wanted(watches=(first,))
    assert index.latest_possible(0, 100, wanted) == 100
    index.cleared.note([first], 30, 100)
    assert index.latest_possible(0, 100, wanted) == 30
    assert index.latest_possible(40, 90, wanted) is None
    assert index.earliest_possible(50, 100, wanted) == 100
    assert index.latest_possible(0, 100, Wanted(watches=(second,))) == 100
    assert index.latest_possible(0, 100, Wanted(watches=(first, second))) == 100
    index.forget_after(60)
    index.record(60, 100, hot(page))
    assert index.latest_possible(0, 100, wanted) == 100 and index.latest_possible(0, 60, wanted) == 30


def test_a_condition_is_tested_once_where_its_code_runs_all_the_time() -> None:
    index = IntervalIndex()
    index.record(0, 100, TouchedPages(EMPTY, EMPTY, PageSet.of([0x1000]), EMPTY))
    holds, other = (Step(Operation.CONSTANT, 0),), (Step(Operation.CONSTANT, 1),)
    wanted = Wanted(frozenset({0x1000}), conditions={0x1000: (holds,)})
    assert index.latest_possible(0, 100, wanted) == 100
    index.cleared.note(wanted.conditional, 30, 100)
    assert index.latest_possible(0, 100, wanted) == 30 and index.latest_possible(40, 90, wanted) is None
    assert index.earliest_possible(50, 100, wanted) == 100
    for asks_more in (
        Wanted(frozenset({0x1000})),
        Wanted(frozenset({0x1000}), conditions={0x1000: (other,)}),
        Wanted(frozenset({0x1000}), conditions={0x1000: (holds, other)}),
    ):
        assert index.latest_possible(0, 100, asks_more) == 100
    index.forget_searches(60)
    assert index.latest_possible(0, 100, wanted) == 100 and index.latest_possible(0, 60, wanted) == 30


def test_the_oldest_watch_is_forgotten() -> None:
    cleared = Cleared()
    for n in range(100):
        cleared.note([Watch(4 * n, 4, Access.READ)], 10, 20)
    assert cleared.begins([Watch(0, 4, Access.READ)], 20) == 20
    assert cleared.begins([Watch(4 * 99, 4, Access.READ)], 20) == 10
    assert cleared.ends([Watch(4 * 99, 4, Access.READ)], 10) == 20
