"""A snapshot as the store lists it and gives it back."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rdbg.emu.machine_api import MachineState
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.output_mark import OutputMark
from rdbg.emu.state_digest import StateDigest
from rdbg.errors import RdbgError, UsageError
from rdbg.journal.output_marks import build_mark, parse_mark
from rdbg.quick_dataclass import dataclass

PAGE_DIGEST_SIZE = 16
LONGEST_NAME = 255
#: Pages read and looked up at a time.
BATCH = 256
ZERO_PAGE = bytes(PAGE_SIZE)
NO_OUTPUT = OutputMark()
_NO_MARK = build_mark(NO_OUTPUT)

Numbers = NDArray[np.uint32]
Table = NDArray[np.uint32]  # index: page of the machine; value: row of the store's pages, 0 for the page of zeros


@dataclass(frozen=True)
class SnapshotInfo:
    """A snapshot in the list.

    Args:
        id: its row, never used again for another.
        name: empty for a periodic one.
        icount: the moment.
        virtual_ns: virtual time of that moment.
        created: host time, seconds since 1970-01-01 UTC.
        digest: the machine's digest; without it a state is not restored.
        size: bytes of state and page contents before compression and sharing.
        initial: the one that the recording starts from; it cannot be deleted.
        entered: how many of the inputs at ``icount`` are in it.
        mark: how far the guest's output had come, as bytes.
    """

    id: int
    name: str
    icount: int
    virtual_ns: int
    created: int
    digest: bytes
    size: int
    initial: bool
    entered: int = 0
    mark: bytes = _NO_MARK

    @functools.cached_property
    def output(self) -> OutputMark:
        """How far the guest's output had come. (Of hundreds in a list, few are asked.)

        Raises:
            RdbgError: the entry is damaged.
        """
        try:
            return parse_mark(self.mark)
        except RdbgError as error:
            raise RdbgError(f"the entry of snapshot number {self.id} is damaged: {error}") from error

    @property
    def position(self) -> int:
        """The moment, as a checkpoint says it."""
        return self.icount

    def check(self, digest: bytes) -> None:
        """Compare with the digest of a machine that this state was put into.

        Raises:
            RdbgError: it is not the state that was saved.
        """
        if digest != self.digest:
            name = f"snapshot '{self.name}'" if self.name else f"the snapshot at icount {self.icount}"
            cure = "take a good copy" if self.initial else "delete it" if self.name else "it is of no use"
            raise RdbgError(f"{name} is not the state that was saved: its digest differs; {cure}")

    @property
    def periodic(self) -> bool:
        """Made by itself, without a name; thinned out with age."""
        return not self.name


class StoredSnapshot:
    """A snapshot being loaded. Its pages are read when asked for.

    Args:
        info: which one.
        state: the machine's state but for its pages.
        table: the rows of its pages. A row's number is never used for another content.
        fetch: gives the contents of rows; its second argument: whether each is compared with its digest.
    """

    def __init__(
        self,
        info: SnapshotInfo,
        state: MachineState,
        table: Table,
        fetch: Callable[[Sequence[int], bool], dict[int, bytes]],
    ) -> None:
        self.info = info
        self.state = state
        self.table = table
        self._fetch = fetch

    @property
    def page_numbers(self) -> NDArray[np.uint32]:
        """Numbers of the pages that are not zero, ascending."""
        return np.flatnonzero(self.table).astype(np.uint32)

    def pages(self, numbers: Sequence[int] | NDArray[np.uint32] | None = None) -> Iterator[tuple[int, bytes]]:
        """(number, 4096 bytes) of these pages, in the order given; by default of all that are not zero.

        Raises:
            RdbgError: a page is missing or damaged in the store.
        """
        yield from self._pages(self.page_numbers if numbers is None else numbers, True)

    def read_difference(self, numbers: Numbers, digests: StateDigest) -> tuple[bytes, StateDigest]:
        """The contents of the pages that differ from those of another state, one after another, and the digests of all
        its pages. All of it is what was saved: the digests tell, so that each page is hashed once.

        Args:
            numbers: of the pages that differ.
            digests: of the other state's pages; they stay as they are.

        Raises:
            RdbgError: a page is missing, or something is damaged; where it is a page's content, the line says so.
        """
        digests, contents = digests.copy(), []
        for page, content in self._pages(numbers, False):
            digests.put(page, content)
            contents.append(content)
        digest = digests.of(self.state)
        if digest != self.info.digest:
            for _ in self.pages():
                pass
            self.info.check(digest)
        return b"".join(contents), digests

    def check_rows(self, whole: set[int]) -> None:
        """Read the pages, but for those that were found whole before.

        Args:
            whole: rows of the store's pages; what is read is added.

        Raises:
            RdbgError: a page is missing or damaged in the store.
        """
        rows = sorted(set(self.table[self.table != 0].tolist()) - whole)
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            self._fetch(batch, True)
            whole.update(batch)

    def _pages(self, numbers: Sequence[int] | NDArray[np.uint32], checked: bool) -> Iterator[tuple[int, bytes]]:
        wanted = [int(number) for number in numbers]
        for start in range(0, len(wanted), BATCH):
            batch = wanted[start : start + BATCH]
            rows = [int(self.table[number]) if number < len(self.table) else 0 for number in batch]
            contents = self._fetch([row for row in rows if row], checked)
            for number, row in zip(batch, rows, strict=True):
                yield number, contents[row] if row else ZERO_PAGE

    def read_page(self, number: int) -> bytes:
        """The 4096 bytes of one page."""
        return next(self.pages([number]))[1]


def nearest_table(rows: Table, known: Sequence[Table]) -> tuple[int | None, Numbers]:
    """Of some stored tables the number of the one with the fewest other pages than ``rows``, the last of several, and
    these pages, ascending; None: pages of zeros are as near."""
    nearest, pages = None, np.flatnonzero(rows).astype(np.uint32)
    for number, others in enumerate(known):
        different = _different_rows(rows, others)
        if len(different) <= len(pages):
            nearest, pages = number, different
    return nearest, pages


def _different_rows(rows: Table, others: Table) -> Numbers:
    """Pages for which two stored tables name different rows; the shorter one goes on with pages of zeros."""
    length = min(len(rows), len(others))
    longer = rows if len(rows) > length else others
    inside, beyond = np.flatnonzero(rows[:length] != others[:length]), np.flatnonzero(longer[length:]) + length
    return np.concatenate([inside, beyond]).astype(np.uint32)


def page_digest(content: bytes) -> bytes:
    """The 16 bytes by which a page is known in the store."""
    return hashlib.blake2b(content, digest_size=PAGE_DIGEST_SIZE).digest()


def check_name(name: str) -> None:
    """Check a snapshot's name.

    Raises:
        UsageError: it is too long or has characters that cannot be shown in a list.
    """
    if name and (len(name) > LONGEST_NAME or not name.isprintable() or name != name.strip()):
        raise UsageError(
            f"{name[:40]!r} cannot be a snapshot's name; use up to {LONGEST_NAME} printable characters, no blanks at "
            "the ends"
        )
