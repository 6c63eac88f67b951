"""All pages of a machine in one numbering: those of its memory, then those that hold what its disks were written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rdbg.emu.core import CoreMemory
from rdbg.emu.disk_overlay import MOST_WRITTEN, DiskOverlay
from rdbg.emu.machine_api import Numbers, PageRows, Touched
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.memory_writes import MemoryWrites
from rdbg.emu.state_digest import StateDigest

#: Pages that are read at a time for their digests.
_DIGESTED = 256


class MachinePages:
    """The pages of a machine.

    Args:
        memory: that of the core.
        memory_pages: how many pages that is.
        overlay: what was written to disks; None: there are none.
        writes: what changes the memory beside the CPU.
    """

    def __init__(
        self, memory: CoreMemory, memory_pages: int, overlay: DiskOverlay | None, writes: MemoryWrites
    ) -> None:
        self._memory = memory
        self._memory_pages = memory_pages
        self._overlay = overlay
        self._writes = writes
        self._digest = StateDigest()
        self.count = memory_pages if overlay is None else memory_pages + MOST_WRITTEN  #: numbers are below

    def take_touched(self) -> Touched:
        """Pages touched since the last call."""
        written, *others = self._memory.take_touched()
        if self._overlay is not None:
            on_disks = self._overlay.take_touched()
            if len(on_disks):
                written = np.concatenate([written, on_disks + np.uint32(self._memory_pages)])
        touched = Touched(written, *others)  # type: ignore[arg-type]
        late, written_virtual, read_virtual = self._writes.take_late()
        return replace(touched, written_late=late, written_virtual_late=written_virtual, read_virtual_late=read_virtual)

    def _take_stale(self) -> list[int]:
        """Pages whose digest is out of date since the last call."""
        stale: list[int] = self._memory.take_stale().tolist()
        if self._overlay is not None:
            stale += [page + self._memory_pages for page in self._overlay.take_stale()]
        return stale

    def digest(self) -> StateDigest:
        """The digests of all pages. Only pages written since the last call are read again. It is not to be kept: ask
        for a copy."""
        stale = self._take_stale()
        for at in range(0, len(stale), _DIGESTED):
            batch = stale[at : at + _DIGESTED]
            data = self.read(batch)
            for index, page in enumerate(batch):
                self._digest.put(page, data[index * PAGE_SIZE : (index + 1) * PAGE_SIZE])
        return self._digest

    def know_digests(self, digests: StateDigest) -> None:
        """All pages have just been made what these were taken of: they need not be read again for the next digest."""
        self._take_stale()
        self._digest = digests

    def nonzero(self) -> Sequence[int]:
        """Pages that hold anything but zeros, sorted."""
        found = self._memory.nonzero_pages(self._memory_pages)
        if self._overlay is not None:
            found = np.concatenate([found, self._overlay.nonzero_pages() + np.uint32(self._memory_pages)])
        return found  # type: ignore[return-value]

    def read(self, pages: Sequence[int] | Numbers) -> bytes:
        """The pages' bytes, one after another."""
        if self._overlay is None:
            return bytes(self._memory.read_pages(pages))
        out = np.empty((len(pages), PAGE_SIZE), np.uint8)
        self.copy(np.asarray(pages, np.uint32), out, np.arange(len(pages), dtype=np.uint32))
        return out.tobytes()

    def write(self, pages: Sequence[int] | Numbers, data: bytes) -> None:
        """Put pages back."""
        if self._overlay is None:
            self._memory.write_pages(pages, data)
            return
        source = np.frombuffer(data, np.uint8).reshape(-1, PAGE_SIZE)
        self.put(np.asarray(pages, np.uint32), source, np.arange(len(pages), dtype=np.uint32))

    def copy(self, pages: Numbers, out: PageRows, rows: Numbers) -> None:
        """Copy each page to a row of ``out``."""
        memory, disks = self._split(pages)
        if disks is None or self._overlay is None:
            self._memory.copy_pages(pages, out, rows)
            return
        self._memory.copy_pages(pages[memory], out, rows[memory])
        self._overlay.copy_pages(pages[disks] - np.uint32(self._memory_pages), out, rows[disks])

    def put(self, pages: Numbers, source: PageRows, rows: Numbers) -> None:
        """Put each page back from a row of ``source``."""
        memory, disks = self._split(pages)
        if disks is None or self._overlay is None:
            self._memory.put_pages(pages, source, rows)
            return
        self._memory.put_pages(pages[memory], source, rows[memory])
        self._overlay.put_pages(pages[disks] - np.uint32(self._memory_pages), source, rows[disks])

    def _split(self, pages: Numbers) -> tuple[NDArray[np.bool_], NDArray[np.bool_] | None]:
        """Which of the pages are of the memory, and which of disks; no second: all are of the memory."""
        if self._overlay is None:
            return np.zeros(0, np.bool_), None
        disks = pages >= self._memory_pages
        return ~disks, disks if disks.any() else None
