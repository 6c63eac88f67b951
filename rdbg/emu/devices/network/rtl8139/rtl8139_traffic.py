"""Frames on their way between memory and the cable, in both modes of the RTL8139C+: four transmit buffers and a receive
ring of bytes, or (C+) rings of descriptors."""

from __future__ import annotations

import struct
from dataclasses import asdict, dataclass, field
from typing import Protocol

from rdbg.emu.device import State
from rdbg.emu.devices.fields import DOUBLE, FLAG, HALF, WORD, Bytes, Fields, Number, load_field
from rdbg.emu.devices.network.ethernet import (
    ADDRESS_SIZE,
    BROADCAST,
    FCS_SIZE,
    MINIMUM_SIZE,
    VLAN_SIZE,
    VLAN_TYPE,
    crc32_big,
    frame_check_sequence,
    padded,
)
from rdbg.emu.devices.network.rtl8139 import rtl8139_registers as r
from rdbg.emu.devices.network.rtl8139.rtl8139_offload import offloaded

DESCRIPTOR_SIZE = 16
BUFFER_MAX = 0x10000
RING_MAX = 64  #: transmit descriptors, and how many are sent at a time

# The first word of descriptors, of both kinds.
OWNED, LAST_OF_RING, FIRST, LAST = 0x8000_0000, 0x4000_0000, 0x2000_0000, 0x1000_0000
TX_SIZE, TX_ERRORS, TX_ADD_TAG = 0xFFFF, 0x02F0_0000, 0x0002_0000  #: the last one in the second word
RX_SIZE, RX_MULTICAST, RX_PHYSICAL, RX_BROADCAST = 0x1FFF, 0x0400_0000, 0x0200_0000, 0x0100_0000
RX_TAG_FOUND, TAG = 0x0001_0000, 0xFFFF  #: in the second word
_RX_KINDS = {r.HEAD_BROADCAST: RX_BROADCAST, r.HEAD_MULTICAST: RX_MULTICAST, r.HEAD_PHYSICAL: RX_PHYSICAL, 0: 0}


@dataclass
class TallyCounters:
    """The tally counters (data sheet, section 6.3), in the order in which they are dumped."""

    sent: int = 0
    received: int = 0
    send_errors: int = 0
    receive_errors: int = 0
    missed: int = 0
    alignment_errors: int = 0
    one_collision: int = 0
    more_collisions: int = 0
    received_physical: int = 0
    received_broadcast: int = 0
    received_multicast: int = 0
    aborted: int = 0
    underruns: int = 0

    def dumped(self) -> bytes:
        """The 64 bytes in memory."""
        return struct.pack("<QQQIHHIIQQIHH", *asdict(self).values())

    def count(self, name: str) -> None:
        """Count one."""
        mask = _COUNTERS[name].high
        setattr(self, name, getattr(self, name) + 1 & mask)


_COUNTERS: dict[str, Number] = dict(
    zip(
        asdict(TallyCounters()),
        (DOUBLE, DOUBLE, DOUBLE, WORD, HALF, HALF, WORD, WORD, DOUBLE, DOUBLE, WORD, HALF, HALF),
        strict=True,
    )
)


class Rtl8139Line(Protocol):
    """The card, as its traffic uses it."""

    receive_config: int
    transmit_config: int
    plus_command: int
    chip_command: int
    address: bytearray
    hash_filter: bytearray

    def dma_read(self, address: int, size: int) -> bytes:
        """Bytes of memory."""

    def dma_write(self, address: int, data: bytes) -> None:
        """Write to memory."""

    def send(self, frame: bytes) -> None:
        """Put a frame on the cable."""

    def loop_back(self, frame: bytes) -> None:
        """Hand the card a frame of its own."""

    def interrupt(self, causes: int) -> None:
        """Ask for an interrupt."""


