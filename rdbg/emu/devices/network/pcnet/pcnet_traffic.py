"""Frames on their way between the rings of the Am79C973 and the cable."""

from __future__ import annotations

import struct
from typing import Protocol

from rdbg.emu.devices.network.ethernet import (
    ADDRESS_SIZE,
    BROADCAST,
    FCS_SIZE,
    MINIMUM_SIZE,
    crc32_little,
    padded,
)
from rdbg.emu.devices.network.pcnet import pcnet_descriptors as d
from rdbg.emu.devices.network.pcnet import pcnet_registers as r
from rdbg.emu.devices.network.pcnet.pcnet_registers import PcnetRegisters
from rdbg.emu.pcnet_rings import PcnetRings, RingEntry

BUFFER_SIZE = 4096


class PcnetLine(Protocol):
    """The card, as its traffic uses it: memory and the cable."""

    def dma_read(self, address: int, size: int) -> bytes:
        """Bytes of memory."""

    def dma_write(self, address: int, data: bytes) -> None:
        """Write to memory."""

    @property
    def link_up(self) -> bool:
        """The cable is plugged in."""

    def send(self, frame: bytes) -> None:
        """Put a frame on the cable."""

    def loop_back(self, frame: bytes) -> None:
        """Hand the card a frame of its own."""


