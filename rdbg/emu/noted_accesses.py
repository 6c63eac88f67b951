"""Accesses to ranges that somebody asks about, by anything but the CPU's instructions."""

from __future__ import annotations

from collections.abc import Sequence

from rdbg.emu.core import CoreNotes
from rdbg.emu.dma_name import DmaName
from rdbg.emu.probes import OtherAccess

#: Bytes of the longest access whose value is one number.
_NUMBER = 8
#: Bytes that conditions are told of a longer one.
_WORD = 4


class OtherAccesses:
    """Keeps what devices, resets, the host and the debugger access.

    Args:
        notes: numbers these and the instructions' accesses.
        big_endian: byte order of the guest.
    """

    def __init__(self, notes: CoreNotes, big_endian: bool) -> None:
        self._notes = notes
        self._order = "big" if big_endian else "little"
        self._kept: list[OtherAccess] = []
        #: Of each range that the core has armed: what to add to its addresses to have virtual ones. Empty: nothing is
        #: asked for.
        self.ranges: Sequence[int] = ()

    def change(self, first: int, before: bytes, data: bytes, by: str | DmaName) -> None:
        """Bytes of the machine's pages are about to change.

        Args:
            first: the first.
            before, data: what they are, and become.
            by: who changes them.
        """
        self._note(first, before, data, by, True)

    def read(self, first: int, data: bytes, by: DmaName) -> None:
        """A device has read bytes of the machine's pages."""
        self._note(first, b"", data, by, False)

    def _note(self, first: int, before: bytes, data: bytes, by: str | DmaName, is_write: bool) -> None:
        notes = self._notes
        for index, at, low, high in notes.noted_parts(first, first + len(data) - 1, not is_write):
            virtual = (at + self.ranges[index]) & 0xFFFFFFFF
            old, new = before[low : high + 1], data[low : high + 1]
            number = notes.next_access(virtual, len(new), self._number(new), self._number(old) if is_write else None)
            if number is not None:
                icount, pc = notes.access_place
                name = by if isinstance(by, str) else by.at(low)
                self._kept.append(OtherAccess(number, icount, pc, is_write, virtual, old, new, name))

    def _number(self, data: bytes) -> int:
        """What conditions are told of bytes: of many, their first word."""
        return int.from_bytes(data if len(data) <= _NUMBER else data[:_WORD], self._order)  # type: ignore[arg-type]

    def take(self) -> list[OtherAccess]:
        """Those since the last call, in order."""
        taken, self._kept = self._kept, []
        return taken

    def drop_from(self, icount: int) -> None:
        """The machine will be put back to ``icount``, and run from there once more: what was between instructions
        there has been, and does not come again."""
        self._kept = [each for each in self._kept if each.icount < icount or each.pc is None and each.icount == icount]
