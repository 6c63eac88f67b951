"""All that changes a machine's memory but stores of the CPU, and who is told of it."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import replace

from rdbg.emu import core as cpu
from rdbg.emu.dma_name import DmaName
from rdbg.emu.machine_api import Access, Watch, WatchHit, Writer
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.noted_accesses import OtherAccesses
from rdbg.emu.noted_writes import NotedWrites

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
        big_endian: byte order of the guest.
    """

    def __init__(self, core: cpu.Core, memory: mmap.mmap, big_endian: bool) -> None:
        self._core = core
        self._memory = memory
        self.noted: NotedWrites | None = None  #: keeps writes
        self.accesses = OtherAccesses(core, big_endian)  #: keeps those that are asked for
        #: Of each range that the core watches: its watch, and what to add to its addresses to have virtual ones.
        self.ranges: Sequence[tuple[Watch, int]] = ()
        self.between = False  #: whether what happens now happens between two instructions
        self._change: WatchHit | None = None
        self._tracked_from = -1
        self._late: set[int] = set()

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
        core, end = self._core, first + len(data)
        if self.accesses.ranges:
            self.accesses.change(first, self._memory[first:end], data, by)
        if self.noted is not None:
            if self.noted.moment is not None or writer is Writer.DEBUGGER:
                here = core.icount, core.pc
                self.noted.change(writer, by, first, self._memory[first:end], data, here, self.between)
        elif self.ranges and writer is not Writer.DEBUGGER:
            hit = core.note_change(first, end - 1, through)
            if hit is not None:
                self._note_hit(*hit, by, first, data, through)
        core.mark_change(first, end - 1, through)
        if through is not None:
            core.mark_virtual(through)
        pages = range(first // PAGE_SIZE, (end - 1) // PAGE_SIZE + 1)
        for page in pages:
            core.mark_written(page)
        if core.icount == self._tracked_from:
            self._late.update(pages)
        self._memory[first:end] = data

    def _note_hit(self, index: int, at: int, by: str | DmaName, first: int, data: bytes, through: int | None) -> None:
        watch, shift = self.ranges[index]
        virtual = (at + shift) & 0xFFFFFFFF
        low = virtual - ((first + shift) & 0xFFFFFFFF if watch.storage or through is None else through)
        high = min(len(data), low + watch.address + watch.length - virtual)
        changed = self._memory[first + low : first + high] != data[low:high]
        hit = self._change or WatchHit(watch, virtual, Access.WRITE)
        name = by if isinstance(by, str) else by.at(low)
        if changed and hit.by[-1:] != (name,):
            hit = replace(hit, by=(*hit.by, name)[:_MOST_NAMED])
        self._change = hit

    def take_change(self) -> WatchHit | None:
        """The first watched change since the last call, with all who made one; None: there was none."""
        change, self._change = self._change, None
        return change

    def take_late(self) -> list[int]:
        """The pages written since the last call while the CPU stood where it stood then; where it stands now counts for
        the next."""
        late = sorted(self._late)
        self._late.clear()
        self._tracked_from = self._core.icount
        return late
