"""Writes that are kept as they happen: by whom, where, what was there before and what is there now."""

from __future__ import annotations

from dataclasses import replace

from rdbg.emu.dma_name import DmaName
from rdbg.emu.machine_api import Space, Watch, Write, Writer

#: Spaces as the core numbers them (cpu_constants.pxd); those that a user never names.
VIRTUAL = 0
SPACES = {Space.MEMORY: 1, Space.DEVICE: 2}


class NotedWrites:
    """The writes to what one watch is for.

    Args:
        watch: which bytes.
    """

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.moment: tuple[int, int] | None = None  #: icount and PC before the step under way, or where the CPU stands
        self._writes: list[Write] = []
        self._begun = 0  # writes that there were when the step began
        extents = [(SPACES[extent.space], extent.address, extent.length, extent.virtual) for extent in watch.storage]
        self._ranges = extents or [(VIRTUAL, watch.address, watch.length, watch.address)]

    def take(self) -> list[Write]:
        """The writes since the last call, in order."""
        taken, self._writes = self._writes, []
        return taken

    def forget_after(self, icount: int) -> None:
        """The machine is put back to an earlier state: what was after it will happen again."""
        self._writes = [write for write in self._writes if write.after <= icount]

    def begin(self, icount: int, pc: int) -> None:
        """A step begins."""
        self.moment = icount, pc
        self._begun = len(self._writes)

    def end(self, icount: int, stores: list[tuple[int, int, int, bytes, bytes]]) -> None:
        """A step has ended, with these stores (of `CoreStops.take_noted`). What else it led to came after them."""
        assert self.moment is not None
        before, pc = self.moment
        self.moment = None
        others = [replace(write, after=icount) for write in self._writes[self._begun :]]
        del self._writes[self._begun :]
        for space, address, through, old, new in stores:
            was = old if space == SPACES[Space.MEMORY] else b""
            for write in self._asked(Writer.STORE, space, address, through, was, new):
                self._add_store(replace(write, before=before, after=icount, pc=pc))
        self._writes += others

    def change(
        self,
        writer: Writer,
        by: str | DmaName,
        address: int,
        old: bytes,
        new: bytes,
        here: tuple[int, int],
        between: bool,
    ) -> None:
        """Bytes of the machine's pages change by something else than a store.

        Args:
            writer, by: by what, and its name, or what gives that for each byte.
            address: first byte, in MEMORY.
            old, new: the bytes.
            here: icount and PC of the CPU.
            between: whether this happens between two instructions.
        """
        before, pc = (here[0], 0) if between else self.moment or here
        for write in self._asked(writer, SPACES[Space.MEMORY], address, None, old, new, by):
            self._writes.append(replace(write, before=before, after=before, pc=pc))

    def _add_store(self, write: Write) -> None:
        # swl and its like, and those of 64 bits, may come in pieces, from either end.
        last = self._writes[-1] if len(self._writes) > self._begun else None
        if last is not None and last.address + len(last.new) == write.address:
            write = replace(last, old=last.old + write.old, new=last.new + write.new)
            self._writes.pop()
        elif last is not None and write.address + len(write.new) == last.address:
            write = replace(write, old=write.old + last.old, new=write.new + last.new)
            self._writes.pop()
        self._writes.append(write)

    def _asked(
        self,
        writer: Writer,
        space: int,
        address: int,
        through: int | None,
        old: bytes,
        new: bytes,
        by: str | DmaName = "",
    ) -> list[Write]:
        """A write, cut to what is asked for; its place in the run is to be filled in."""
        found = []
        for kind, start, length, virtual in self._ranges:
            at = address if kind == space else through if kind == VIRTUAL else None
            if at is None:
                continue
            first, end = max(at, start), min(at + len(new), start + length)
            if first < end:
                low, high = first - at, end - at
                way = None if through is None else through + low
                name, detail = (by, "") if isinstance(by, str) else (by.at(low), by.detail_at(low))
                at_virtual = virtual + first - start
                found.append(Write(writer, 0, 0, 0, at_virtual, way, old[low:high], new[low:high], name, detail))
        return found
