"""Page versions, tables and sets against plain models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdbg.checkpoints.interval_index import Interval, IntervalIndex
from rdbg.checkpoints.page_set import EMPTY, PageSet
from rdbg.checkpoints.page_store import PageStore
from rdbg.checkpoints.touched_pages import TouchedPages
from rdbg.checkpoints.wanted import Wanted
from rdbg.emu.machine_api import Access, Touched, Watch
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.store.index_codec import pack_index, unpack_index

PAGES = 200


def content(value: int) -> bytes:
    return value.to_bytes(8, "little") * (PAGE_SIZE // 8)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_tables_hold_what_was_put_and_nothing_leaks(data: st.DataObject) -> None:
    store = PageStore(PAGES)
    empty = store.bytes_used
    tables = [(store.zero_table(), dict[int, int]())]
    value = 0
    for _ in range(data.draw(st.integers(1, 25))):
        if len(tables) > 1 and data.draw(st.integers(0, 2)) == 0:
            table, _ = tables.pop(data.draw(st.integers(1, len(tables) - 1)))
            store.release(table)
            continue
        table, model = data.draw(st.sampled_from(tables))
        pages = sorted(data.draw(st.sets(st.integers(0, PAGES - 1), max_size=30)))
        values = {page: value + at + 1 for at, page in enumerate(pages)}
        value += len(pages)
        derived = store.derive(table, pages, b"".join(content(values[page]) for page in pages))
        tables.append((derived, model | values))
        for table, model in tables:
            known = sorted(model)
            assert store.read(table, known) == b"".join(content(model[page]) for page in known)
        (one, first), (other, second) = tables[-1], data.draw(st.sampled_from(tables))
        differing = [page for page in range(PAGES) if first.get(page) != second.get(page)]
        assert store.changed(one, other).tolist() == differing
    for table, _ in tables[1:]:
        store.release(table)
    assert store.bytes_used == empty


numbers = st.sets(st.integers(0, 120))
#: Where numbers begin: small, around the end of 32 bits, in the upper half of a 64-bit address space.
bases = st.sampled_from([0, (1 << 32) - 60, 0xFFFF_FFFF_8000_0000])


@given(numbers, numbers, st.integers(0, 125), st.integers(0, 10), bases, bases)
def test_page_sets_are_sets(one: set[int], other: set[int], first: int, more: int, base: int, other_base: int) -> None:
    one, other, first = {base + n for n in one}, {other_base + n for n in other}, base + first
    mine, theirs = PageSet.of(sorted(one)), PageSet.of(sorted(other))
    assert mine.pages() == sorted(one)
    assert mine.union(theirs).pages() == sorted(one | other)
    assert mine.meets(first, first + more) == any(first <= page <= first + more for page in one)


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 9)), max_size=40), st.integers(1, 12), bases)
def test_runs_and_coarser_sets(runs: list[tuple[int, int]], most: int, base: int) -> None:
    runs = [(base + start, length) for start, length in runs]
    first = np.array([start for start, _ in runs], np.uint64)
    exact = PageSet.of_runs(first, first + np.array([length for _, length in runs], np.uint64))
    assert set(exact.pages()) == {n for start, length in runs for n in range(start, start + length)}
    coarse = exact.coarsened(most)
    assert set(coarse.pages()) >= set(exact.pages())
    assert len(coarse.bounds) == min(len(exact.bounds), 2 * most)
    assert coarse.pages()[:1] == exact.pages()[:1] and coarse.pages()[-1:] == exact.pages()[-1:]


def touched(written: set[int]) -> TouchedPages:
    return TouchedPages(PageSet.of(sorted(written)), EMPTY, EMPTY, EMPTY)


@settings(deadline=None)
@given(st.data())
def test_the_index_never_rules_out_what_happened(data: st.DataObject) -> None:
    length, base = 60, data.draw(st.sampled_from([0, (1 << 52) - 6]))
    happened = data.draw(st.lists(st.integers(base, base + 5), min_size=length, max_size=length))
    index = IntervalIndex()
    covered: set[int] = set()
    for _ in range(data.draw(st.integers(1, 20))):
        start, end = sorted((data.draw(st.integers(0, length)), data.draw(st.integers(0, length))))
        if data.draw(st.integers(0, 3)) == 0:
            index.coarsen(data.draw(st.integers(1, 5)))
        else:
            index.record(start, end, touched(set(happened[start:end])), cut=data.draw(st.booleans()))
            covered |= set(range(start, end))
        intervals = list(index)
        assert all(one.end <= other.start for one, other in zip(intervals, intervals[1:], strict=False))
        assert {at for one in intervals for at in range(one.start, one.end)} == covered
        assert all(set(happened[one.start : one.end]) <= set(one.pages.written.pages()) for one in intervals)
        page = data.draw(st.integers(base, base + 5))
        wanted = Wanted(watches=(Watch(page << 12, 4, Access.WRITE),))
        low, high = sorted((data.draw(st.integers(0, length)), data.draw(st.integers(0, length))))
        possible = [at for at in range(low, high) if happened[at] == page or at not in covered]
        latest, earliest = index.latest_possible(low, high, wanted), index.earliest_possible(low, high, wanted)
        if possible:
            assert latest is not None and possible[-1] < latest <= high
            assert low <= earliest <= possible[0]


@pytest.mark.parametrize("base", [0, 0xFFFF_FFFF_8000_0])
def test_known_intervals_without_the_page_are_skipped(base: int) -> None:
    index = IntervalIndex()
    index.record(0, 10, touched({base + 1}))
    index.record(10, 20, touched({base + 2}))
    index.record(20, 30, touched({base + 3}))
    wanted = Wanted(watches=(Watch((base << 12) + 0x1FFE, 4, Access.WRITE),))
    assert index.latest_possible(0, 30, wanted) == 20
    assert index.latest_possible(20, 30, wanted) is None
    assert index.earliest_possible(20, 30, wanted) == 30
    index.coarsen(2)
    assert [(one.start, one.end) for one in index] == [(0, 20), (20, 30)]
    index.forget_after(15)
    assert list(index) == [Interval(0, 15, next(iter(index)).pages)]


def test_code_is_known_by_its_bytes_up_to_the_end_of_the_address_space() -> None:
    last = (1 << 64) - 2
    blocks = np.array([(0x1002, 6), (0xFFFF_FFFF_8000_0FFE, 4), (last, 2)], np.uint64)
    known = TouchedPages.of(Touched([], [], [], [], blocks))
    for address in (0x1002, 0x1004, 0x1006, 0xFFFF_FFFF_8000_0FFE, last):
        assert Wanted(frozenset({address})).possible_in(known)
    for address in (0x1000, 0x1008, 0xFFFF_FFFF_8000_1002, 0x8000_0FFE, last - 2):
        assert not Wanted(frozenset({address})).possible_in(known)
    # Where steps have several instructions, one may begin on the page before.
    assert Wanted(frozenset({0x1000}), reach=4).possible_in(TouchedPages.of(Touched([], [], [], [0])))
    assert not Wanted(frozenset({0x1000})).possible_in(TouchedPages.of(Touched([], [], [], [0])))
    whole = TouchedPages.of(Touched([], [], [], [(1 << 52) - 1]))
    assert Wanted(frozenset({last})).possible_in(whole)


@given(st.lists(st.tuples(bases, st.sets(st.integers(0, 120), min_size=1)), min_size=4, max_size=4))
def test_the_index_is_the_same_when_it_comes_from_a_file(sets: list[tuple[int, set[int]]]) -> None:
    pages = TouchedPages(*(PageSet.of(sorted(base + n for n in numbers)) for base, numbers in sets))
    (interval,) = unpack_index(pack_index([Interval(3, 9, pages)])).intervals
    assert (interval.start, interval.end) == (3, 9)
    for name in ("written", "read", "executed", "changed"):
        assert getattr(interval.pages, name).pages() == getattr(pages, name).pages()
