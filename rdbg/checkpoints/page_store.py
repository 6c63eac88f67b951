"""Page contents in memory, each version of a page stored once, and the tables that name versions.

A *version* is one content of one page; version 0 is the page of zeros. A *table* maps every page of the machine to a
version. Tables share leaves of 64 entries, so a checkpoint that differs in 200 pages costs 200 pages, at most 200
leaves of 256 bytes, and one array of leaf numbers, up to the last page that was ever written. Both versions and leaves
are counted and freed with their last user.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rdbg.emu.host_memory import host_memory
from rdbg.emu.memory_map import PAGE_SIZE

#: Small enough that a scattered write copies little, large enough that 128 MB needs only 512 leaves.
LEAF_ENTRIES = 64
_LEAF_BITS = 6
#: Contents grow by 4 MB at a time: large copies stay few, a small guest stays small.
_CHUNK_PAGES = 1024
_CHUNK_BITS = 10
_IN_CHUNK = np.uint32(_CHUNK_PAGES - 1)

#: Pages that are handed on at a time: 1 MB.
_BATCH = 256

Indices = NDArray[np.uint32]
Number = TypeVar("Number", bound=np.generic)

#: Copies between pages of a machine and an array's rows: page numbers, the array, the row of each page.
Copier = Callable[[Indices, NDArray[np.uint8], Indices], None]

_ZEROS: NDArray[np.uint8] = np.zeros((1, PAGE_SIZE), np.uint8)


def distinct(numbers: NDArray[Number]) -> NDArray[Number]:
    """The numbers sorted, each once. (The first call of np.unique loads a part of numpy that takes as long to load as
    the rest of it together: felt when a recording is opened.)"""
    ordered = np.sort(numbers)
    first = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


class _Slots:
    """Counted slot numbers 1, 2, ... (0 is the shared, never freed one), reused after they are freed."""

    def __init__(self) -> None:
        self.references: NDArray[np.int32] = np.zeros(1, np.int32)
        self._free: Indices = np.zeros(0, np.uint32)
        self._free_count = 0

    @property
    def capacity(self) -> int:
        return len(self.references)

    @property
    def used(self) -> int:
        return self.capacity - self._free_count

    def allocate(self, count: int) -> Indices:
        """Take ``count`` slots, growing when needed; their reference counts are 0."""
        if self._free_count < count:
            self._grow(max(count - self._free_count, self.capacity, _CHUNK_PAGES))
        self._free_count -= count
        taken: Indices = self._free[self._free_count : self._free_count + count][::-1].copy()
        return taken

    def _grow(self, by: int) -> None:
        old = self.capacity
        self.references = np.concatenate([self.references, np.zeros(by, np.int32)])
        free = np.zeros(self.capacity, np.uint32)
        # Descending below the slots freed earlier, so that these are reused first and new ones come in order.
        free[:by] = np.arange(old + by - 1, old - 1, -1, dtype=np.uint32)
        free[by : by + self._free_count] = self._free[: self._free_count]
        self._free, self._free_count = free, self._free_count + by

    def retain(self, slots: Indices) -> None:
        """One more user for each slot (each given once, but for 0)."""
        self.references[slots] += 1

    def release(self, slots: Indices) -> Indices:
        """One user less for each slot; returns those that are free now."""
        slots = slots[slots != 0]
        self.references[slots] -= 1
        gone: Indices = slots[self.references[slots] == 0]
        self._free[self._free_count : self._free_count + len(gone)] = gone
        self._free_count += len(gone)
        return gone


class PageTable:
    """Which version each page has: leaf numbers, one for 64 pages; past the last leaf all pages are zeros. Immutable;
    belongs to one PageStore."""

    __slots__ = ("leaves",)

    def __init__(self, leaves: Indices) -> None:
        self.leaves = leaves


def _lengthened(leaves: Indices, length: int) -> Indices:
    """A copy, with 0 for more leaves if there are fewer than ``length``."""
    longer: Indices = np.zeros(max(length, len(leaves)), np.uint32)
    longer[: len(leaves)] = leaves
    return longer


class PageStore:
    """All page versions that live tables refer to.

    Args:
        page_count: pages of the machine, numbered from 0.
    """

    def __init__(self, page_count: int) -> None:
        self.page_count = page_count
        self._versions = _Slots()
        self._leaf_slots = _Slots()
        self._leaves: NDArray[np.uint32] = np.zeros((1, LEAF_ENTRIES), np.uint32)
        self._chunks: list[NDArray[np.uint8]] = []

    @property
    def bytes_used(self) -> int:
        """Bytes of contents and leaves that are referred to."""
        return (self._versions.used - 1) * PAGE_SIZE + self._leaf_slots.used * LEAF_ENTRIES * 4

    def zero_table(self) -> PageTable:
        """The table in which every page is zeros."""
        return PageTable(np.zeros(0, np.uint32))

    def retain(self, table: PageTable) -> PageTable:
        """Count one more user of a table."""
        self._leaf_slots.retain(table.leaves)
        return table

    def release(self, table: PageTable) -> None:
        """Give a table up; what only it used is freed."""
        gone = self._leaf_slots.release(table.leaves)
        if len(gone):
            self._versions.release(self._leaves[gone].ravel())

    def held_alone(self, table: PageTable) -> int:
        """Bytes that releasing a table would free."""
        leaves = table.leaves[(table.leaves != 0) & (self._leaf_slots.references[table.leaves] == 1)]
        versions = self._leaves[leaves]
        alone = np.count_nonzero((versions != 0) & (self._versions.references[versions] == 1))
        return len(leaves) * LEAF_ENTRIES * 4 + int(alone) * PAGE_SIZE

    def derive(self, table: PageTable, pages: Sequence[int] | Indices, data: bytes | Copier) -> PageTable:
        """A new table: ``table`` with ``pages`` changed.

        Args:
            table: the table to start from.
            pages: sorted, each once.
            data: their bytes in that order, or a function that copies them to where they are kept: copying once
                instead of three times is what makes a checkpoint of many pages cheap.
        """
        numbers = np.asarray(pages, np.uint32)
        if len(numbers) == 0:
            return self.retain(PageTable(table.leaves.copy()))
        top = _lengthened(table.leaves, (int(numbers[-1]) >> _LEAF_BITS) + 1)
        versions = self._versions.allocate(len(numbers))
        if isinstance(data, bytes):
            contents = np.frombuffer(data, np.uint8).reshape(-1, PAGE_SIZE)
            self._put(versions, lambda places, chunk, rows: chunk.__setitem__(rows, contents[places]), None)
        else:
            self._put(versions, data, numbers)
        places = distinct(numbers >> _LEAF_BITS)
        fresh = self._leaf_slots.allocate(len(places))
        if self._leaf_slots.capacity > len(self._leaves):
            grown = np.zeros((self._leaf_slots.capacity, LEAF_ENTRIES), np.uint32)
            grown[: len(self._leaves)] = self._leaves
            self._leaves = grown
        self._leaves[fresh] = self._leaves[top[places]]
        top[places] = fresh
        self._leaves[top[numbers >> _LEAF_BITS], numbers & (LEAF_ENTRIES - 1)] = versions
        # A version belongs to one page, so within one table only version 0 can occur twice: plain += is right.
        self._versions.retain(self._leaves[fresh].ravel())
        return self.retain(PageTable(top))

    def changed(self, old: PageTable, new: PageTable) -> Indices:
        """Pages whose versions differ between two tables, sorted."""
        before, after = old.leaves, new.leaves
        if len(before) != len(after):
            length = max(len(before), len(after))
            before, after = _lengthened(before, length), _lengthened(after, length)
        places = np.flatnonzero(before != after)
        if len(places) == 0:
            return np.zeros(0, np.uint32)
        rows, columns = np.nonzero(self._leaves[before[places]] != self._leaves[after[places]])
        return ((places[rows] << _LEAF_BITS) + columns).astype(np.uint32)

    def versions(self, table: PageTable) -> Indices:
        """The version of every page up to the last that is not zeros, or more: equal numbers, equal contents."""
        versions: Indices = self._leaves[table.leaves].ravel()
        return versions

    def read(self, table: PageTable, pages: Sequence[int] | Indices) -> bytes:
        """The bytes that ``pages`` have in ``table``, one after another."""
        numbers = np.asarray(pages, np.uint32)
        versions = self._versions_of(table, numbers)
        out = np.zeros((len(numbers), PAGE_SIZE), np.uint8)
        chunk_of = versions >> _CHUNK_BITS
        for chunk in distinct(chunk_of[versions != 0]):
            rows = np.flatnonzero((chunk_of == chunk) & (versions != 0))
            out[rows] = self._chunks[chunk][versions[rows] & (_CHUNK_PAGES - 1)]
        return out.tobytes()

    def write_to(self, put: Copier, table: PageTable, pages: Indices) -> None:
        """Hand out the contents that ``pages`` have in ``table``.

        Args:
            put: given some of the pages, an array, and the row in it of each of them.
            table: a table of this store.
            pages: each once.
        """
        versions = self._versions_of(table, pages)
        zeros = pages[versions == 0]
        if len(zeros):
            put(zeros, _ZEROS, np.zeros(len(zeros), np.uint32))
        chunk_of = versions >> _CHUNK_BITS
        for chunk in distinct(chunk_of[versions != 0]):
            mine = np.flatnonzero((chunk_of == chunk) & (versions != 0))
            rows: Indices = versions[mine] & _IN_CHUNK
            put(pages[mine], self._chunks[chunk], rows)

    def contents(self, table: PageTable, pages: Indices) -> Iterator[tuple[int, bytes]]:
        """(number, bytes) of ``pages`` in ``table``. For a retained table also in another thread."""
        for at in range(0, len(pages), _BATCH):
            batch = pages[at : at + _BATCH]
            data = self.read(table, batch)
            for index, number in enumerate(batch.tolist()):
                yield number, data[index * PAGE_SIZE : (index + 1) * PAGE_SIZE]

    def _versions_of(self, table: PageTable, pages: Indices) -> Indices:
        leaves = table.leaves
        if len(pages) and int(pages.max()) >> _LEAF_BITS >= len(leaves):
            leaves = _lengthened(leaves, (int(pages.max()) >> _LEAF_BITS) + 1)
        versions: Indices = self._leaves[leaves[pages >> _LEAF_BITS], pages & (LEAF_ENTRIES - 1)]
        return versions

    def _put(self, versions: Indices, copy: Copier, pages: Indices | None) -> None:
        """Fill versions. ``copy`` is given numbers in ``pages`` or, without these, places in ``versions``."""
        chunk_of = versions >> _CHUNK_BITS
        while len(self._chunks) <= int(chunk_of.max()):
            memory = host_memory(_CHUNK_PAGES * PAGE_SIZE)
            self._chunks.append(np.frombuffer(memory, np.uint8).reshape(_CHUNK_PAGES, PAGE_SIZE))
        for chunk in distinct(chunk_of):
            mine = np.flatnonzero(chunk_of == chunk)
            numbers = mine.astype(np.uint32) if pages is None else pages[mine]
            rows: Indices = versions[mine] & _IN_CHUNK
            copy(numbers, self._chunks[chunk], rows)
