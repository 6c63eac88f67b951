"""The receiver of the 82540EM (the manual's section 3.2): filters, buffers of several sizes, VLAN tags, statistics."""

from __future__ import annotations

import struct
from typing import Protocol

from rdbg.emu.devices.network.e1000 import e1000_registers as r
from rdbg.emu.devices.network.e1000.e1000_registers import RegisterFile
from rdbg.emu.devices.network.ethernet import (
    ADDRESS_SIZE,
    BROADCAST,
    FCS_SIZE,
    VLAN_SIZE,
    is_multicast,
    padded,
)

DESCRIPTOR_SIZE = 16
STATUS_PLACE = 12
DONE, ENDS, NO_CHECKSUM, VLAN_FRAME = 0x01, 0x02, 0x04, 0x08
RING_MOST = 4096  #: descriptors that are looked at for a frame: as many as drivers make
SHORT_MAX, LONG_MAX = 1522, 16384
_HASH_SHIFTS = (4, 3, 2, 0)
#: By RCTL's buffer size bits (17:16), plain and extended; 0 of the extended ones is reserved.
_BUFFER_SIZES = ((2048, 1024, 512, 256), (2048, 16384, 8192, 4096))


class ReceiverLine(Protocol):
    """The card, as its receiver uses it."""

    registers: RegisterFile

    def dma_read(self, address: int, size: int) -> bytes:
        """Bytes of memory."""

    def dma_write(self, address: int, data: bytes) -> None:
        """Write to memory."""