@dataclass
class Rtl8139Traffic:
    """The receiver and the transmitter.

    Args:
        line: the card.
    """

    line: Rtl8139Line
    transmit_status: list[int] = field(default_factory=lambda: [r.TX_HOST_OWNS] * r.TX_DESCRIPTORS)
    transmit_address: list[int] = field(default_factory=lambda: [0] * r.TX_DESCRIPTORS)
    transmit_index: int = 0
    plus_transmit_index: int = 0
    plus_receive_index: int = 0
    ring_low: int = 0
    ring_high: int = 0
    buffer: int = 0  #: address of the receive buffer
    buffer_size: int = r.BUFFER_SMALLEST
    read_place: int = 0
    write_place: int = 0
    missed: int = 0
    is_plus: bool = False  #: the C+ command register was written
    gathered: bytes = b""  #: of a frame in several descriptors
    statistics: TallyCounters = field(default_factory=TallyCounters)

    def chip_reset(self) -> None:
        """What a reset of the chip changes; the addresses of the transmit buffers and the missed frames stay."""
        self.transmit_status = [r.TX_HOST_OWNS] * r.TX_DESCRIPTORS
        self.transmit_index = self.plus_transmit_index = self.plus_receive_index = 0
        self.ring_low = self.ring_high = self.buffer = 0
        self.reset_buffer(r.BUFFER_SMALLEST)
        self.is_plus = False
        self.statistics = TallyCounters()

    def reset_buffer(self, size: int) -> None:
        """Start anew with the receive buffer."""
        self.buffer_size = size
        self.read_place = self.write_place = 0

    # --- transmission from four buffers ------------------------------------------------------
    def write_status(self, number: int, value: int) -> None:
        """A store to a transmit status register: it starts a transmission; in C+ mode it may dump the statistics."""
        if self.is_plus:
            self.transmit_status[number] = value
            if number == 0 and value & r.DUMP:
                self.line.dma_write(value & ~0x3F | self.transmit_status[1] << 32, self.statistics.dumped())
                self.transmit_status[0] &= ~r.DUMP
            return
        kept = self.transmit_status[number] & r.TX_STATUS_KEPT
        self.transmit_status[number] = value & ~r.TX_RESET_BY_STORE & ~r.TX_STATUS_KEPT | kept
        self._transmit_next()

    def _transmit_next(self) -> None:
        number = self.transmit_index
        status = self.transmit_status[number]
        if not self.line.chip_command & r.COMMAND_TRANSMIT or status & r.TX_HOST_OWNS:
            return
        frame = self.line.dma_read(self.transmit_address[number], status & r.TX_SIZE_MASK)
        self.transmit_status[number] |= r.TX_HOST_OWNS | r.TX_STATUS_OK
        self._send(frame, None)
        self.line.interrupt(r.TX_OK)
        self.transmit_index = (number + 1) % r.TX_DESCRIPTORS

    def _send(self, frame: bytes, tag: bytes | None) -> None:
        """A frame goes to the cable or back into the card, with a VLAN tag or without."""
        size = len(frame)
        if tag is not None and size >= 2 * ADDRESS_SIZE:
            frame = frame[: 2 * ADDRESS_SIZE] + tag + frame[2 * ADDRESS_SIZE :]
        if not size:
            return
        if self.line.transmit_config & r.LOOPBACK == r.LOOPBACK:
            self.line.loop_back(frame[:size])
        else:
            self.line.send(frame)

    # --- transmission from descriptors -------------------------------------------------------
    def plus_transmit(self) -> None:
        """Send what the ring of descriptors holds: at most 64 of them."""
        count = 0
        while count < RING_MAX and self._plus_transmit_next():
            count += 1
        if count:
            self.line.interrupt(r.TX_OK)

    def _plus_transmit_next(self) -> bool:
        line = self.line
        if not line.chip_command & r.COMMAND_TRANSMIT or not line.plus_command & r.PLUS_TRANSMIT:
            return False
        base = self.transmit_address[0] | self.transmit_address[1] << 32
        place = base + DESCRIPTOR_SIZE * self.plus_transmit_index & 0xFFFF_FFFF_FFFF_FFFF
        first, second, address = struct.unpack("<IIQ", line.dma_read(place, DESCRIPTOR_SIZE))
        if not first & OWNED:
            return False
        if first & FIRST:
            self.gathered = b""
        size = min(first & TX_SIZE, BUFFER_MAX - len(self.gathered))
        self.gathered += line.dma_read(address, size)
        self.plus_transmit_index = 0 if first & LAST_OF_RING else (self.plus_transmit_index + 1) % RING_MAX
        line.dma_write(place, (first & ~(OWNED | TX_ERRORS)).to_bytes(4, "little"))
        if first & LAST:
            data, self.gathered = self.gathered, b""
            tag = struct.pack(">H", VLAN_TYPE) + struct.pack("<H", second & TAG) if second & TX_ADD_TAG else None
            self.statistics.count("sent")
            for frame in offloaded(data, first):
                self._send(frame, tag)
        return True

    # --- reception ---------------------------------------------------------------------------
    @property
    def is_plus_receiver(self) -> bool:
        """Frames go to descriptors."""
        return bool(self.line.plus_command & r.PLUS_RECEIVE)

    @property
    def has_ring(self) -> bool:
        """The guest has said where the receive descriptors are."""
        return bool(self.ring_low or self.ring_high)

    @property
    def available(self) -> int:
        """Free bytes in the receive buffer; 0: it is empty."""
        return self.buffer_size + self.read_place - self.write_place & self.buffer_size - 1

    @property
    def is_buffer_empty(self) -> bool:
        """Nothing in the receive buffer is to be read."""
        return not self.buffer_size + self.write_place - self.read_place & self.buffer_size - 1

    def owned_descriptors(self) -> int:
        """How many receive descriptors the card owns, from the current one on."""
        place = (self.ring_low | self.ring_high << 32) + DESCRIPTOR_SIZE * self.plus_receive_index
        data = self.line.dma_read(place & 0xFFFF_FFFF_FFFF_FFFF, DESCRIPTOR_SIZE * RING_MAX)
        for number in range(RING_MAX):
            first = int.from_bytes(data[DESCRIPTOR_SIZE * number : DESCRIPTOR_SIZE * number + 4], "little")
            if not first & OWNED or first & LAST_OF_RING:
                return number + bool(first & OWNED)
        return RING_MAX

    def receive(self, frame: bytes) -> bool:
        """Take a frame in or drop it; False: it does not fit into the receive buffer now."""
        head = self._filter(frame)
        if head is None:
            self.statistics.count("receive_errors")
            return True
        if not self.is_plus_receiver:
            return self._receive_bytes(padded(frame), head)
        if self.has_ring and not self._receive_descriptor(frame, head):
            self.missed = self.missed + 1 & 0xFFFF_FFFF
            self.statistics.count("receive_errors")
            self.statistics.count("missed")
            self.line.interrupt(r.RX_OVERFLOW)
        return True

    def _filter(self, frame: bytes) -> int | None:
        """What a frame's head says of the filter that lets it in; None: none does."""
        config = self.line.receive_config
        destination = frame[:ADDRESS_SIZE]
        if config & r.ACCEPT_ALL:
            return 0
        if destination == BROADCAST:
            accepted, head, counter = config & r.ACCEPT_BROADCAST, r.HEAD_BROADCAST, "received_broadcast"
        elif destination[0] & 1:
            bit = crc32_big(destination) >> 26
            accepted = config & r.ACCEPT_MULTICAST and self.line.hash_filter[bit >> 3] >> (bit & 7) & 1
            head, counter = r.HEAD_MULTICAST, "received_multicast"
        elif destination == self.line.address:
            accepted, head, counter = config & r.ACCEPT_PHYSICAL, r.HEAD_PHYSICAL, "received_physical"
        else:
            return None
        if not accepted:
            return None
        self.statistics.count(counter)
        return head

    def _receive_bytes(self, frame: bytes, head: int) -> bool:
        size = len(frame)
        if self.available and (size + 2 * FCS_SIZE + 3 & ~3) >= self.available:
            self.missed = self.missed + 1 & 0xFFFF_FFFF
            self.line.interrupt(r.RX_OVERFLOW)
            return False
        self._put((head | r.HEAD_OK | (size + FCS_SIZE) << 16 & 0xFFFF_FFFF).to_bytes(4, "little"))
        self._put(frame)
        self._put(frame_check_sequence(frame))
        self.write_place = (self.write_place + 3 & ~3) & self.buffer_size - 1
        self.line.interrupt(r.RX_OK)
        return True

    def _put(self, data: bytes) -> None:
        """Put bytes into the receive buffer; they go on at its start, or beyond its end where the guest says so."""
        over = self.write_place + len(data) & self.buffer_size - 1
        wraps = not (self.buffer_size < BUFFER_MAX and self.line.receive_config & r.RX_NO_WRAP)
        if self.write_place + len(data) > self.buffer_size and over and wraps:
            split = max(len(data) - over, 0)
            self.line.dma_write(self.buffer + self.write_place & 0xFFFF_FFFF, data[:split])
            self.line.dma_write(self.buffer, data[split:])
            self.write_place = over
        else:
            self.line.dma_write(self.buffer + self.write_place & 0xFFFF_FFFF, data)
            self.write_place += len(data)

    def _receive_descriptor(self, frame: bytes, head: int) -> bool:
        """Put a frame into the current descriptor's buffer; gives whether it fitted."""
        line = self.line
        base = self.ring_low | self.ring_high << 32
        place = base + DESCRIPTOR_SIZE * self.plus_receive_index & 0xFFFF_FFFF_FFFF_FFFF
        first, second, address = struct.unpack("<IIQ", line.dma_read(place, DESCRIPTOR_SIZE))
        if not first & OWNED:
            return False
        data = padded(frame)
        second &= ~RX_TAG_FOUND
        if line.plus_command & r.PLUS_VLAN and data[12:14] == struct.pack(">H", VLAN_TYPE):
            second = second & ~TAG | RX_TAG_FOUND | int.from_bytes(data[14:16], "little")
            data = (data[:12] + data[12 + VLAN_SIZE :]).ljust(MINIMUM_SIZE, b"\0")
        size = len(data) + FCS_SIZE
        if size > first & RX_SIZE:
            return False
        line.dma_write(address, data + frame_check_sequence(frame))
        first = first & ~(OWNED | RX_SIZE) | FIRST | LAST | _RX_KINDS[head] | size
        line.dma_write(place, struct.pack("<II", first, second))
        self.statistics.count("received")
        self.plus_receive_index = 0 if first & LAST_OF_RING else self.plus_receive_index + 1 & 0xFFFF_FFFF
        line.interrupt(r.RX_OK)
        return True

    # --- state -------------------------------------------------------------------------------
    def saved(self) -> State:
        """All of it."""
        return {name: getattr(self, name) for name in _FIELDS} | {"statistics": asdict(self.statistics)}

    def load(self, device: str, state: State) -> None:
        """Take back what ``saved`` gave, but the transmit registers.

        Args:
            device: name of the device, for errors.
            state: what it gave.
        """
        for name, kind in _FIELDS.items():
            setattr(self, name, load_field(device, name, kind, state))
        counters = state.get("statistics")
        for name, kind in _COUNTERS.items():
            value = load_field(device, name, kind, counters if isinstance(counters, dict) else {})
            setattr(self.statistics, name, value)


_INDEX = Number(0, RING_MAX - 1)
_PLACE = Number(0, 2 * BUFFER_MAX)
_FIELDS: Fields = {
    "transmit_index": Number(0, r.TX_DESCRIPTORS - 1), "plus_transmit_index": _INDEX, "plus_receive_index": WORD,
    "ring_low": WORD, "ring_high": WORD, "buffer": WORD, "buffer_size": Number(r.BUFFER_SMALLEST, BUFFER_MAX),
    "read_place": _PLACE, "write_place": _PLACE, "missed": WORD, "is_plus": FLAG, "gathered": Bytes(0, BUFFER_MAX),
}  # fmt: skip
