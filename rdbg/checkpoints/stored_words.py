"""Which words of hot pages each stretch of the run stored to: what the index's pages cannot tell apart."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import replace

from rdbg.checkpoints.page_set import PageSet
from rdbg.emu.machine_api import Access, Space, Watch
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.quick_dataclass import dataclass

_WORD_BYTES = 4
#: Stretches that are kept, and bytes that they take, before neighbours are joined.
_MOST_STRETCHES = 4096
_MOST_BYTES = 8 << 20
#: How far before a position the step that leads there can begin, in instructions, and more.
_STEP = 16


@dataclass(frozen=True)
class StoredWords:
    """What was stored to in a stretch of the run, or a superset of it.

    Args:
        start, end: its positions, the second not included.
        virtual_pages: virtual pages of which this is known.
        memory_pages: the same of the machine's pages.
        virtual_words: what was stored to by virtual addresses of these, divided by 4.
        memory_words: what was written in these, by whatever address, in bytes of the machine's pages divided by 4.
    """

    start: int
    end: int
    virtual_pages: PageSet
    memory_pages: PageSet
    virtual_words: PageSet
    memory_words: PageSet

    @property
    def nbytes(self) -> int:
        sets = (self.virtual_pages, self.memory_pages, self.virtual_words, self.memory_words)
        return 300 + sum(each.nbytes for each in sets)

    def knows(self, virtual_pages: PageSet, memory_pages: PageSet) -> bool:
        """Whether it tells of all of these pages."""
        return _holds(self.virtual_pages, virtual_pages) and _holds(self.memory_pages, memory_pages)

    def rules_out(self, watch: Watch) -> bool:
        """Whether nothing here makes a watched access. Loads are not known, nor what a flash chip makes of stores."""
        if watch.access is not Access.WRITE or watch.commands:
            return False
        if not watch.storage:
            return _untouched(self.virtual_pages, self.virtual_words, watch.address, watch.length)
        for extent in watch.storage:
            if extent.space is not Space.MEMORY:
                return False
            if not _untouched(self.memory_pages, self.memory_words, extent.address, extent.length):
                return False
        return True

    def joined(self, other: StoredWords) -> StoredWords:
        """What both know, of the stretch from the start of the one to the end of the other."""
        return StoredWords(
            min(self.start, other.start),
            max(self.end, other.end),
            _common(self.virtual_pages, other.virtual_pages),
            _common(self.memory_pages, other.memory_pages),
            self.virtual_words.union(other.virtual_words),
            self.memory_words.union(other.memory_words),
        )

    def with_more(self, other: StoredWords) -> StoredWords:
        """What either knows, of this stretch, which is in the other's too."""
        return StoredWords(
            self.start,
            self.end,
            self.virtual_pages.union(other.virtual_pages),
            self.memory_pages.union(other.memory_pages),
            self.virtual_words.union(other.virtual_words),
            self.memory_words.union(other.memory_words),
        )


