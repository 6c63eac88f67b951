"""Where a function is called by its name, found in the guest's memory."""

from __future__ import annotations

import numpy as np

from rdbg.emu.machine_api import MachineApi, Space
from rdbg.emu.memory_map import PAGE_SIZE

#: Pages that are read at once.
_PAGES = 1 << 12


def returns_of(machine: MachineApi, function: int) -> frozenset[int]:
    """Where calls of a function will return to that name it in their instruction, as far as its memory lies as it does
    around the function. What happens to be such a word, and is none, does no harm.

    Args:
        machine: the machine.
        function: its address.
    """
    convention = machine.architecture.convention
    call = None if convention is None else convention.named_call
    (extent, *_) = machine.storage(function, 4) or (None,)
    if call is None or extent is None or extent.space is not Space.MEMORY:
        return frozenset()
    kind = ">u4" if machine.big_endian else "<u4"
    away = function - extent.address
    found: list[int] = []
    for first in range(0, machine.page_count, _PAGES):
        data = machine.read_pages(range(first, min(first + _PAGES, machine.page_count)))
        at = np.flatnonzero(np.frombuffer(data, kind) == call.of(function))
        found += (at * 4 + (first * PAGE_SIZE + away + call.returns_behind)).tolist()
    return frozenset(each for each in found if 0 <= each < machine.architecture.address_end)
