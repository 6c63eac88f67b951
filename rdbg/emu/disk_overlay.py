"""What a run has written to its disks: pages of the machine, so checkpoints, snapshots and branches have them.

Pages are taken one after another as the guest writes, so what counts is how much was written, not how large a disk is.
Which page holds which page of a disk stands in pages too: page 0 has, in 32-bit words, how many pages are in use and
the root of each disk's tree; a tree has two levels of nodes of 1,024 page numbers each above the leaves, which name the
pages of contents. 0 is none. So the same writes always give the same pages.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from rdbg.emu.host_memory import host_memory
from rdbg.emu.machine_api import Numbers, PageRows
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.errors import RdbgError

_ENTRIES = PAGE_SIZE // 4
_BITS = 10
#: Disks that page 0 has room for.
MOST_DISKS = _ENTRIES - 1
#: Pages that a disk can have: 4 TiB.
MOST_DISK_PAGES = 1 << 3 * _BITS
#: Pages that all disks together can have written: 32 GiB.
MOST_WRITTEN = 1 << 23
_CHUNK_PAGES = 1024
_CHUNK_BITS = 10
_WORD = struct.Struct("<I")

_Chunk = NDArray[np.uint8]


class DiskOverlay:
    """The pages of one machine that hold what was written to its disks, numbered from 0."""

    def __init__(self) -> None:
        self._chunks: dict[int, _Chunk] = {}  # those that were ever touched; the others are zeros
        self._touched: set[int] = set()
        self._stale: set[int] = set()

    # --- by disk --------------------------------------------------------------------------------

    def find(self, disk: int, page: int) -> int | None:
        """The page that holds a page of a disk; None: it was not written.

        Args:
            disk: its number.
            page: number of the page on the disk.
        """
        return self.find_all(disk, page, 1)[0] or None

    def find_all(self, disk: int, page: int, count: int) -> list[int]:
        """The pages that hold ``count`` pages of a disk from ``page`` on; 0: that one was not written."""
        found: list[int] = []
        while count:
            node = 0
            for _, entry in _way(disk, page)[:-1]:
                node = self._word(node, entry)
                if not node:
                    break
            entry = page & (_ENTRIES - 1)
            here = min(count, _ENTRIES - entry)
            found += self._words(node, entry, here) if node else [0] * here
            page, count = page + here, count - here
        return found

    def check_room(self, disk: int, pages: Iterable[int]) -> None:
        """See that `make` can make all of these pages of a disk. Changes nothing.

        Raises:
            RdbgError: more has been written than can be kept, or the trees are damaged: they came from a file.
        """
        missing: set[tuple[int, int]] = set()  # level above the pages of contents, and the number there
        for page in pages:
            node: int | None = 0
            for shift, entry in _way(disk, page):
                node = node if node is None else self._below(node, entry) or None
                if node is None:
                    missing.add((shift, page >> shift))
        if max(1, self._word(0, 0)) + len(missing) > MOST_WRITTEN:
            raise RdbgError(f"the guest has written more than {MOST_WRITTEN * PAGE_SIZE >> 30} GiB to its disks")

    def make(self, disk: int, page: int) -> int:
        """The page that holds a page of a disk, to be filled by `fill` if it is new. `check_room` was asked before.

        Raises:
            RdbgError: the trees are so damaged that what was written since has changed them.
        """
        node = 0
        for _, entry in _way(disk, page):
            below = self._below(node, entry)
            if not below:
                below = max(1, self._word(0, 0))
                self._set_word(0, 0, below + 1)
                self._set_word(node, entry, below)
            node = below
        return node

    def _below(self, node: int, entry: int) -> int:
        """The page that an entry of a tree leads to; 0: none.

        Raises:
            RdbgError: there cannot be one.
        """
        below = self._word(node, entry)
        if below >= MOST_WRITTEN:
            raise RdbgError(f"what the guest wrote is kept in {MOST_WRITTEN} pages, and one is said to be {below}")
        return below

    def content(self, page: int, start: int = 0, end: int = PAGE_SIZE) -> bytes:
        """Bytes of a page."""
        chunk = self._chunks.get(page >> _CHUNK_BITS)
        return bytes(end - start) if chunk is None else chunk[page & (_CHUNK_PAGES - 1), start:end].tobytes()

    def fill(self, page: int, start: int, data: bytes) -> None:
        """The guest changes bytes of a page."""
        row = self._chunk(page)[page & (_CHUNK_PAGES - 1)]
        row[start : start + len(data)] = np.frombuffer(data, np.uint8)
        self._touched.add(page)
        self._stale.add(page)

    # --- as the machine's pages -----------------------------------------------------------------

    def take_touched(self) -> NDArray[np.uint32]:
        """Pages written since the last call, sorted."""
        taken, self._touched = self._touched, set()
        return np.array(sorted(taken), np.uint32)

    def take_stale(self) -> list[int]:
        """Pages whose content changed in any way since the last call."""
        taken, self._stale = self._stale, set()
        return sorted(taken)

    def nonzero_pages(self) -> NDArray[np.uint32]:
        """Pages that hold anything but zeros, sorted."""
        found = [np.flatnonzero(chunk.any(axis=1)) + (at << _CHUNK_BITS) for at, chunk in sorted(self._chunks.items())]
        return np.concatenate(found).astype(np.uint32) if found else np.zeros(0, np.uint32)

    def copy_pages(self, pages: Numbers, out: PageRows, rows: Numbers) -> None:
        """Copy each page to a row of ``out``."""
        for at, mine, places in _by_chunk(pages):
            chunk = self._chunks.get(at)
            out[rows[mine]] = 0 if chunk is None else chunk[places]

    def put_pages(self, pages: Numbers, source: PageRows, rows: Numbers) -> None:
        """Put each page back from a row of ``source``: not a guest's write."""
        for at, mine, places in _by_chunk(pages):
            if at in self._chunks or source[rows[mine]].any():
                self._chunk(at << _CHUNK_BITS)[places] = source[rows[mine]]
        self._stale.update(np.asarray(pages).tolist())

    def _chunk(self, page: int) -> _Chunk:
        found = self._chunks.get(page >> _CHUNK_BITS)
        if found is None:
            memory = host_memory(_CHUNK_PAGES * PAGE_SIZE)
            found = np.frombuffer(memory, np.uint8).reshape(_CHUNK_PAGES, PAGE_SIZE)
            self._chunks[page >> _CHUNK_BITS] = found
        return found

    def _word(self, page: int, entry: int) -> int:
        chunk = self._chunks.get(page >> _CHUNK_BITS)
        if chunk is None:
            return 0
        found: int = _WORD.unpack_from(chunk.data, ((page & (_CHUNK_PAGES - 1)) * _ENTRIES + entry) * 4)[0]
        return found

    def _words(self, page: int, entry: int, count: int) -> list[int]:
        """Several, of one page."""
        chunk = self._chunks.get(page >> _CHUNK_BITS)
        if chunk is None:
            return [0] * count
        words: list[int] = chunk[page & (_CHUNK_PAGES - 1)].view("<u4")[entry : entry + count].tolist()
        return words

    def _set_word(self, page: int, entry: int, value: int) -> None:
        self.fill(page, entry * 4, _WORD.pack(value))


def _way(disk: int, page: int) -> tuple[tuple[int, int], ...]:
    """From page 0 down to a page of contents: how many bits of the disk's page number are left out of what each node
    stands for, and the entry that leads to it."""
    upper = ((shift, page >> shift & (_ENTRIES - 1)) for shift in (2 * _BITS, _BITS, 0))
    return (3 * _BITS, 1 + disk), *upper


def _by_chunk(pages: Numbers) -> list[tuple[int, NDArray[np.intp], NDArray[np.intp]]]:
    """Each chunk that some of the pages are in, where these stand in ``pages``, and their places in the chunk."""
    numbers = np.asarray(pages, np.int64)
    chunks = numbers >> _CHUNK_BITS
    found = []
    for at in sorted(set(chunks.tolist())):
        mine = np.flatnonzero(chunks == at)
        found.append((at, mine, (numbers[mine] & (_CHUNK_PAGES - 1)).astype(np.intp)))
    return found
