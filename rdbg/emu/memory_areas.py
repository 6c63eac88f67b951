"""The board's storage as virtual address ranges, for a debugger's memory map."""

from __future__ import annotations

from collections.abc import Sequence

from rdbg.emu.architecture import AddressSegment
from rdbg.emu.memory_map import MemoryMap
from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class MemoryArea:
    """A range of the address space for a debugger's memory map.

    Args:
        kind: ``ram``, ``rom`` or ``flash``.
        start: virtual address.
        length: bytes.
        block_size: bytes per erase block, for flash.
    """

    kind: str
    start: int
    length: int
    block_size: int = 0


def memory_areas(memory_map: MemoryMap, segments: Sequence[AddressSegment]) -> tuple[MemoryArea, ...]:
    """Ranges that show storage in segments of the virtual address space, in ascending order, without overlap.

    Args:
        memory_map: the board's.
        segments: the architecture's.
    """
    writable = {backing.name: backing.writable for backing in memory_map.backings}
    areas: list[MemoryArea] = []
    for segment in segments:
        taken: list[tuple[int, int]] = []
        for region in memory_map.memory:
            start, end = region.base - segment.physical, region.base - segment.physical + region.size
            if start < 0 or end > segment.length:
                continue
            if any(start < high and low < end for low, high in taken):
                continue
            taken.append((start, end))
            kind = "ram" if writable[region.backing] else "flash" if region.device is not None else "rom"
            block = region.device.erase_block if region.device is not None else 0
            areas.append(MemoryArea(kind, segment.start + start, region.size, block))
    return tuple(sorted(areas, key=lambda area: area.start))
