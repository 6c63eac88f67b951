"""Watched accesses that searches have come across: who asks for one asks for the one before it next."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter

from rdbg.emu.machine_api import Block, Watch, WatchHit
from rdbg.quick_dataclass import dataclass

#: Stretches that are remembered, each of a few thousand accesses at most: the oldest are forgotten.
_MOST_STRETCHES = 4
#: Blocks that are looked through at once.
_MOST_AT_ONCE = 64

_after = attrgetter("after")


@dataclass(frozen=True)
class WatchedAccess:
    """An access of a watched range.

    Args:
        before: position before the instruction that makes it.
        after: position behind it.
        hit: what it accesses.
    """

    before: int
    after: int
    hit: WatchHit


class Stretch:
    """A stretch of the run with all that is known of accesses there.

    Args:
        start, end: its positions, the second not included.
        blocks: where there may be accesses, in order, and nowhere else in the stretch.
    """

    def __init__(self, start: int, end: int, blocks: Sequence[Block]) -> None:
        self.start = start
        self.end = end
        self.blocks = list(blocks)  #: of those before the accesses that are known one by one
        self._accesses: list[WatchedAccess] = []
        self._asked = 0

    def latest(self, position: int) -> WatchedAccess | None:
        """The latest one that is known and was done by ``position``."""
        at = bisect_right(self._accesses, position, key=_after)
        return self._accesses[at - 1] if at else None

    def take_blocks(self, position: int) -> list[Block]:
        """Blocks to be looked through next, the last that begin before ``position``: the more, the more often this was
        asked; empty: there are no more. Whoever takes them tells what is in them, or gives them back."""
        if self.blocks and self.blocks[-1].start >= position:
            # Somebody has gone far back. To look through all that lies between would take long.
            self.blocks = [block for block in self.blocks if block.start < position]
            self.end = position
            self._accesses = []
        keep = max(0, len(self.blocks) - min(1 << (self._asked // 2), _MOST_AT_ONCE))
        self._asked += 1
        taken = self.blocks[keep:]
        del self.blocks[keep:]
        return taken

    def put_back(self, blocks: Sequence[Block]) -> None:
        """These, taken last, were not looked through."""
        self.blocks += blocks

    def know(self, accesses: Sequence[WatchedAccess]) -> None:
        """The accesses in the blocks that were taken last, in order."""
        self._accesses[:0] = accesses


class Accesses:
    """The stretches, by what was watched."""

    def __init__(self) -> None:
        self._stretches: list[tuple[tuple[Watch, ...], Stretch]] = []

    def note(self, watches: tuple[Watch, ...], stretch: Stretch) -> None:
        """A search for these accesses has come through here."""
        self._stretches = [*self._stretches, (watches, stretch)][-_MOST_STRETCHES:]

    def around(self, watches: tuple[Watch, ...], position: int) -> Stretch | None:
        """A stretch that the position just before ``position`` is in."""
        for known, stretch in reversed(self._stretches):
            if known == watches and stretch.start < position <= stretch.end:
                return stretch
        return None

    def forget_after(self, position: int) -> None:
        """The run goes another way from there."""
        self._stretches = [one for one in self._stretches if one[1].end <= position]
