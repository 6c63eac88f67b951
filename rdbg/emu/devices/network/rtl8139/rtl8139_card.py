"""Realtek RTL8139C+ Fast Ethernet controller (its data sheet, revision 1.6), with the choices that QEMU's model makes.

Frames are sent at once and take no time on the cable.
"""

from __future__ import annotations

from rdbg.emu.device import State, System
from rdbg.emu.devices.fields import (
    BYTE,
    FLAG,
    HALF,
    WORD,
    Bytes,
    Fields,
    Number,
    all_of,
    load_bytes,
    load_field,
    load_fields,
    load_ints,
    save_fields,
)
from rdbg.emu.devices.network.ethernet import ADDRESS_SIZE
from rdbg.emu.devices.network.network_card import NetworkCard
from rdbg.emu.devices.network.rtl8139 import rtl8139_registers as r
from rdbg.emu.devices.network.rtl8139.rtl8139_clock import Rtl8139Clock
from rdbg.emu.devices.network.rtl8139.rtl8139_eeprom import (
    CLOCK,
    DATA_IN,
    DATA_OUT,
    SELECT,
    Eeprom93C46,
    EepromPhase,
    rtl8139_eeprom_words,
)
from rdbg.emu.devices.network.rtl8139.rtl8139_traffic import Rtl8139Traffic
from rdbg.emu.devices.pci import Bar, PciFunction, PciIdentity

VENDOR, DEVICE = 0x10EC, 0x8139
CAPABILITIES, CAPABILITIES_AT = 0x34, 0xDC  #: the place of a list, though the status register says that there is none
FRAME_ROOM, FRAME_LEAST = 1536, 1514
HASH_SIZE = 8


