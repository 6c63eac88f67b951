"""Direct memory access: devices that reach guest-physical memory on their own, as the bus resolves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from rdbg.emu.bus import PAGE_SHIFT, Bus, BusError, Claim
from rdbg.emu.dma_name import DmaName
from rdbg.emu.memory_map import PAGE_SIZE

#: Who reads and does not say so.
A_DEVICE = DmaName("a device's")
#: Bytes of the longest access that a device makes to another one's registers.
_WIDEST = 4


class DirectMemoryAccess:
    """A device's way over the bus.

    Memory is read and written in pieces as long as it lies together. Registers are accessed as a 32-bit bus does it: in
    words where the address allows, else in halves and bytes. An access by which another device begins one of its own
    (a descriptor ring that lies in registers) is refused to that one, as nothing that answers.

    Args:
        bus: resolves addresses.
        big_endian: byte order of the CPU, in which the bus gives values.
        read_bytes: bytes of the machine's pages, by first byte, size, and who reads them.
        stored_bytes: the same, and nobody is told.
        write_bytes: changes bytes of the machine's pages: first byte, the data, and who does it.
        address_bits: of guest-physical addresses; nothing answers beyond.
    """

    def __init__(
        self,
        bus: Bus,
        big_endian: bool,
        read_bytes: Callable[[int, int, DmaName], bytes],
        stored_bytes: Callable[[int, int], bytes],
        write_bytes: Callable[[int, bytes, DmaName], None],
        address_bits: int = 32,
    ) -> None:
        self._bus = bus
        self._order: Literal["big", "little"] = "big" if big_endian else "little"
        self._read_bytes = read_bytes
        self._stored_bytes = stored_bytes
        self._write_bytes = write_bytes
        self._end = 1 << address_bits
        self._in_registers = False

    def direct(self, address: int, size: int, write: bool) -> int:
        """How many of ``size`` bytes from ``address`` on lie in memory without a gap: not in registers, not where
        nothing is. 0: the first one does not."""
        return self._bus.direct(address, size, write)

    def read(self, address: int, size: int, by: DmaName = A_DEVICE) -> bytes:
        """Bytes from a guest-physical address on.

        Args:
            address: the first.
            size: how many.
            by: who reads.

        Raises:
            BusError: nothing answers at one of the addresses.
        """
        if address % PAGE_SIZE + size <= PAGE_SIZE:  # what most accesses are: on one page, of memory
            first = self._memory(address, write=False)
            if first is not None:
                return self._read_bytes(first, size, by)
        found: list[bytes] = []
        for at, length, first in self._pieces(address, size, write=False):
            if first is not None:
                found.append(self._read_bytes(first, length, by.after(at - address)))
            elif at < self._end and self._bus.ignored_page(at):
                found.append(bytes(length))
            else:
                found += self._read_registers(at, length)
        return found[0] if len(found) == 1 else b"".join(found)

    def look(self, address: int, size: int) -> bytes:
        """What a device would find from a guest-physical address on, as far as looking changes nothing: nobody is told,
        what stands in registers is not known and taken for ones, and zeros stand where nothing answers."""
        found: list[bytes] = []
        for at, length, first in self._pieces(address, size, write=False):
            if first is not None:
                found.append(self._stored_bytes(first, length))
            else:
                found.append((b"\xff" if self._has_registers(at) else b"\0") * length)
        return b"".join(found)

    def _has_registers(self, address: int) -> bool:
        known = 0 <= address < self._end and not self._bus.ignored_page(address)
        return known and self._bus.classify(address).claim is not Claim.NONE

    def _read_registers(self, address: int, size: int) -> Iterator[bytes]:
        at = address
        while at < address + size:
            width = _width(at, address + size - at)
            with self._registers(at, width, write=False):
                value = self._bus.read(at, width)
            yield value.to_bytes(width, self._order)
            at += width

    def write(self, address: int, data: bytes, by: DmaName) -> None:
        """Bytes to a guest-physical address on.

        Args:
            address: the first.
            data: the bytes.
            by: who writes.

        Raises:
            BusError: nothing answers at one of the addresses; what comes before it is written.
        """
        if address % PAGE_SIZE + len(data) <= PAGE_SIZE:
            first = self._memory(address, write=True)
            if first is not None:
                self._write_bytes(first, data, by)
                return
        for at, length, first in self._pieces(address, len(data), write=True):
            piece = data[at - address : at - address + length]
            if first is not None:
                self._write_bytes(first, piece, by.after(at - address))
            elif at >= self._end or not self._bus.stores_vanish(at):
                self._write_registers(at, piece)

    def _write_registers(self, address: int, data: bytes) -> None:
        done = 0
        while done < len(data):
            width = _width(address + done, len(data) - done)
            value = int.from_bytes(data[done : done + width], self._order)
            with self._registers(address + done, width, write=True):
                self._bus.write(address + done, width, value)
            done += width

    def _pieces(self, address: int, size: int, write: bool) -> Iterator[tuple[int, int, int | None]]:
        """(guest-physical address, bytes, first byte in the machine's pages) of what lies together; no first byte: the
        bus is to be asked for each access. A page is looked up when what comes before it is done: a store to a register
        may move it."""
        end, at = address + size, address
        begun: tuple[int, int] | None = None  # a piece of memory that is being put together: address, first byte
        while at < end:
            until = min(end, (at | (PAGE_SIZE - 1)) + 1)
            first = self._memory(at, write)
            if begun is not None and (first is None or first - begun[1] != at - begun[0]):
                yield begun[0], at - begun[0], begun[1]
                begun = None
            if first is None:
                yield at, until - at, None
            elif begun is None:
                begun = at, first
            at = until
        if begun is not None:
            yield begun[0], end - begun[0], begun[1]

    def _memory(self, address: int, write: bool) -> int | None:
        """The byte of the machine's pages that stands at an address, if it can be accessed directly."""
        if not 0 <= address < self._end:
            return None
        mapping = self._bus.classify(address)
        if mapping.backing_page is None or not (mapping.writable if write else mapping.readable):
            return None
        return (mapping.backing_page << PAGE_SHIFT) + address % PAGE_SIZE

    @contextmanager
    def _registers(self, address: int, size: int, write: bool) -> Iterator[None]:
        if self._in_registers or not 0 <= address < self._end:
            raise BusError(address, size, write)
        self._in_registers = True
        try:
            yield
        finally:
            self._in_registers = False


def _width(address: int, left: int) -> int:
    """Bytes of the next access to registers."""
    width = _WIDEST
    while address % width or width > left:
        width //= 2
    return width
