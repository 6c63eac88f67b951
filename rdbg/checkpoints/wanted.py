"""What a search is about, asked of what stretches of a run touched."""

from __future__ import annotations

from rdbg.checkpoints.cleared import Breakpoint, Sought
from rdbg.checkpoints.touched_pages import DEVICE_PAGES, TouchedPages
from rdbg.emu.machine_api import Access, Conditions, Space, Watch
from rdbg.emu.memory_map import PAGE_SIZE

_NO_CONDITIONS: Conditions = {}


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
                max(address - reach, 0) if address % PAGE_SIZE < reach else address,
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
            self._watches.append((watch, watch.address // PAGE_SIZE, last // PAGE_SIZE, _storage_pages(watch)))

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
            base[extent.space] + extent.address // PAGE_SIZE,
            base[extent.space] + (extent.address + extent.length - 1) // PAGE_SIZE,
        )
        for extent in watch.storage
    ]