class Rtl8139(NetworkCard):
    """The card.

    Args:
        name: unique in the machine.
        system: time, timers, the way out.
        port: number of the network endpoint that its cable goes to.
        mac: its Ethernet address, 6 bytes.
    """

    _FIELDS = (
        all_of(
            HALF,
            "interrupt_status",
            "interrupt_mask",
            "plus_command",
            "bmcr",
            "bmsr",
            "anar",
            "aner",
            "multi_interrupt",
        )
        | all_of(BYTE, "chip_command", "control_93c46", "transmit_threshold")
        | all_of(WORD, "receive_config", "transmit_config")
    )

    def __init__(self, name: str, system: System, port: int, mac: bytes) -> None:
        super().__init__(name, system, port, mac)
        self._function = PciFunction(
            f"{name}.pci",
            PciIdentity(VENDOR, DEVICE, 0x020000, revision=r.PCI_REVISION, interrupt_pin=1),
            defaults=((CAPABILITIES, bytes((CAPABILITIES_AT,))),),
            bars=(Bar(0, "io", r.SIZE, self), Bar(1, "memory", r.SIZE, self)),
        )
        self.words = rtl8139_eeprom_words(mac)
        self._clock = Rtl8139Clock(name, system, lambda: self.interrupt(r.TIMED_OUT))
        self._set_power_on_state()

    @property
    def function(self) -> PciFunction:
        """Its place on the PCI bus."""
        return self._function

    def _set_power_on_state(self) -> None:
        self.hash_filter = bytearray(HASH_SIZE)
        self.receive_config = self.control_93c46 = self.multi_interrupt = self.transmit_threshold = 0
        self.config = dict.fromkeys(r.CONFIG_KEPT, 0)
        self.eeprom = Eeprom93C46()
        self.traffic = Rtl8139Traffic(self)
        self.bmsr = 0
        self._chip_reset()

    def reset(self) -> None:
        """As at power-on."""
        super().reset()
        self._set_power_on_state()

    def _chip_reset(self) -> None:
        """What a reset by the command register does."""
        self.address = bytearray(self.mac)
        self.interrupt_status = self.interrupt_mask = 0
        self._update_interrupt()
        self.traffic.chip_reset()
        self.transmit_config = r.VERSION
        self.chip_command = r.COMMAND_RESET
        self.config |= r.CONFIG_RESET
        self.plus_command = 0
        self.bmcr = r.BMCR_RESET
        self._reset_phy()
        self._clock.reset()

    def _reset_phy(self) -> None:
        self.bmsr = r.BMSR_RESET | (r.BMSR_LINK if self.link_up else 0)
        self.anar = r.ABILITIES
        self.aner = r.ANER_RESET

    # --- loads -------------------------------------------------------------------------------
    def read_register(self, offset: int, size: int) -> int:
        """A load, as wide as the register; another is done byte by byte."""
        offset &= r.SIZE - 1
        if offset & size - 1:
            return 0
        value = None
        if size == 4:
            value = self._read_long(offset)
        elif size == 2:
            value = self._read_half(offset)
        if value is None:
            value = sum(self._read_byte(offset + index & 0xFF) << 8 * index for index in range(size))
        return value & (1 << 8 * size) - 1

    def _read_long(self, offset: int) -> int | None:
        traffic = self.traffic
        if offset & 0xF0 == r.TX_STATUS:
            return traffic.transmit_status[offset >> 2 & 3]
        if offset & 0xF0 == r.TX_ADDRESS:
            return traffic.transmit_address[offset >> 2 & 3]
        if offset == r.TIMER:
            return self._clock.count
        return {
            r.RX_MISSED: traffic.missed, r.TX_CONFIG: self.transmit_config, r.RX_CONFIG: self.receive_config,
            r.RX_BUFFER: traffic.buffer, r.RX_RING_LOW: traffic.ring_low, r.RX_RING_HIGH: traffic.ring_high,
            r.TIMER_INTERRUPT: self._clock.wanted,
        }.get(offset)  # fmt: skip

    def _read_half(self, offset: int) -> int | None:
        if offset & 0xF0 == r.TX_ADDRESS:
            return self.traffic.transmit_address[offset >> 2 & 3] >> 8 * (offset & 3)
        if offset == r.TX_SUMMARY:
            return self._transmit_summary()
        return {
            r.INTERRUPT_MASK: self.interrupt_mask, r.INTERRUPT_STATUS: self.interrupt_status,
            r.MULTI_INTERRUPT: self.multi_interrupt, r.RX_READ: self.traffic.read_place - 16,
            r.RX_WRITE: self.traffic.write_place, r.BMCR: self.bmcr, r.BMSR: self.bmsr, r.ANAR: self.anar,
            r.ANLPAR: r.ABILITIES, r.ANER: self.aner, r.PLUS_COMMAND: self.plus_command, r.MITIGATION: 0,
            r.LINE_STATUS: r.LINE_STATUS_RESET,
        }.get(offset)  # fmt: skip

    def _transmit_summary(self) -> int:
        summary = 0
        for number, status in enumerate(self.traffic.transmit_status):
            for bit, first in ((r.TX_STATUS_OK, 12), (r.TX_UNDERRUN, 8), (r.TX_ABORTED, 4), (r.TX_HOST_OWNS, 0)):
                if status & bit:
                    summary |= 1 << first + number
        return summary

    def _read_byte(self, offset: int) -> int:
        if offset < r.MAC + ADDRESS_SIZE:
            return self.address[offset]
        if r.HASH <= offset < r.HASH + HASH_SIZE:
            return self.hash_filter[offset - r.HASH]
        if offset & 0xF0 == r.TX_STATUS:
            return self.traffic.transmit_status[offset >> 2 & 3] >> 8 * (offset & 3) & 0xFF
        if offset in self.config:
            return self.config[offset]
        if offset == r.COMMAND:
            return self.chip_command | (r.BUFFER_EMPTY if self.traffic.is_buffer_empty else 0)
        if offset == r.CONTROL_93C46:
            return self._read_93c46()
        return {
            r.MEDIA: r.MEDIA_RESET | ~self.bmsr & r.BMSR_LINK, r.CLOCK: int(self._clock.runs),
            r.REVISION: r.PCI_REVISION, r.TX_THRESHOLD: self.transmit_threshold,
            r.TX_VERSION_BYTE: self.transmit_config >> 24,
        }.get(offset, 0)  # fmt: skip

    def _read_93c46(self) -> int:
        value = self.control_93c46
        if value & r.MODE_93C46 == r.MODE_PROGRAM:
            value = value & ~DATA_OUT | (DATA_OUT if self.eeprom.data_out else 0)
        return value

    # --- stores ------------------------------------------------------------------------------
    def write_register(self, offset: int, size: int, value: int) -> None:
        """A store, as wide as the register; another is done byte by byte."""
        offset &= r.SIZE - 1
        if offset & size - 1:
            return
        done = self._write_long(offset, value) if size == 4 else size == 2 and self._write_half(offset, value)
        if not done:
            for index in range(size):
                self._write_byte(offset + index & 0xFF, value >> 8 * index & 0xFF)

    def _write_long(self, offset: int, value: int) -> bool:
        """A store of 32 bits; gives whether there is such a register."""
        traffic = self.traffic
        if offset & 0xF0 == r.TX_STATUS:
            traffic.write_status(offset >> 2 & 3, value)
        elif offset & 0xF0 == r.TX_ADDRESS:
            traffic.transmit_address[offset >> 2 & 3] = value
        elif offset == r.RX_MISSED:
            traffic.missed = 0
        elif offset == r.TX_CONFIG:
            self._write_transmit_config(value)
        elif offset == r.RX_CONFIG:
            self.receive_config = value & ~r.RX_CONFIG_KEPT | self.receive_config & r.RX_CONFIG_KEPT
            traffic.reset_buffer(r.BUFFER_SMALLEST << (self.receive_config >> 11 & 3))
        elif offset == r.RX_BUFFER:
            traffic.buffer = value
        elif offset == r.RX_RING_LOW:
            traffic.ring_low = value
        elif offset == r.RX_RING_HIGH:
            traffic.ring_high = value
        elif offset == r.TIMER:
            self._clock.restart()
        elif offset == r.TIMER_INTERRUPT:
            self._clock.wanted = value
        else:
            return False
        return True

    def _write_half(self, offset: int, value: int) -> bool:
        """A store of 16 bits; gives whether there is such a register."""
        if offset == r.INTERRUPT_MASK:
            self.interrupt_mask = value & ~r.INTERRUPTS_RESERVED | self.interrupt_mask & r.INTERRUPTS_RESERVED
            self._update_interrupt()
            self._system.room_grown()
        elif offset == r.INTERRUPT_STATUS:
            # The line goes low for a moment, as QEMU's does: where interrupts are edges, causes that are left would
            # never be told of. Linux's driver leaves some.
            self._function.set_irq(False)
            self.interrupt_status &= ~(value & ~r.INTERRUPTS_RESERVED)
            self._clock.arm()
            self._update_interrupt()
            self._system.room_grown()
        elif offset == r.MULTI_INTERRUPT:
            self.multi_interrupt = value & 0x0FFF | self.multi_interrupt & 0xF000
        elif offset == r.RX_READ:
            self.traffic.read_place = value + 16 & self.traffic.buffer_size - 1
            self.room_grown()
        elif offset == r.BMCR:
            if value & r.PHY_RESET:
                self._reset_phy()
            self.bmcr = value & ~r.BMCR_KEPT | self.bmcr & r.BMCR_KEPT
        elif offset == r.BMSR:
            self.bmsr = value & ~r.BMSR_KEPT | self.bmsr & r.BMSR_KEPT
        elif offset == r.ANAR:
            self.anar = value
        elif offset == r.ANER:
            self.aner = value
        elif offset == r.PLUS_COMMAND:
            self.traffic.is_plus = True
            self.plus_command = value & ~r.PLUS_KEPT | self.plus_command & r.PLUS_KEPT
        else:
            return offset in (r.ANLPAR, r.MITIGATION)
        return True

    def _write_byte(self, offset: int, value: int) -> None:
        if offset < r.MAC + ADDRESS_SIZE:
            self.address[offset] = value
        elif r.HASH <= offset < r.HASH + HASH_SIZE:
            self.hash_filter[offset - r.HASH] = value
        elif offset in self.config:
            if offset == r.CONFIG5 or self.control_93c46 & r.MODE_93C46 == r.MODE_CONFIG_WRITE:
                kept = r.CONFIG_KEPT[offset]
                self.config[offset] = value & ~kept | self.config[offset] & kept
        elif offset == r.COMMAND:
            self._write_command(value)
        elif offset == r.CONTROL_93C46:
            self._write_93c46(value)
        elif offset == r.TX_CONFIG:
            self._write_transmit_config(self.transmit_config & ~0xFF | value)
        elif offset == r.CLOCK:
            if value in (r.CLOCK_RUN, r.CLOCK_HALT):
                self._clock.runs = value == r.CLOCK_RUN
        elif offset == r.TX_THRESHOLD:
            self.transmit_threshold = value
        elif offset == r.TX_POLL and value & r.POLL_NORMAL:
            self.traffic.plus_transmit()

    def _write_command(self, value: int) -> None:
        if value & r.COMMAND_RESET:
            self._chip_reset()
        if value & r.COMMAND_RECEIVE:
            self.traffic.plus_receive_index = 0
        if value & r.COMMAND_TRANSMIT:
            self.traffic.plus_transmit_index = 0
        self.chip_command = (value & ~r.COMMAND_KEPT | self.chip_command & r.COMMAND_KEPT) & ~r.COMMAND_RESET

    def _write_transmit_config(self, value: int) -> None:
        if self.chip_command & r.COMMAND_TRANSMIT:
            self.transmit_config = value & ~r.TX_CONFIG_KEPT | self.transmit_config & r.TX_CONFIG_KEPT

    def _write_93c46(self, value: int) -> None:
        value = value & ~0x31 | self.control_93c46 & 0x31
        mode = value & r.MODE_93C46
        if mode == r.MODE_PROGRAM:
            self.eeprom.drive(value & (SELECT | CLOCK | DATA_IN), self.words)
        elif mode == r.MODE_AUTOLOAD:
            value = 0
            self._chip_reset()
        self.control_93c46 = value

    # --- interrupt -----------------------------------------------------------------
    def interrupt(self, causes: int) -> None:
        """Ask for an interrupt."""
        self.interrupt_status |= causes
        self._update_interrupt()

    def _update_interrupt(self) -> None:
        self._function.set_irq(bool(self.interrupt_status & self.interrupt_mask))

    def link_changed(self) -> None:
        """The status register follows, and an interrupt says so."""
        self.bmsr = self.bmsr & ~r.BMSR_LINK | (r.BMSR_LINK if self.link_up else 0)
        self.interrupt(r.LINK_CHANGED)

    # --- reception ---------------------------------------------------------------------------
    def can_receive(self) -> bool:
        """A card that is off takes frames and drops them; one that is on wants room for the longest."""
        if not self._clock.runs or not self.chip_command & r.COMMAND_RECEIVE:
            return True
        traffic = self.traffic
        if traffic.is_plus_receiver and traffic.has_ring:
            return True
        available = traffic.available
        return not available or available >= FRAME_LEAST or bool(self.interrupt_mask & r.RX_OVERFLOW)

    def free_descriptors(self) -> int:
        """Of the receive ring in C+ mode; without one, a further frame is missed."""
        traffic = self.traffic
        if not self._clock.runs or not self.chip_command & r.COMMAND_RECEIVE:
            return 1
        if traffic.is_plus_receiver and traffic.has_ring:
            return max(traffic.owned_descriptors(), 1)
        return max((traffic.available or traffic.buffer_size) // FRAME_ROOM, 1)

    def take(self, frame: bytes) -> bool:
        """Receive a frame."""
        if not self._clock.runs or not self.chip_command & r.COMMAND_RECEIVE:
            return True
        return self.traffic.receive(frame)

    # --- state -------------------------------------------------------------------------------
    def save(self) -> State:
        """All registers, the EEPROM's wires, and the frame that is being put together."""
        return (
            super().save()
            | save_fields(self, self._FIELDS)
            | self._clock.save()
            | {
                "address": bytes(self.address),
                "hash_filter": bytes(self.hash_filter),
                "config": [self.config[offset] for offset in r.CONFIG_KEPT],
                "transmit_status": list(self.traffic.transmit_status),
                "transmit_address": list(self.traffic.transmit_address),
                "traffic": self.traffic.saved(),
                "eeprom": {name: getattr(self.eeprom, name) for name in _EEPROM},
            }
        )

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        super().load(state)
        load_fields(self, self._FIELDS, state)
        self._clock.load(state)
        self.address = bytearray(load_bytes(self, "address", state, Bytes(ADDRESS_SIZE, ADDRESS_SIZE)))
        self.hash_filter = bytearray(load_bytes(self, "hash_filter", state, Bytes(HASH_SIZE, HASH_SIZE)))
        self.config = dict(zip(r.CONFIG_KEPT, load_ints(self, "config", state, len(r.CONFIG_KEPT)), strict=True))
        self.traffic.transmit_status = load_ints(self, "transmit_status", state, r.TX_DESCRIPTORS)
        self.traffic.transmit_address = load_ints(self, "transmit_address", state, r.TX_DESCRIPTORS)
        self.traffic.load(self.name, _part(state, "traffic"))
        for name, kind in _EEPROM.items():
            setattr(self.eeprom, name, load_field(self.name, name, kind, _part(state, "eeprom")))


_EEPROM: Fields = {
    "phase": Number(0, max(EepromPhase)), "clocks": WORD, "shifted": HALF, "word": HALF, "is_selected": FLAG,
    "clock": FLAG, "out": FLAG,
}  # fmt: skip


def _part(state: State, name: str) -> State:
    part = state.get(name)
    return part if isinstance(part, dict) else {}