class Receiver:
    """The receive ring and the filters.

    Args:
        line: the card.
    """

    def __init__(self, line: ReceiverLine) -> None:
        self._line = line
        self.buffer_size = 0  #: bytes; 0 until RCTL was written
        self.threshold_shift = 1  #: an interrupt says so when less than 1 / 2**this of the ring is left

    def reset(self) -> None:
        """As at power-on."""
        self.buffer_size, self.threshold_shift = 0, 1

    def control(self, value: int) -> None:
        """A store to RCTL."""
        self.buffer_size = _BUFFER_SIZES[value >> 25 & 1][value >> 16 & 3]
        self.threshold_shift = (value >> 8 & 3) + 1

    # --- ring --------------------------------------------------------------------------------
    def free_descriptors(self) -> int:
        """How many descriptors the guest has given; below 0 if the head is outside of the ring."""
        registers = self._line.registers
        head, tail = registers[r.RDH], registers[r.RDT]
        return tail - head if head <= tail else registers[r.RDLEN] // DESCRIPTOR_SIZE + tail - head

    def has_room(self, size: int) -> bool:
        """Whether a frame of ``size`` bytes fits."""
        registers = self._line.registers
        if size <= self.buffer_size:
            return registers[r.RDH] != registers[r.RDT]
        return size <= self.free_descriptors() * self.buffer_size & 0xFFFF_FFFF

    def receive(self, frame: bytes) -> int:
        """Take a frame in, or drop it; gives the interrupt causes."""
        registers = self._line.registers
        frame = padded(frame)
        if self._is_oversized(len(frame)):
            registers.count(r.ROC)
            return 0
        if not self._passes(frame):
            return 0
        tag, status = 0, 0
        if registers[r.CTRL] & r.CTRL_VLAN and self._is_vlan(frame):
            tag, status = int.from_bytes(frame[14:16], "big"), VLAN_FRAME
            frame = frame[:12] + frame[12 + VLAN_SIZE :]
        total = len(frame) + (0 if registers[r.RCTL] & r.RCTL_STRIP_CRC else FCS_SIZE)
        if not self.has_room(total) or not self._fill(frame, total, tag, status):
            registers.count(r.RNBC)
            registers.count(r.MPC)
            return r.RX_OVERRUN
        self._count(len(frame), total)
        return r.RX_TIMER | (r.RX_THRESHOLD if self._is_low() else 0)

    def _fill(self, frame: bytes, total: int, tag: int, status: int) -> bool:
        """Put a frame into as many buffers as it needs; gives whether the ring was long enough."""
        registers = self._line.registers
        start = registers[r.RDH]
        base = registers[r.RDBAH] << 32 | registers[r.RDBAL] & ~0xF
        count = registers[r.RDLEN] // DESCRIPTOR_SIZE
        done = 0
        for _ in range(RING_MOST):
            if done >= total:
                return True
            size = min(total - done, self.buffer_size)
            place = base + DESCRIPTOR_SIZE * registers[r.RDH] & 0xFFFF_FFFF_FFFF_FFFF
            address, length, checksum, flags, errors, _ = struct.unpack(
                "<QHHBBH", self._line.dma_read(place, DESCRIPTOR_SIZE)
            )
            flags &= ~DONE
            if address:  # a descriptor without a buffer is skipped
                self._line.dma_write(address, frame[done : done + self.buffer_size])
                done += size
                length = size
                flags = flags | ENDS | NO_CHECKSUM if done >= total else flags & ~ENDS
            self._line.dma_write(place, struct.pack("<QHHBBH", address, length, checksum, flags, errors, tag))
            self._line.dma_write(place + STATUS_PLACE, bytes((flags | status | DONE,)))
            registers[r.RDH] += 1
            if registers[r.RDH] >= count:
                registers[r.RDH] = 0
            if registers[r.RDH] == start or start >= count:
                return False  # head outside of the ring, or a ring of descriptors without buffers
        return done >= total

    def _is_low(self) -> bool:
        registers = self._line.registers
        head, tail, length = registers[r.RDH], registers[r.RDT], registers[r.RDLEN]
        if tail < head:
            tail += length // DESCRIPTOR_SIZE
        return 0 <= (tail - head) * DESCRIPTOR_SIZE <= length >> self.threshold_shift

    def _count(self, size: int, total: int) -> None:
        registers = self._line.registers
        registers.count_size(r.PRC64, total)
        registers.count(r.TPR)
        registers.count(r.GPRC)
        registers.add(r.TORL, size + FCS_SIZE)
        registers.add(r.GORCL, size + FCS_SIZE)

    # --- filters -----------------------------------------------------------------------------
    def _is_oversized(self, size: int) -> bool:
        control = self._line.registers[r.RCTL]
        if control & r.RCTL_STORE_BAD:
            return False
        return size > LONG_MAX or (size > SHORT_MAX and not control & r.RCTL_LONG)

    def _is_vlan(self, frame: bytes) -> bool:
        return int.from_bytes(frame[12:14], "big") == self._line.registers[r.VET] & 0xFFFF

    def _passes(self, frame: bytes) -> bool:
        """VLAN filter, promiscuous modes, exact addresses, hash filter."""
        registers = self._line.registers
        control = registers[r.RCTL]
        if control & r.RCTL_VLAN_FILTER and self._is_vlan(frame):
            identifier = int.from_bytes(frame[14:16], "big")
            if not registers[r.VFTA + 4 * (identifier >> 5 & 0x7F)] >> (identifier & 0x1F) & 1:
                return False
        if not is_multicast(frame):
            if control & r.RCTL_UNICAST:
                return True
        elif control & r.RCTL_MULTICAST:
            registers.count(r.MPRC)
            return True
        if frame.startswith(BROADCAST) and control & r.RCTL_BROADCAST:
            registers.count(r.BPRC)
            return True
        return self._is_listed(frame)

    def _is_listed(self, frame: bytes) -> bool:
        registers = self._line.registers
        destination = int.from_bytes(frame[:ADDRESS_SIZE], "little")
        for place in range(r.RA, r.RA + 8 * r.RX_ADDRESSES, 8):
            high = registers[place + 4]
            if high & r.RAH_VALID and destination == (high & 0xFFFF) << 32 | registers[place]:
                return True
        shift = _HASH_SHIFTS[registers[r.RCTL] >> 12 & 3]
        bit = int.from_bytes(frame[4:6], "little") >> shift & 0xFFF
        if registers[r.MTA + 4 * (bit >> 5)] >> (bit & 0x1F) & 1:
            registers.count(r.MPRC)
            return True
        return False
