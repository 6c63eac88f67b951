"""All that changes a machine's memory but stores of the CPU, and who is told of it."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import replace

from rdbg.emu import core as cpu
from rdbg.emu.bus import Bus
from rdbg.emu.dma_name import DmaName
from rdbg.emu.machine_api import Access, Watch, WatchHit, Writer
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.noted_accesses import OtherAccesses
from rdbg.emu.noted_writes import NotedWrites
from rdbg.errors import RdbgError

#: Writers that a watch hit names.
_MOST_NAMED = 8
#: What these are called by users; a device has its own name.
NAMES = {Writer.RESET: "reset", Writer.HOST: "the host", Writer.DEBUGGER: "the debugger"}


class MemoryWrites:
    """The one way by which devices, the debugger, resets and the host write to memory.

    Dirty tracking, translated code, the writes that are kept, watches and the index of the run are told of each.

    Args:
        core: the CPU.
        memory: the machine's pages.
        bus: what stands at guest-physical addresses.
        big_endian: byte order of the guest.
    """

    def __init__(self, core: cpu.Core, memory: mmap.mmap, bus: Bus, big_endian: bool) -> None:
        self._core = core
        self._core_memory = core.memory
        self._memory = memory
        self._bus = bus
        self.noted: NotedWrites | None = None  #: keeps writes
        self.accesses = OtherAccesses(core.notes, big_endian)  #: keeps those that are asked for
        #: Of each range that the core watches: its watch, and what to add to its addresses to have virtual ones.
        self.ranges: Sequence[tuple[Watch, int]] = ()
        self.between = False  #: whether what happens now happens between two instructions
        self._change: WatchHit | None = None
        self._tracked_from = -1
        self._late: set[int] = set()
        self._late_seen: tuple[set[int], set[int]] = set(), set()  # virtual pages: read, written

    def write(self, first: int, data: bytes, writer: Writer, by: str | DmaName, through: int | None = None) -> None:
        """Change bytes.

        Args:
            first: the first, in the machine's pages.
            data: what they become.
            writer: who does it.
            by: the same as users see it, or what gives that for each byte.
            through: virtual address by which the first is written, all on one page; None: by none.
        """
        if not data:
            return
        core, memory, end = self._core, self._core_memory, first + len(data)
        if self.accesses.ranges:
            self.accesses.change(first, self._memory[first:end], data, by)
        if self.noted is not None:
            if self.noted.moment is not None or writer is Writer.DEBUGGER:
                here = core.icount, core.pc
                self.noted.change(writer, by, first, self._memory[first:end], data, here, self.between)
        elif self.ranges and writer is not Writer.DEBUGGER:
            hit = memory.note_other(first, end - 1, False)
            if hit is not None:
                self._note_hit(*hit, by, first, data)
        memory.mark_change(first, end - 1, through)
        if through is not None:
            memory.mark_virtual(through)
        pages = range(first // PAGE_SIZE, (end - 1) // PAGE_SIZE + 1)
        for page in pages:
            memory.mark_written(page)
        if core.icount == self._tracked_from:
            self._late.update(pages)
        self._mark_behind(first, end, True)
        self._memory[first:end] = data

    def read(self, first: int, size: int, by: DmaName) -> bytes:
        """Give bytes to a device that reads them.

        Args:
            first: the first, in the machine's pages.
            size: how many.
            by: who reads.
        """
        end = first + size
        data = self._memory[first:end]
        if not size:
            return data
        if self.accesses.ranges:
            self.accesses.read(first, data, by)
        if self.ranges and self.noted is None:
            hit = self._core_memory.note_other(first, end - 1, True)
            if hit is not None:
                index, at, low = hit
                watch, _ = self.ranges[index]
                found = self._change or WatchHit(watch, at, Access.READ)
                if found.access is Access.READ and found.by[-1:] != (by.at(low - first),):
                    found = replace(found, by=(*found.by, by.at(low - first))[:_MOST_NAMED])
                self._change = found
        self._mark_behind(first, end, False)
        return data

    def stored(self, first: int, size: int) -> bytes:
        """Bytes as they stand: nobody is told.

        Args:
            first: the first, in the machine's pages.
            size: how many.
        """
        return self._memory[first : first + size]

    def poke(self, address: int, data: bytes) -> None:
        """A debugger writes at a guest-physical address.

        Raises:
            RdbgError: not all of it is memory; what comes before that is written.
        """
        while data:
            chunk = min(len(data), PAGE_SIZE - address % PAGE_SIZE)
            page = self._bus.classify(address).backing_page
            if page is None:
                raise RdbgError(f"physical address {address:#010x} is no memory: device registers cannot be written")
            first = page * PAGE_SIZE + address % PAGE_SIZE
            self.write(first, data[:chunk], Writer.DEBUGGER, NAMES[Writer.DEBUGGER])
            address, data = address + chunk, data[chunk:]

    def answer(self, address: int, data: bytes) -> bool:
        """The host writes its answer to a call at a virtual address; False, and nothing is written: not all of it is
        memory that can be written to."""
        pieces: list[tuple[int, bytes, int]] = []
        at = 0
        while at < len(data):
            here = (address + at) & 0xFFFFFFFF
            size = min(len(data) - at, PAGE_SIZE - here % PAGE_SIZE)
            physical = self._core.translate(here)
            mapping = None if physical is None else self._bus.classify(physical)
            if mapping is None or mapping.backing_page is None or not mapping.writable:
                return False
            pieces.append((mapping.backing_page * PAGE_SIZE + here % PAGE_SIZE, data[at : at + size], here))
            at += size
        for first, piece, through in pieces:
            self.write(first, piece, Writer.HOST, NAMES[Writer.HOST], through)
        return True

    def _mark_behind(self, first: int, end: int, store: bool) -> None:
        """Searches by virtual addresses have to know of an access by anything but an instruction."""
        core, at = self._core, first
        while at < end:
            last = min(end - 1, at | (PAGE_SIZE - 1))
            seen = self._core_memory.mark_behind(at, last, store)
            if core.icount == self._tracked_from:
                self._late_seen[store].update(seen)
            at = last + 1

    def _note_hit(self, index: int, at: int, start: int, by: str | DmaName, first: int, data: bytes) -> None:
        watch, shift = self.ranges[index]
        virtual = (at + shift) & 0xFFFFFFFF
        low = start - first
        high = min(len(data), low + watch.address + watch.length - virtual)
        if not watch.storage:
            high = min(high, (start | (PAGE_SIZE - 1)) + 1 - first)  # what a TLB shows behind that is elsewhere
        changed = self._memory[first + low : first + high] != data[low:high]
        hit = self._change
        if hit is None or hit.access is Access.READ and changed:
            hit = WatchHit(watch, virtual, Access.WRITE)
        name = by if isinstance(by, str) else by.at(low)
        if changed and hit.by[-1:] != (name,):
            hit = replace(hit, by=(*hit.by, name)[:_MOST_NAMED])
        self._change = hit

    def take_change(self) -> WatchHit | None:
        """The first watched change since the last call, with all who made one; None: there was none."""
        change, self._change = self._change, None
        return change

    def take_late(self) -> tuple[list[int], list[int], list[int]]:
        """The pages written since the last call while the CPU stood where it stood then; where it stands now counts for
        the next. Then the virtual pages that showed what was written, and what devices read."""
        read, written = self._late_seen
        late = sorted(self._late), sorted(written), sorted(read)
        self._late, self._late_seen = set(), (set(), set())
        self._tracked_from = self._core.icount
        return late
