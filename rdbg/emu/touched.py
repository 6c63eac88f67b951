"""What of a machine's memory runs have touched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdbg.quick_dataclass import dataclass

#: Page numbers, or numbers of rows.
Numbers = NDArray[np.uint32]
#: Contents of pages, one in each row of 4096 bytes.
PageRows = NDArray[np.uint8]


@dataclass(frozen=True)
class MarkedWords:
    """Words of 4 bytes that may have been stored to, sorted.

    Args:
        virtual: virtual addresses, divided by 4.
        memory: bytes of the machine's pages, divided by 4.
    """

    virtual: Numbers
    memory: Numbers


@dataclass(frozen=True)
class Touched:
    """Pages touched since the last time this was asked. Sorted, each once.

    Args:
        written: page numbers (index in the machine's page space) written by guest or device.
        written_virtual, read_virtual, executed_virtual: virtual page numbers (address >> 12).
        written_devices: guest-physical page numbers of device registers that may have been stored to.
        written_late: pages written by something else than the CPU, after the last call but still at its position: what
            came before that position led to them.
        written_virtual_late, read_virtual_late: the same of virtual pages that showed what a device wrote, or read.
        executed_blocks: straight pieces of code that may have been executed (all that were, are in it), as rows of
            (virtual address, bytes), in no order; None: no more is known than their pages.

    Arrays may have any unsigned type that holds their numbers.
    """

    written: Sequence[int]
    written_virtual: Sequence[int]
    read_virtual: Sequence[int]
    executed_virtual: Sequence[int]
    executed_blocks: NDArray[np.unsignedinteger[Any]] | None = None
    written_devices: Sequence[int] = ()
    written_late: Sequence[int] = ()
    written_virtual_late: Sequence[int] = ()
    read_virtual_late: Sequence[int] = ()