def _untouched(pages: PageSet, words: PageSet, address: int, length: int) -> bool:
    last = address + length - 1
    if words.meets(address // _WORD_BYTES, last // _WORD_BYTES):
        return False
    return all(pages.meets(page, page) for page in range(address // PAGE_SIZE, last // PAGE_SIZE + 1))


def _holds(pages: PageSet, wanted: PageSet) -> bool:
    return wanted is pages or all(pages.meets(page, page) for page in wanted.pages())


def _common(one: PageSet, other: PageSet) -> PageSet:
    if one is other:
        return one
    return PageSet.of(sorted(set(one.pages()) & set(other.pages())))


class WordFilters:
    """Disjoint stretches, sorted. They know too little where they do not know: then there may have been a store."""

    def __init__(self) -> None:
        self._stretches: list[StoredWords] = []
        self._starts: list[int] = []
        self._nbytes = 0

    def __iter__(self) -> Iterator[StoredWords]:
        return iter(self._stretches)

    def __len__(self) -> int:
        return len(self._stretches)

    def note(self, words: StoredWords) -> None:
        """Take in what was found out of a stretch; where something is known of it already, both count."""
        if words.start >= words.end:
            return
        low, high = self._overlapping(words.start, words.end)
        parts: list[StoredWords] = []
        at = words.start
        for old in self._stretches[low:high]:
            if old.start < words.start:
                parts.append(replace(old, end=words.start))
            if at < old.start:
                parts.append(replace(words, start=at, end=old.start))
            start, at = max(old.start, words.start), min(old.end, words.end)
            parts.append(replace(old, start=start, end=at).with_more(words))
            if words.end < old.end:
                parts.append(replace(old, start=words.end))
        if at < words.end:
            parts.append(replace(words, start=at))
        self._replace(low, high, parts)
        if len(self._stretches) > _MOST_STRETCHES or self._nbytes > _MOST_BYTES:
            self._coarsen()

    def unknown(self, start: int, end: int, virtual_pages: PageSet, memory_pages: PageSet) -> list[tuple[int, int]]:
        """The stretches of [start, end) of which nothing, or too little, is known about these pages."""
        found, at = [], start
        low, high = self._overlapping(start, end)
        for each in self._stretches[low:high]:
            if not each.knows(virtual_pages, memory_pages):
                continue
            if at < each.start:
                found.append((at, each.start))
            at = each.end
        if at < end:
            found.append((at, end))
        return found

    def begins(self, watch: Watch, position: int) -> int:
        """Since when, up to ``position``, nothing makes a watched access; ``position`` if that is not known."""
        at = bisect_left(self._starts, position) - 1
        while at >= 0 and self._stretches[at].end >= position > self._stretches[at].start:
            if not self._stretches[at].rules_out(watch):
                break
            position = self._stretches[at].start
            at -= 1
        return position

    def ends(self, watch: Watch, position: int) -> int:
        """Until when, from ``position`` on, nothing makes a watched access; ``position`` if that is not known."""
        at = max(bisect_right(self._starts, position) - 1, 0)
        for each in self._stretches[at:]:
            if not each.start <= position < each.end or not each.rules_out(watch):
                break
            position = each.end
        return position

    def forget_after(self, position: int) -> None:
        """The run goes another way from there."""
        low, high = self._overlapping(position, 1 << 64)
        kept = [replace(each, end=position) for each in self._stretches[low:high] if each.start < position]
        self._replace(low, high, kept)

    def forget_step_to(self, position: int) -> None:
        """More was written by what leads to a position."""
        low, high = self._overlapping(max(position - _STEP, 0), position + 1)
        parts = []
        for each in self._stretches[low:high]:
            before, after = (
                replace(each, end=min(each.end, max(position - _STEP, 0))),
                replace(each, start=position + 1),
            )
            parts += [part for part in (before, after) if each.start <= part.start < part.end <= each.end]
        self._replace(low, high, parts)

    def _overlapping(self, start: int, end: int) -> tuple[int, int]:
        low = bisect_right(self._starts, start)
        if low and self._stretches[low - 1].end > start:
            low -= 1
        return low, bisect_left(self._starts, end, low)

    def _replace(self, low: int, high: int, parts: list[StoredWords]) -> None:
        self._nbytes += sum(part.nbytes for part in parts) - sum(old.nbytes for old in self._stretches[low:high])
        self._stretches[low:high] = parts
        self._starts[low:high] = [part.start for part in parts]

    def _coarsen(self) -> None:
        """Join each two neighbours."""
        parts: list[StoredWords] = []
        joined = False
        for each in self._stretches:
            if parts and not joined and parts[-1].end == each.start:
                parts[-1] = parts[-1].joined(each)
                joined = True
            else:
                parts.append(each)
                joined = False
        self._replace(0, len(self._stretches), parts)
