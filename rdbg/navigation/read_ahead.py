"""Reading some stored states before anybody asks for one: most of their pages are those of other states too."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.state_digest import StateDigest
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass
from rdbg.store.snapshot import Numbers, SnapshotInfo, Table, nearest_table
from rdbg.store.snapshot_store import SnapshotStore

_log = logging.getLogger("rdbg.snapshots")

#: States that are read, and bytes of their pages, each once: what is more is read when it is needed.
_MOST_STATES = 8
_MOST_BYTES = 48 << 20


@dataclass(frozen=True)
class ReadState:
    """A stored state that was read and found whole.

    Args:
        info: it.
        rows: the rows of its pages.
        base: number of the state, among those read, that it is told as a difference to; None: to pages of zeros.
        pages: numbers of the pages that differ, ascending.
        contents: of these, one after another.
        digests: of all its pages.
    """

    info: SnapshotInfo
    rows: Table
    base: int | None
    pages: Numbers
    contents: bytes
    digests: StateDigest


class ReadAhead:
    """A thread that reads states, with a connection of its own to the store.

    Args:
        path: of the store.
        infos: the run's states; it reads the last first, then the one halfway, and so on.
        expect: told the numbers of pages that will be written to, in the thread.
    """

    def __init__(self, path: str, infos: Sequence[SnapshotInfo], expect: Callable[[Sequence[int]], None]) -> None:
        self._path = path
        self._infos = spread(infos, _MOST_STATES)
        self._expect = expect
        self._found: list[ReadState] = []
        self._enough = False
        # A daemon: a process that is told to end does not wait for it.
        self._thread = threading.Thread(target=self._read, name="read ahead", daemon=True)
        self._thread.start()

    @property
    def at_work(self) -> bool:
        """Whether anything is still being read."""
        return self._thread.is_alive()

    def take(self) -> list[ReadState]:
        """What was read, as soon as the state at hand is. What cannot be read is left out: who needs it finds out."""
        self._enough = True
        self._thread.join()
        return self._found

    def _read(self) -> None:
        try:
            store = SnapshotStore.open(self._path)
            try:
                left = _MOST_BYTES
                for info in self._infos:
                    left = self._read_one(store, info, left)
                    if self._enough or left <= 0:
                        break
            finally:
                store.close()
        except (RdbgError, MemoryError) as error:
            _log.debug("reading ahead: %s", error)

    def _read_one(self, store: SnapshotStore, info: SnapshotInfo, most: int) -> int:
        """Read one, if its pages take at most so many bytes; gives how many are left."""
        loaded = store.load(info)
        rows = loaded.table
        base, pages = nearest_table(rows, [each.rows for each in self._found])
        if len(pages) * PAGE_SIZE > most:
            return 0
        contents, digests = loaded.read_difference(pages, StateDigest() if base is None else self._found[base].digests)
        self._found.append(ReadState(info, rows, base, pages, contents, digests))
        self._expect(pages.tolist())
        return most - len(pages) * PAGE_SIZE


def spread(infos: Sequence[SnapshotInfo], most: int) -> list[SnapshotInfo]:
    """At most so many of them: the last, the one in the middle, and those in the middle of what lies between."""
    count, chosen = len(infos), list[int]()
    parts = 1
    while len(chosen) < min(most, count) and parts <= count:
        for part in range(parts, 0, -2):
            at = count * part // parts - 1
            if at >= 0 and at not in chosen and len(chosen) < most:
                chosen.append(at)
        parts *= 2
    return [infos[at] for at in chosen]
