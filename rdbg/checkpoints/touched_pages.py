"""Which pages and code a stretch of a run touched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rdbg.checkpoints.page_set import Numbers, PageSet
from rdbg.emu.machine_api import Touched
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.quick_dataclass import dataclass

#: Runs of code that an interval may have, 8 or 16 bytes each. Beyond, the narrowest gaps between them are filled.
_MOST_RUNS = 512
_LAST_ADDRESS = (1 << 64) - 1
#: What is added to the number of a device's guest-physical page: there are no more pages of memory, and the sums of
#: 32-bit machines fit in 32 bits.
DEVICE_PAGES = 1 << 31


@dataclass(frozen=True)
class TouchedPages:
    """What an interval touched, or a superset of it.

    Args:
        written, read: virtual page numbers, by which instructions accessed them, or which showed what something else
            accessed.
        changed: what was written, by whatever address: numbers of the machine's pages, and behind them (DEVICE_PAGES)
            guest-physical ones of devices.
        executed: bytes of instructions, by virtual address: a hot loop must not stand for all of its page.
    """

    written: PageSet
    read: PageSet
    executed: PageSet
    changed: PageSet

    @classmethod
    def of(cls, touched: Touched) -> TouchedPages:
        """From what the machine reports."""
        if touched.executed_blocks is None:
            executed = _bytes(np.asarray(touched.executed_virtual, np.uint64) * np.uint64(PAGE_SIZE), PAGE_SIZE)
        else:
            executed = _bytes(touched.executed_blocks[:, 0].astype(np.uint64), touched.executed_blocks[:, 1])
        devices = np.asarray(touched.written_devices, np.uint64) + np.uint64(DEVICE_PAGES)
        return cls(
            PageSet.of(touched.written_virtual),
            PageSet.of(touched.read_virtual),
            executed.coarsened(_MOST_RUNS),
            PageSet.of(np.concatenate([np.asarray(touched.written, np.uint64), devices])),
        )

    def union(self, other: TouchedPages) -> TouchedPages:
        """What both touched together."""
        return TouchedPages(
            self.written.union(other.written),
            self.read.union(other.read),
            self.executed.union(other.executed).coarsened(_MOST_RUNS),
            self.changed.union(other.changed),
        )

    @property
    def nbytes(self) -> int:
        return self.written.nbytes + self.read.nbytes + self.executed.nbytes + self.changed.nbytes


def _bytes(first: NDArray[np.uint64], length: Numbers | int) -> PageSet:
    """The addresses of pieces of code, which may reach to the end of a 64-bit address space."""
    end = first + np.asarray(length, np.uint64)
    return PageSet.of_runs(first, np.where(end < first, np.uint64(_LAST_ADDRESS), end))
