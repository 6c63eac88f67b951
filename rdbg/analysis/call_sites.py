"""Where a function is called by its name, found in the guest's memory."""

from __future__ import annotations

import numpy as np

from rdbg.emu.machine_api import MachineApi, Space
from rdbg.emu.memory_map import PAGE_SIZE

#: `jal`: 26 bits of the address behind it, in words (MIPS32 Instruction Set, vol. II).
_JAL, _TARGET = 0x0C00_0000, 0x03FF_FFFF
#: A call returns behind its delay slot.
_RETURNS_BEHIND = 8
#: Pages that are read at once.
_PAGES = 1 << 12


def returns_of(machine: MachineApi, function: int) -> frozenset[int]:
    """Where calls of a function will return to that name it in their instruction, as far as its memory lies as it does
    around the function. What happens to be such a word, and is none, does no harm.

    Args:
        machine: the machine.
        function: its address.
    """
    (extent, *_) = machine.storage(function, 4) or (None,)
    if extent is None or extent.space is not Space.MEMORY:
        return frozenset()
    word = _JAL | function >> 2 & _TARGET
    kind = ">u4" if machine.big_endian else "<u4"
    away = function - extent.address
    found: list[int] = []
    for first in range(0, machine.page_count, _PAGES):
        data = machine.read_pages(range(first, min(first + _PAGES, machine.page_count)))
        at = np.flatnonzero(np.frombuffer(data, kind) == word)
        found += (at * 4 + (first * PAGE_SIZE + away + _RETURNS_BEHIND)).tolist()
    return frozenset(each for each in found if 0 <= each <= 0xFFFF_FFFF)