class PcnetTraffic:
    """The receiver and the transmitter.

    Args:
        registers: of the card.
        rings: of the card.
        line: the card.
    """

    def __init__(self, registers: PcnetRegisters, rings: PcnetRings, line: PcnetLine) -> None:
        self._registers = registers
        self._rings = rings
        self._line = line
        self.buffer = bytearray(BUFFER_SIZE)  #: the last frame, and what longer ones before it left behind it
        self._is_sending = False
        self._loop_fcs: bool | None = None  #: a frame of its own is received: whether an FCS is to be added

    def poll(self) -> None:
        """Look at both rings, and send what is there."""
        csr = self._registers.csr
        if csr[0] & r.RECEIVER_ON:
            self._rings.poll_receive()
        self._poll_transmit()

    def _poll_transmit(self) -> None:
        csr = self._registers.csr
        if csr[0] & r.TRANSMIT_DEMAND or (
            csr[0] & r.TRANSMITTER_ON and not csr[4] & r.DISABLE_POLLING and self._rings.poll_transmit()
        ):
            self.transmit()

    # --- reception ---------------------------------------------------------------------------
    def receive(self, frame: bytes) -> None:
        """Take a frame, drop it where the card is off or its filter says so, count it as missed without room."""
        registers = self._registers
        csr = registers.csr
        is_loop = self._loop_fcs is not None
        mode = csr[r.MODE]
        if mode & r.DISABLE_RECEIVER or registers.is_halted or not frame or (mode & r.LOOPBACK and not is_loop):
            return
        frame = padded(frame)
        match = self._match(frame)
        looks = csr[0] & r.RECEIVER_ON
        if match is not None:
            self._rings.poll_receive()
            if not csr[r.RX_STATUS] & d.OWNED and self._rings.receive_base:
                self._rings.find_receive()
            if csr[r.RX_STATUS] & d.OWNED:
                self._deliver(frame, match)
                looks = True
            else:
                csr[0] |= r.MISSED
                csr[r.MISSED_FRAMES] = csr[r.MISSED_FRAMES] + 1 & 0xFFFF
        if looks:
            self._rings.poll_receive()
        self._poll_transmit()

    def _match(self, frame: bytes) -> int | None:
        """Which filter lets a frame in, as the status bit that says so (0: promiscuous mode); None: none."""
        csr = self._registers.csr
        mode = csr[r.MODE]
        destination = frame[:ADDRESS_SIZE]
        if mode & r.PROMISCUOUS:
            return 0
        if not mode & r.NO_PHYSICAL and destination == struct.pack("<3H", *csr[r.PADR : r.PADR + 3]):
            return d.PHYSICAL
        if not mode & r.NO_BROADCAST and destination == BROADCAST:
            return d.BROADCAST_MATCH
        if destination[0] & 1:
            bit = crc32_little(destination) >> 26
            if csr[r.LADR + (bit >> 4)] >> (bit & 15) & 1:
                return d.HASHED
        return None

    def _deliver(self, frame: bytes, match: int) -> None:
        """Put a frame with its FCS into up to three buffers."""
        csr = self._registers.csr
        data, is_wrong = self._with_fcs(frame)
        current = self._registers.pair(r.CURRENT_RX)
        entry = self._rings.load(self._registers.physical(current))
        entry.status |= d.STARTS
        left = self._fill(current, entry, data)
        used = 1
        for pair in (r.NEXT_RX, r.AFTER_NEXT_RX):
            following = self._registers.pair(pair)
            if not left or not following:
                break
            entry = self._rings.load(self._registers.physical(following))
            if not entry.status & d.OWNED:
                break
            current = following
            left = self._fill(current, entry, left)
            used += 1
        entry = self._rings.load(self._registers.physical(current))
        if left:
            entry.status |= d.OVERFLOW | d.BUFFER_ERROR | d.FAILED
        else:
            entry.message = entry.message & ~d.COUNT_MASK | len(data)
            entry.status = entry.status & ~(d.PHYSICAL | d.HASHED | d.BROADCAST_MATCH) | d.ENDS | match
            if is_wrong:
                entry.status |= d.CRC_WRONG | d.FAILED
        self._rings.store(self._registers.physical(current), entry)
        csr[0] |= r.RECEIVE_INTERRUPT
        self._rings.advance_receive(used)

    def _fill(self, address: int, entry: RingEntry, data: bytes) -> bytes:
        """Put what fits into a descriptor's buffer and give it to the guest; gives what is left."""
        count = min(entry.size, len(data))
        self._line.dma_write(self._registers.physical(entry.buffer), data[:count])
        entry.status &= ~d.OWNED
        self._rings.store(self._registers.physical(address), entry)
        return data[count:]

    def _with_fcs(self, frame: bytes) -> tuple[bytes, bool]:
        """A frame as it is stored, and whether its FCS is wrong. Off the cable frames come without one: zeros stand for
        it. A frame of the card itself has one if it was added; if not, what follows it in the buffer stands for it."""
        buffer = self.buffer
        if self._loop_fcs is None:
            data = frame[: BUFFER_SIZE - FCS_SIZE] + bytes(FCS_SIZE)
            buffer[: len(data)] = data
            return data, False
        size = len(frame)
        sequence = crc32_little(bytes(buffer[:size])).to_bytes(4, "big")
        if self._loop_fcs or not self._registers.csr[r.MODE] & r.NO_FCS or size < MINIMUM_SIZE + FCS_SIZE:
            buffer[size : size + FCS_SIZE] = sequence
            return bytes(buffer[: size + FCS_SIZE]), False
        return bytes(buffer[:size]), buffer[size : size + FCS_SIZE] != sequence

    # --- transmission ------------------------------------------------------------------------
    def transmit(self) -> None:
        """Send what the transmit ring holds: each descriptor once at most."""
        csr = self._registers.csr
        if self._is_sending:
            return
        if not csr[0] & r.TRANSMITTER_ON:
            csr[0] &= ~r.TRANSMIT_DEMAND
            return
        self._is_sending = True
        try:
            self._send_ring()
        finally:
            self._is_sending = False

    def _send_ring(self) -> None:
        registers = self._registers
        csr = registers.csr
        filled: int | None = None  #: bytes of the frame so far; None: outside of one
        started = 0
        adds_fcs = False
        for _ in range(csr[r.TX_LENGTH]):
            if self._rings.poll_transmit():
                place = registers.physical(registers.pair(r.CURRENT_TX))
                entry = self._rings.load(place, is_transmit=True)
                if entry.status & d.STARTS:
                    filled, started = 0, place
                    if registers.style != 1:
                        adds_fcs = bool(entry.status & d.ADD_FCS)
                filled = self._send_buffer(entry, filled, adds_fcs)
                self._finish(entry)
            elif filled is not None:
                entry = self._rings.load(started, is_transmit=True)
                entry.message |= d.MISC_BUFFER | d.MISC_UNDERFLOW
                entry.status = (entry.status | d.FAILED) & ~d.OWNED
                self._rings.store(started, entry, is_transmit=True)
                csr[0] |= r.TRANSMIT_INTERRUPT
                if not csr[3] & r.DISABLE_TRANSMIT_STOP:
                    csr[0] &= ~r.TRANSMITTER_ON
                    return
            else:
                return

    def _send_buffer(self, entry: RingEntry, filled: int | None, adds_fcs: bool) -> int | None:
        """A descriptor's part of a frame, and at its end the frame; gives how much of the frame is there."""
        csr = self._registers.csr
        mode = csr[r.MODE]
        is_inside = mode & r.INTERNAL or self._registers.bcr[r.MISCELLANEOUS] & r.MAU_LOOPBACK
        if not self._line.link_up and not (mode & r.LOOPBACK and is_inside):
            entry.message |= d.MISC_NO_CARRIER
            entry.status |= d.FAILED
            csr[0] |= r.ERROR | r.COLLISION_ERROR
            return None
        if filled is None or filled + entry.size > BUFFER_SIZE - FCS_SIZE:
            return None
        end = filled + entry.size
        self.buffer[filled:end] = self._line.dma_read(self._registers.physical(entry.buffer), entry.size)
        if not entry.status & d.ENDS:
            return end
        frame = bytes(self.buffer[:end])
        if mode & r.LOOPBACK:
            if self._registers.style == 1:
                adds_fcs = not entry.status & d.ADD_FCS
            self._loop_fcs = adds_fcs
            self._line.loop_back(frame)
            self._loop_fcs = None
        else:
            self._line.send(frame)
        csr[0] &= ~r.TRANSMIT_DEMAND
        csr[4] |= r.TRANSMIT_START
        return None

    def _finish(self, entry: RingEntry) -> None:
        """Give the current transmit descriptor back to the guest."""
        registers = self._registers
        csr = registers.csr
        entry.status &= ~d.OWNED
        self._rings.store(registers.physical(registers.pair(r.CURRENT_TX)), entry, is_transmit=True)
        if not csr[5] & r.NO_TRANSMIT_OK_INTERRUPT or (
            csr[5] & r.LAST_TRANSMIT_INTERRUPT and entry.status & d.LAST_INTERRUPT
        ):
            csr[0] |= r.TRANSMIT_INTERRUPT
        self._rings.advance_transmit()
