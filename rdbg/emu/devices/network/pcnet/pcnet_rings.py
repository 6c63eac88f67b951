"""Descriptors of the Am79C973 in memory, and the two rings that they form (its data sheet, chapter 'Descriptors').

A ring's index counts down from its length to 1; descriptor ``length - index`` is the current one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Protocol

from rdbg.emu.devices.network.pcnet.pcnet_registers import (
    AFTER_NEXT_RX,
    CURRENT_RX,
    CURRENT_TX,
    NEXT_COUNT,
    NEXT_RX,
    NEXT_STATUS,
    PREVIOUS_TX,
    RX_COUNT,
    RX_INDEX,
    RX_LENGTH,
    RX_STATUS,
    SIZE32,
    SOFTWARE_STYLE,
    STYLE_MASK,
    TX_COUNT,
    TX_INDEX,
    TX_LENGTH,
    TX_STATUS,
    PcnetRegisters,
)

# Status of both kinds of descriptors.
OWNED, FAILED, STARTS, ENDS = 0x8000, 0x4000, 0x0200, 0x0100
# Of receive descriptors.
OVERFLOW, CRC_WRONG, BUFFER_ERROR, PHYSICAL, HASHED, BROADCAST_MATCH = 0x1000, 0x0800, 0x0400, 0x0040, 0x0020, 0x0010
# Of transmit descriptors.
ADD_FCS, LAST_INTERRUPT = 0x2000, 0x1000
MISC_BUFFER, MISC_UNDERFLOW, MISC_NO_CARRIER = 0x8000_0000, 0x4000_0000, 0x0800_0000

COUNT_MASK, ONES = 0x0FFF, 0xF000
BUFFER_MAX = 4096
_WIDE = struct.Struct("<IHHII")
_NARROW = struct.Struct("<IHH")
#: Bytes whose highest bit is not set.
_NOT_OWNED = bytes(range(0x80))
SWAPPED_STYLE = 3  #: the address is the third word, not the first


class RingMemory(Protocol):
    """The bus, as the rings use it."""

    def dma_read(self, address: int, size: int) -> bytes:
        """Bytes of memory."""

    def dma_write(self, address: int, data: bytes) -> None:
        """Write to memory."""


@dataclass(slots=True)
class RingEntry:
    """A descriptor, whatever its layout in memory.

    Args:
        buffer: address of its buffer, 24 or 32 bits.
        length: two's complement of the buffer's size in bytes, with ones in the high four bits.
        status: 16 bits.
        message: length of a received message, or what else is to be said of a transmission: 32 bits.
        reserved: the fourth word.
    """

    buffer: int
    length: int
    status: int
    message: int
    reserved: int = 0

    @property
    def size(self) -> int:
        """Bytes in the buffer, 1 to 4096."""
        return BUFFER_MAX - (self.length & COUNT_MASK)


class PcnetRings:
    """Both rings, where the registers say.

    Args:
        registers: of the card.
        memory: where the rings are.
    """

    def __init__(self, registers: PcnetRegisters, memory: RingMemory) -> None:
        self._registers = registers
        self._memory = memory
        self.receive_base = 0  #: physical address; 0: none
        self.transmit_base = 0

    @property
    def step(self) -> int:
        """Bytes from one descriptor to the next."""
        return 16 if self._registers.style else 8

    @property
    def _size(self) -> int:
        return _WIDE.size if self._registers.is_32bit else _NARROW.size

    # --- descriptors -------------------------------------------------------------------------
    def load(self, address: int, is_transmit: bool = False) -> RingEntry:
        """The descriptor at a physical address."""
        return self._entry(self._memory.dma_read(address, self._size), 0, is_transmit)

    def _entry(self, data: bytes, at: int, is_transmit: bool = False) -> RingEntry:
        bits = self._registers.bcr[SOFTWARE_STYLE]
        if bits & SIZE32:
            first, length, status, third, reserved = _WIDE.unpack_from(data, at)
            if bits & STYLE_MASK == SWAPPED_STYLE:
                first, third = third, first
            return RingEntry(first, length, status, third, reserved)
        first, length, last = _NARROW.unpack_from(data, at)
        message = last << 16 if is_transmit else last
        return RingEntry(first & 0xFF_FFFF, length, first >> 16 & 0xFF00, message)

    def store(self, address: int, value: RingEntry, is_transmit: bool = False) -> None:
        """Write a descriptor back."""
        if self._registers.is_32bit:
            first, third = value.buffer, value.message
            if self._registers.style == SWAPPED_STYLE:
                first, third = third, first
            data = _WIDE.pack(first, value.length, value.status, third, value.reserved)
        else:
            first = value.buffer & 0xFF_FFFF | (value.status & 0xFF00) << 16
            last = value.message >> 16 if is_transmit else value.message
            data = _NARROW.pack(first, value.length, last & 0xFFFF)
        self._memory.dma_write(address, data)

    def _look(self, address: int, seen: dict[int, RingEntry]) -> RingEntry:
        """The descriptor at a physical address, read once by each poll."""
        entry = seen.get(address)
        if entry is None:
            entry = seen[address] = self.load(address)
        return entry

    # --- reception ---------------------------------------------------------------------------
    def receive_address(self, index: int) -> int:
        """Physical address of the receive descriptor at an index; below 1 it goes on at the ring's other end."""
        length = self._registers.csr[RX_LENGTH]
        if index < 1:
            index = index % length or length
        return self.receive_base + (length - index) * self.step & 0xFFFF_FFFF

    def poll_receive(self) -> None:
        """Look at the current receive descriptor and the two after it."""
        registers = self._registers
        seen: dict[int, RingEntry] = {}
        csr = registers.csr
        registers.set_pair(CURRENT_RX, 0)
        if self.receive_base:
            index = csr[RX_INDEX]
            current = self.receive_address(index)
            step, size = self.step, self._size
            if 2 < index <= csr[RX_LENGTH] and current + 2 * step + size <= 1 << 32:  # all three lie together
                data = self._memory.dma_read(current, 2 * step + size)
                seen = {current + at: self._entry(data, at) for at in (0, step, 2 * step)}
            if _is_sound(self._look(current, seen)):
                following = self.receive_address(index - 1)
                after = self.receive_address(index - 2)
                is_sound = _is_sound(self._look(following, seen))
                if not is_sound or following == current:
                    following = 0
                is_sound = _is_sound(self._look(after, seen)) and is_sound
                if not is_sound or after == current:
                    after = 0
                registers.set_pair(CURRENT_RX, current)
                registers.set_pair(NEXT_RX, following)
                registers.set_pair(AFTER_NEXT_RX, after)
        for place, count, status in ((CURRENT_RX, RX_COUNT, RX_STATUS), (NEXT_RX, NEXT_COUNT, NEXT_STATUS)):
            address = registers.pair(place)
            if address:
                found = self._look(registers.physical(address), seen)
                csr[count], csr[status] = found.length & COUNT_MASK, found.status
            else:
                csr[count] = csr[status] = 0

    def find_receive(self) -> None:
        """Go on to the next receive descriptor that the card owns, if there is one."""
        csr = self._registers.csr
        length, index = csr[RX_LENGTH], csr[RX_INDEX] - 1
        for _ in range(length - 1):
            if index <= 1:
                index = length
            if self.load(self.receive_base + (length - index) * self.step & 0xFFFF_FFFF).status & OWNED:
                csr[RX_INDEX] = index
                self.poll_receive()
                return
            index -= 1

    def advance_receive(self, count: int) -> None:
        """Leave some descriptors behind."""
        csr = self._registers.csr
        for _ in range(count):
            csr[RX_INDEX] = csr[RX_LENGTH] if csr[RX_INDEX] <= 1 else csr[RX_INDEX] - 1

    def owned_receive(self, most: int) -> int:
        """How many receive descriptors the card owns.

        Args:
            most: descriptors to look at.
        """
        if not self.receive_base:
            return 0
        count = min(self._registers.csr[RX_LENGTH], most)
        data = self._memory.dma_read(self.receive_base, count * self.step)
        place = 7 if self._registers.is_32bit else 3  # of the byte with the bit
        return len(data[place :: self.step].translate(None, _NOT_OWNED))

    # --- transmission ------------------------------------------------------------------------
    def poll_transmit(self) -> bool:
        """Look at the current transmit descriptor; gives whether the card owns it."""
        registers = self._registers
        seen: dict[int, RingEntry] = {}
        csr = registers.csr
        registers.set_pair(CURRENT_TX, 0)
        if self.transmit_base:
            address = self.transmit_base + (csr[TX_LENGTH] - csr[TX_INDEX]) * self.step & 0xFFFF_FFFF
            if address and self._look(address, seen).length & ONES == ONES:
                registers.set_pair(PREVIOUS_TX, 0)
                csr[PREVIOUS_TX + 2], csr[PREVIOUS_TX + 3] = csr[TX_COUNT], csr[TX_STATUS]
                registers.set_pair(CURRENT_TX, address)
        address = registers.pair(CURRENT_TX)
        if address:
            found = self._look(registers.physical(address), seen)
            csr[TX_COUNT], csr[TX_STATUS] = found.length & COUNT_MASK, found.status
        else:
            csr[TX_COUNT] = csr[TX_STATUS] = 0
        return bool(csr[TX_STATUS] & OWNED)

    def advance_transmit(self) -> None:
        """Leave a descriptor behind."""
        csr = self._registers.csr
        csr[TX_INDEX] = csr[TX_LENGTH] if csr[TX_INDEX] <= 1 else csr[TX_INDEX] - 1


def _is_sound(entry: RingEntry) -> bool:
    """Whether what is there can be a receive descriptor."""
    return entry.length & ONES == ONES and not entry.message & ONES
