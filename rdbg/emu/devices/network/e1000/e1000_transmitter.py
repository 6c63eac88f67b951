"""The transmitter of the 82540EM (the manual's section 3.3): legacy, context and data descriptors, checksum and TCP
segmentation offload, VLAN tags, statistics."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Protocol

from rdbg.emu.device import State
from rdbg.emu.devices.fields import BYTE, FLAG, HALF, Bytes, Fields, Number, load_field
from rdbg.emu.devices.network.e1000 import e1000_registers as r
from rdbg.emu.devices.network.e1000.e1000_registers import RegisterFile
from rdbg.emu.devices.network.ethernet import BROADCAST, FCS_SIZE, VLAN_SIZE, is_multicast, ones_sum

DESCRIPTOR_SIZE = 16
DATA_MAX = 1 << 16
HEADER_MAX = 256
BATCH = 4096  #: descriptors, and segments, at a time: as many descriptors as drivers make

# The second word of a descriptor.
DATA_TYPE, END, REPORT, REPORT_SENT, EXTENDED, VLAN, DELAY = (
    0x0010_0000, 0x0100_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000, 0x8000_0000,
)  # fmt: skip
SEGMENTED = 0x0400_0000  #: in extended ones
CONTEXT_TCP, CONTEXT_IPV4 = 0x0100_0000, 0x0200_0000
DONE, ERRORS = 0x01, 0x0E  #: in the third word
IP_CHECKSUM, TCP_CHECKSUM = 0x01, 0x02  #: in its second byte, of data descriptors
PUSH_AND_FIN = 0x09


class TransmitterLine(Protocol):
    """The card, as its transmitter uses it."""

    registers: RegisterFile

    def dma_read(self, address: int, size: int) -> bytes:
        """Bytes of memory."""

    def dma_write(self, address: int, data: bytes) -> None:
        """Write to memory."""

    def transmit(self, frame: bytes) -> None:
        """A frame goes to the cable, or back into the card."""

    def delay_interrupt(self) -> None:
        """A descriptor asks for its interrupt to be delayed."""


@dataclass
class TransmitContext:
    """What a context descriptor says of the frames that follow: starts, ends and places of checksums, in bytes."""

    ip_start: int = 0
    ip_place: int = 0
    ip_end: int = 0
    tcp_start: int = 0
    tcp_place: int = 0
    tcp_end: int = 0
    payload: int = 0
    header: int = 0
    segment: int = 0
    is_ipv4: bool = False
    is_tcp: bool = False

    @classmethod
    def from_descriptor(cls, data: bytes) -> TransmitContext:
        """Read a context descriptor."""
        ip_start, ip_place, ip_end, tcp_start, tcp_place, tcp_end, command, _, header, segment = struct.unpack(
            "<BBHBBHIBBH", data
        )
        return cls(
            ip_start, ip_place, ip_end, tcp_start, tcp_place, tcp_end, command & 0xF_FFFF, header, segment,
            bool(command & CONTEXT_IPV4), bool(command & CONTEXT_TCP),
        )  # fmt: skip

    def saved(self) -> State:
        """All values."""
        return dict(vars(self))


_CONTEXT_KINDS: Fields = {
    "ip_start": BYTE, "ip_place": BYTE, "ip_end": HALF, "tcp_start": BYTE, "tcp_place": BYTE, "tcp_end": HALF,
    "payload": Number(0, 0xF_FFFF), "header": BYTE, "segment": HALF, "is_ipv4": FLAG, "is_tcp": FLAG,
}  # fmt: skip
_FIELDS: Fields = {
    "start": Number(0, 0xFFFF, optional=True),
    "checksums": BYTE, "is_segmented": FLAG, "segments": HALF, "needs_vlan": FLAG, "vlan_tag": Bytes(4, 4),
    "header": Bytes(HEADER_MAX, HEADER_MAX), "data": Bytes(0, DATA_MAX),
}  # fmt: skip


@dataclass
class Transmitter:
    """The transmit ring and the frame that is being put together.

    Args:
        line: the card.
    """

    line: TransmitterLine
    plain: TransmitContext = field(default_factory=TransmitContext)  #: for frames that are not cut into segments
    segmenting: TransmitContext = field(default_factory=TransmitContext)
    checksums: int = 0
    is_segmented: bool = False
    segments: int = 0  #: of this frame, sent so far
    needs_vlan: bool = False
    vlan_tag: bytes = bytes(4)
    header: bytes = bytes(HEADER_MAX)  #: to be repeated in each segment
    data: bytes = b""  #: of the frame so far
    start: int | None = None  #: where it began with what is not all sent yet
    _is_busy: bool = False
    _left: int = 0  #: of the batch

    def reset(self) -> None:
        """Nothing has been put together."""
        self.__init__(self.line)  # type: ignore[misc]

    # --- ring --------------------------------------------------------------------------------
    def run(self, goes_on: bool = False) -> int:
        """Send what the guest has put into the ring, once around at most; gives the interrupt causes.

        Args:
            goes_on: with what `is_unfinished` left, not anew.
        """
        if not self.line.registers[r.TCTL] & r.TCTL_ENABLE or self._is_busy:
            return 0
        self._is_busy = True
        try:
            causes = self._send_ring(goes_on)
        finally:
            self._is_busy = False
        return causes if self.is_unfinished else causes | r.TX_QUEUE_EMPTY

    def _send_ring(self, goes_on: bool) -> int:
        registers, causes = self.line.registers, 0
        start = self.start if goes_on and self.start is not None else registers[r.TDH]
        self.start = None
        base = registers[r.TDBAH] << 32 | registers[r.TDBAL] & ~0xF
        count = registers[r.TDLEN] // DESCRIPTOR_SIZE
        self._left = BATCH
        while registers[r.TDH] != registers[r.TDT]:
            if self._left <= 0:
                self.start = start
                break
            self._left -= 1
            place = base + DESCRIPTOR_SIZE * registers[r.TDH] & 0xFFFF_FFFF_FFFF_FFFF
            descriptor = self.line.dma_read(place, DESCRIPTOR_SIZE)
            self._process(descriptor)
            causes |= self._write_back(place, descriptor)
            registers[r.TDH] += 1
            if registers[r.TDH] >= count:
                registers[r.TDH] = 0
            if registers[r.TDH] == start or start >= count:
                break  # a tail outside of the ring
        return causes

    @property
    def is_unfinished(self) -> bool:
        """So much was in the ring that the rest is to be sent a moment later."""
        return self.start is not None

    def _write_back(self, place: int, descriptor: bytes) -> int:
        _, lower, upper = struct.unpack("<QII", descriptor)
        if not lower & (REPORT | REPORT_SENT):
            return 0
        self.line.dma_write(place + 12, ((upper | DONE) & ~ERRORS).to_bytes(4, "little"))
        return r.TX_WRITTEN_BACK

    def _process(self, descriptor: bytes) -> None:
        address, lower, upper = struct.unpack("<QII", descriptor)
        if lower & DELAY:
            self.line.delay_interrupt()
        if lower & EXTENDED and not lower & DATA_TYPE:
            context = TransmitContext.from_descriptor(descriptor)
            if lower & SEGMENTED:
                self.segmenting, self.segments = context, 0
            else:
                self.plain = context
            return
        is_data = lower & EXTENDED != 0
        if is_data and not self.data:
            self.checksums = upper >> 8 & 0xFF
        self.is_segmented = is_data and lower & SEGMENTED != 0
        registers = self.line.registers
        if registers[r.CTRL] & r.CTRL_VLAN and lower & VLAN and (self.is_segmented or lower & END):
            self.needs_vlan = True
            self.vlan_tag = struct.pack(">HH", registers[r.VET] & 0xFFFF, upper >> 16)
        size = lower & 0xFFFF
        if self.is_segmented:
            self._gather_segments(address, size)
        else:
            self._gather(address, min(size, DATA_MAX - len(self.data)))
        if lower & END:
            if not (self.is_segmented and len(self.data) < self.segmenting.header):
                self._send()
            self.data = b""
            self.checksums = self.segments = 0
            self.needs_vlan = self.is_segmented = False

    def _gather(self, address: int, size: int) -> None:
        self.data += self.line.dma_read(address, size)
        if len(self.data) == DATA_MAX:
            self.data = b""  # the size has 16 bits

    def _gather_segments(self, address: int, size: int) -> None:
        """Take a descriptor's bytes; each time that a segment is full, send it and start the next with the header."""
        header = self.segmenting.header
        full = header + self.segmenting.segment
        while size and len(self.data) < full:
            count = min(size, full - len(self.data), DATA_MAX - len(self.data))
            before, total = len(self.data), len(self.data) + count
            data = self.data + self.line.dma_read(address, count)
            if before < header <= total:
                self.header = data[:header] + self.header[header:]
            self.data = data if total < DATA_MAX else b""
            address, size = address + count & 0xFFFF_FFFF_FFFF_FFFF, size - count
            if total == full:
                self._left -= 1
                self._send()
                self.data = self.header[:header]
            if not count:
                break

    # --- frames ------------------------------------------------------------------------------
    def _send(self) -> None:
        """Send what was gathered, with what the context asks for."""
        size = len(self.data)
        frame = bytearray(self.data.ljust(HEADER_MAX + 32, b"\0"))
        context = self.segmenting if self.is_segmented else self.plain
        if self.is_segmented:
            self._edit_headers(frame, size, context)
        if self.checksums & TCP_CHECKSUM:
            _put_checksum(frame, size, context.tcp_place, context.tcp_start, context.tcp_end)
        if self.checksums & IP_CHECKSUM:
            _put_checksum(frame, size, context.ip_place, context.ip_start, context.ip_end)
        sent = bytes(frame[:size])
        if self.needs_vlan:
            sent = (bytes(frame[:12]) + self.vlan_tag + sent[12:])[: size + VLAN_SIZE]
        self.line.transmit(sent)
        self._count(sent, size)

    def _count(self, sent: bytes, size: int) -> None:
        registers = self.line.registers
        if sent.startswith(BROADCAST):
            registers.count(r.BPTC)
        elif sent and is_multicast(sent):
            registers.count(r.MPTC)
        registers.count_size(r.PTC64, len(sent) + FCS_SIZE)
        registers.count(r.TPT)
        registers.add(r.TOTL, size + FCS_SIZE)
        registers.count(r.GPTC)
        registers.add(r.GOTCL, size + FCS_SIZE)

    def _edit_headers(self, frame: bytearray, size: int, context: TransmitContext) -> None:
        """Lengths, identification, sequence number and flags of one segment."""
        ip = context.ip_start
        if context.is_ipv4:
            _put_half(frame, ip + 2, size - ip)
            _put_half(frame, ip + 4, _half(frame, ip + 4) + self.segments)
        else:
            _put_half(frame, ip + 4, size - ip)
        tcp = context.tcp_start
        length = size - tcp & 0xFFFF
        if context.is_tcp:
            so_far = self.segments * context.segment
            sequence = int.from_bytes(frame[tcp + 4 : tcp + 8], "big") + so_far & 0xFFFF_FFFF
            frame[tcp + 4 : tcp + 8] = sequence.to_bytes(4, "big")
            if context.payload - so_far & 0xFFFF_FFFF > context.segment:
                frame[tcp + 13] &= ~PUSH_AND_FIN
            elif self.segments:
                self.line.registers.count(r.TSCTC)
        else:
            _put_half(frame, tcp + 4, length)
        if self.checksums & TCP_CHECKSUM:
            total = _half(frame, context.tcp_place) + length  # of the pseudo header
            _put_half(frame, context.tcp_place, (total >> 16) + (total & 0xFFFF))
        self.segments = self.segments + 1 & 0xFFFF

    # --- state -------------------------------------------------------------------------------
    def saved(self) -> State:
        """Contexts, and the frame that is being put together."""
        return {"plain": self.plain.saved(), "segmenting": self.segmenting.saved()} | {
            name: getattr(self, name) for name in _FIELDS
        }

    def load(self, device: str, state: State) -> None:
        """Take back what ``saved`` gave.

        Args:
            device: name of the device, for errors.
            state: what it gave.
        """
        for name in ("plain", "segmenting"):
            values = state.get(name)
            values = values if isinstance(values, dict) else {}
            context = TransmitContext()
            for key, kind in _CONTEXT_KINDS.items():
                setattr(context, key, load_field(device, key, kind, values))
            setattr(self, name, context)
        for name, kind in _FIELDS.items():
            setattr(self, name, load_field(device, name, kind, state))


def _half(frame: bytearray, place: int) -> int:
    return int.from_bytes(frame[place : place + 2], "big")


def _put_half(frame: bytearray, place: int, value: int) -> None:
    frame[place : place + 2] = (value & 0xFFFF).to_bytes(2, "big")


def _put_checksum(frame: bytearray, size: int, place: int, start: int, end: int) -> None:
    """Put the Internet checksum of bytes ``start`` to ``end`` (0: the last) into a frame, if its place is in it."""
    if end and end < size:
        size = end + 1
    if place < size - 1 or not size:
        _put_half(frame, place, ~ones_sum(bytes(frame[start:size])) & 0xFFFF or 0xFFFF)
