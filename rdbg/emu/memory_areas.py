"""The board's storage as virtual address ranges, for GDB's memory map."""

from __future__ import annotations

from rdbg.emu.machine_api import MemoryArea
from rdbg.emu.memory_map import MemoryMap

UNMAPPED_SEGMENTS = (0x80000000, 0xA0000000)  # kseg0, kseg1 (MIPS32 PRA vol. III, section 4.3)
SEGMENT_SIZE = 0x20000000


def memory_areas(memory_map: MemoryMap) -> tuple[MemoryArea, ...]:
    """Ranges in kseg0 and kseg1 that show storage, in ascending order, without overlap."""
    writable = {backing.name: backing.writable for backing in memory_map.backings}
    areas: list[MemoryArea] = []
    for segment in UNMAPPED_SEGMENTS:
        taken: list[tuple[int, int]] = []
        for region in memory_map.memory:
            if region.base + region.size > SEGMENT_SIZE:
                continue
            start, end = region.base, region.base + region.size
            if any(start < high and low < end for low, high in taken):
                continue
            taken.append((start, end))
            kind = "ram" if writable[region.backing] else "flash" if region.device is not None else "rom"
            block = region.device.erase_block if region.device is not None else 0
            areas.append(MemoryArea(kind, segment + start, region.size, block))
    return tuple(sorted(areas, key=lambda area: area.start))
