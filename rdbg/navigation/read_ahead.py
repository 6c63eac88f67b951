"""Reading a stored state before anybody asks for one: most of its pages are those of other states too."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from rdbg.emu.state_digest import StateDigest
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass
from rdbg.store.snapshot import SnapshotInfo, StoredSnapshot
from rdbg.store.snapshot_store import SnapshotStore

_log = logging.getLogger("rdbg.snapshots")

#: Bytes of a state: one that is larger is not read ahead.
MOST_BYTES = 96 << 20


@dataclass(frozen=True)
class ReadState:
    """A stored state that was read and found whole.

    Args:
        snapshot: it.
        contents: of its pages that are not zeros, by ascending number.
        digests: of its pages.
    """

    snapshot: StoredSnapshot
    contents: bytes
    digests: StateDigest


class ReadAhead:
    """A thread that reads a state, with a connection of its own to the store.

    Args:
        path: of the store.
        info: the state.
        expect: told the numbers of its pages, in the thread.
    """

    def __init__(self, path: str, info: SnapshotInfo, expect: Callable[[Sequence[int]], None]) -> None:
        self._path = path
        self._info = info
        self._expect = expect
        self._found: ReadState | None = None
        # A daemon: a process that is told to end does not wait for it.
        self._thread = threading.Thread(target=self._read, name="read ahead", daemon=True)
        self._thread.start()

    @property
    def at_work(self) -> bool:
        """Whether the state is still being read."""
        return self._thread.is_alive()

    def take(self) -> ReadState | None:
        """The state, as soon as it is read; None: it cannot be read, which who needs it will find out."""
        self._thread.join()
        return self._found

    def _read(self) -> None:
        try:
            store = SnapshotStore.open(self._path)
            try:
                self._found = read_state(store, self._info)
                self._expect(self._found.snapshot.page_numbers.tolist())
            finally:
                store.close()
        except (RdbgError, MemoryError) as error:
            _log.debug("reading ahead: %s", error)


def read_state(store: SnapshotStore, info: SnapshotInfo) -> ReadState:
    """Read a whole state.

    Raises:
        RdbgError: it is gone or damaged.
    """
    loaded, digests, contents = store.load(info), StateDigest(), []
    for page, content in loaded.unchecked_pages(loaded.page_numbers):
        digests.put(page, content)
        contents.append(content)
    loaded.check(digests)
    return ReadState(loaded, b"".join(contents), digests)
