"""A machine's memory as a debugger sees it, by virtual addresses; looking changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rdbg.emu.architecture import AddressSegment
from rdbg.emu.bus import Bus
from rdbg.emu.core import Core
from rdbg.emu.inputs import InputEvent
from rdbg.emu.machine_api import Access, Extent, Space, Watch
from rdbg.emu.memory_map import PAGE_SIZE

if TYPE_CHECKING:
    from typing_extensions import Buffer  # a type alone: collections.abc has it from Python 3.12 on

# As in cpu_constants.pxd.
WATCH_KINDS = {Access.READ: 1 | 128, Access.WRITE: 6, Access.ACCESS: 7 | 128}
READS, STORES, WRITES = 1 | 128, 2, 6
NOTED_KINDS = {Access.READ: 8 | 64, Access.WRITE: 16 | 32, Access.ACCESS: 8 | 16 | 32 | 64}
NOTED_BY_INSTRUCTIONS = 8 | 16


class MemoryView:
    """Memory by virtual addresses.

    Args:
        core: translates them.
        bus: knows what stands at physical ones.
        segments: of the architecture.
        memory: all backings one after another.
        peek: what loads from devices would give now, by physical address and length.
    """

    def __init__(
        self,
        core: Core,
        bus: Bus,
        segments: Sequence[AddressSegment],
        memory: Buffer,
        peek: Callable[[int, int], bytes],
    ) -> None:
        self._core = core
        self._bus = bus
        self._segments = segments
        self._memory = memoryview(memory)
        self._peek = peek

    def storage(self, address: int, length: int) -> list[Extent]:
        """What stands behind a range of virtual addresses now, up to the first that is unmapped."""
        found: list[Extent] = []
        at = address
        while at < address + length:
            here = at & 0xFFFFFFFF
            physical = self._core.translate(here)
            if physical is None:
                break
            page = self._bus.classify(physical).backing_page
            space = Space.DEVICE if page is None else Space.MEMORY
            first = physical if page is None else page * PAGE_SIZE + physical % PAGE_SIZE
            size = min(address + length - at, PAGE_SIZE - here % PAGE_SIZE)
            last = found[-1] if found else None
            if last is not None and last.space is space and last.address + last.length == first:
                found[-1] = replace(last, length=last.length + size)
            else:
                found.append(Extent(space, first, size, here))
            at += size
        return found

    def holds(self, extents: Sequence[Extent], event: InputEvent) -> bool:
        """Whether a debugger's write to memory reaches any of these bytes."""
        at, left = event.value, len(event.data)
        while left > 0:
            size = min(left, PAGE_SIZE - at % PAGE_SIZE)
            page = self._bus.classify(at).backing_page
            first = -1 if page is None else page * PAGE_SIZE + at % PAGE_SIZE
            for extent in extents:
                reaches = extent.address < first + size and first < extent.address + extent.length
                if extent.space is Space.MEMORY and reaches:
                    return True
            at, left = at + size, left - size
        return False

    def resolved(self, watch: Watch) -> Watch:
        """The watch with its storage, if the same memory stands behind its addresses at all times: those of a segment
        that no TLB translates. Stores to memory that cannot be written to directly are commands to what is there (a
        flash chip)."""
        last = last_address(watch.address, watch.length)
        segment = next((each for each in self._segments if each.has(watch.address) and each.has(last)), None)
        if segment is None or not WATCH_KINDS[watch.access] & WRITES:
            return watch
        pages = range(watch.address // PAGE_SIZE, last // PAGE_SIZE + 1)
        physical = segment.physical - segment.start
        shown = [self._bus.classify(page * PAGE_SIZE + physical) for page in pages]
        if any(mapping.backing_page is None for mapping in shown):
            return watch
        commands = not all(mapping.writable for mapping in shown)
        return replace(watch, storage=tuple(self.storage(watch.address, watch.length)), commands=commands)

    def read_memory(self, address: int, length: int) -> bytes:
        """Bytes at a virtual address, as many as are mapped; of devices, what a load would give."""
        out = bytearray()
        while len(out) < length:
            here = (address + len(out)) & 0xFFFFFFFF
            physical = self._core.translate(here)
            page = None if physical is None else self._bus.classify(physical).backing_page
            chunk = min(length - len(out), PAGE_SIZE - here % PAGE_SIZE)
            if page is None:
                if physical is None:
                    break
                found = bytes(chunk) if self._bus.ignored_page(physical) else self._peek(physical, chunk)
                out += found
                if len(found) < chunk:
                    break
                continue
            first = page * PAGE_SIZE + here % PAGE_SIZE
            out += self._memory[first : first + chunk]
        return bytes(out)


def last_address(address: int, length: int) -> int:
    """Last address of a range, which may reach to the end of the address space and not beyond."""
    return min(address + length - 1, 0xFFFFFFFF)
