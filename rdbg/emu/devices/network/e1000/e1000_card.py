"""Intel 82540EM Gigabit Ethernet controller (PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's
Manual), with the choices that QEMU's model makes.

Frames are sent at once and take no time on the cable. Interrupts are held back as ITR, RADV and TADV say; the delays
that start anew with each frame (RDTR, TIDV) are not there, as in QEMU's model.
"""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.device import Device, State, System
from rdbg.emu.devices.fields import (
    BYTE,
    FLAG,
    HALF,
    WORD,
    Fields,
    Number,
    load_field,
    load_fields,
    load_ints,
    save_fields,
)
from rdbg.emu.devices.network.e1000 import e1000_registers as r
from rdbg.emu.devices.network.e1000.e1000_eeprom import Microwire, e1000_eeprom_words, read_word
from rdbg.emu.devices.network.e1000.e1000_receiver import Receiver
from rdbg.emu.devices.network.e1000.e1000_registers import RegisterFile
from rdbg.emu.devices.network.e1000.e1000_transmitter import Transmitter
from rdbg.emu.devices.network.network_card import NetworkCard
from rdbg.emu.devices.pci import COMMAND, Bar, PciFunction, PciIdentity

VENDOR, DEVICE = 0x8086, 0x100E
IDENTITY = PciIdentity(VENDOR, DEVICE, 0x020000, revision=0x03, interrupt_pin=1)
MILLISECOND_NS = 1_000_000
AUTONEGOTIATION_MS, FLUSH_MS = 500, 1000
MITIGATION_NS, MITIGATION_LEAST = 256, 500  #: the unit, and the least delay in it: 7,813 interrupts a second


class EmptyPorts(Device):
    """The I/O BAR: its ports do nothing."""

    def read(self, offset: int, size: int) -> int:
        """Zeros."""
        return 0

    def write(self, offset: int, size: int, value: int) -> None:
        """Goes nowhere."""

    def reset(self) -> None:
        """No state."""

    def save(self) -> State:
        """No state."""
        return {}

    def load(self, state: State) -> None:
        """No state."""


class E1000Function(PciFunction):
    """Its place on the PCI bus; made a bus master, it takes frames that wait.

    Args:
        name: unique in the machine.
        bars: the registers, and ports that do nothing.
        became_master: called after each store that leaves it a bus master.
    """

    def __init__(self, name: str, bars: tuple[Bar, ...], became_master: Callable[[], None]) -> None:
        super().__init__(name, IDENTITY, bars=bars)
        self._became_master = became_master

    def write(self, offset: int, size: int, value: int) -> None:
        """A configuration store."""
        super().write(offset, size, value)
        if offset <= COMMAND < offset + size and self.is_master:
            self._became_master()


class E1000(NetworkCard):
    """The card.

    Args:
        name: unique in the machine.
        system: time, timers, the way out.
        port: number of the network endpoint that its cable goes to.
        mac: its Ethernet address, 6 bytes.
    """

    _FIELDS = {"irq_level": FLAG, "delays_transmit": FLAG}

    def __init__(self, name: str, system: System, port: int, mac: bytes) -> None:
        super().__init__(name, system, port, mac)
        self._ports = EmptyPorts(f"{name}.ports")
        bars = (Bar(0, "memory", r.MEMORY_SIZE, self), Bar(1, "io", r.PORTS_SIZE, self._ports))
        self._function = E1000Function(f"{name}.pci", bars, self.room_grown)
        self.words = e1000_eeprom_words(mac, DEVICE)
        self._autonegotiation = system.timer(f"{name}.autonegotiation", self._negotiated)
        self._mitigation = system.timer(f"{name}.mitigation", self._mitigated)
        self._flush = system.timer(f"{name}.flush", self.room_grown)
        self._transmission = system.timer(f"{name}.transmission", lambda: self._transmit(goes_on=True))
        self.registers = RegisterFile()
        self.transmitter = Transmitter(self)
        self.receiver = Receiver(self)
        self._set_power_on_state()

    @property
    def function(self) -> PciFunction:
        """Its place on the PCI bus."""
        return self._function

    @property
    def devices(self) -> tuple[Device, ...]:
        """All that is saved, loaded and reset with it, in that order."""
        return (*super().devices, self._ports)

    def _set_power_on_state(self) -> None:
        self.registers = RegisterFile(r.RESET_VALUES)
        self.registers[r.RA] = int.from_bytes(self.mac[:4], "little")
        self.registers[r.RA + 4] = int.from_bytes(self.mac[4:], "little") | r.RAH_VALID
        self.phy = [r.PHY_RESET_VALUES.get(number, 0) for number in range(r.PHY_COUNT)]
        self.microwire = Microwire()
        self.transmitter.reset()
        self.receiver.reset()
        self.irq_level = False
        self.delays_transmit = False  #: a sent descriptor asked for it
        if not self.link_up:
            self._link_down()

    def reset(self) -> None:
        """As at power-on."""
        super().reset()
        self._set_power_on_state()
        for timer in (self._autonegotiation, self._mitigation, self._flush, self._transmission):
            timer.disarm()
        self._function.set_irq(False)

    # --- registers ---------------------------------------------------------------------------
    def read_register(self, offset: int, size: int) -> int:
        """A load; narrow ones get the low bytes of the register."""
        return self._load(offset & r.MEMORY_SIZE - 4) & (1 << 8 * size) - 1

    def _load(self, offset: int) -> int:
        if offset == r.ICR:
            causes = self.registers[r.ICR]
            self._set_causes(0)
            return causes
        if offset == r.EECD:
            return self.microwire.read(self.words)
        if offset == r.EERD:
            return read_word(self.words, self.registers[r.EERD])
        value = self.registers[offset]
        if offset in r.CLEARED_BY_LOAD:
            self.registers[offset] = 0
        elif offset in r.PAIRS_CLEARED_BY_LOAD:
            self.registers[offset] = self.registers[offset - 4] = 0
        elif offset not in r.READABLE:
            return 0
        return value

    def write_register(self, offset: int, size: int, value: int) -> None:
        """A store; narrow ones drive the other bytes as zeros."""
        offset &= r.MEMORY_SIZE - 4
        registers = self.registers
        if offset in r.WRITABLE:
            registers[offset] = value & r.WRITABLE[offset]
            if offset == r.RDT and self.receiver.has_room(1):
                self.room_grown()
        elif offset in (r.TCTL, r.TDT):
            registers[offset] = value
            registers[r.TDT] &= 0xFFFF
            self._transmit()
        elif offset == r.ICR:
            self._set_causes(registers[r.ICR] & ~value)
        elif offset == r.ICS:
            self._add_causes(value)
        elif offset in (r.IMS, r.IMC):
            registers[r.IMS] = registers[r.IMS] | value if offset == r.IMS else registers[r.IMS] & ~value
            self._add_causes(0)
        elif offset == r.EECD:
            self.microwire.write(value)
        elif offset == r.MDIC:
            self._access_phy(value)
        elif offset == r.RCTL:
            registers[r.RCTL] = value
            self.receiver.control(value)
            self._flush.arm((self._system.now_ns // MILLISECOND_NS + FLUSH_MS) * MILLISECOND_NS)

    # --- PHY ---------------------------------------------------------------------------------
    def _access_phy(self, command: int) -> None:
        """A store to MDIC: a management frame to or from the PHY."""
        number, data = command >> 16 & 0x1F, command & r.MDIC_DATA
        if command >> 21 & 0x1F != r.PHY_ADDRESS:
            command = self.registers[r.MDIC] | r.MDIC_ERROR
        elif command & r.MDIC_READ:
            if number in r.PHY_READABLE:
                command = command & ~r.MDIC_DATA | self.phy[number]
            else:
                command |= r.MDIC_ERROR
        elif command & r.MDIC_WRITE:
            if number not in r.PHY_WRITABLE:
                command |= r.MDIC_ERROR
            elif number == r.BMCR:
                self._control_phy(data)
            else:
                self.phy[number] = data
        self.registers[r.MDIC] = command | r.MDIC_READY
        if command & r.MDIC_INTERRUPT:
            self._add_causes(r.MDIO_DONE)

    def _control_phy(self, value: int) -> None:
        self.phy[r.BMCR] = value & ~(r.BMCR_RESERVED | r.BMCR_RESET | r.BMCR_RESTART)
        if value & r.BMCR_AUTONEGOTIATE and value & r.BMCR_RESTART:
            self._negotiate()

    def _negotiate(self) -> None:
        """Autonegotiation takes half a second; the link is down meanwhile."""
        self._link_down()
        self._autonegotiation.arm((self._system.now_ns // MILLISECOND_NS + AUTONEGOTIATION_MS) * MILLISECOND_NS)

    def _negotiated(self) -> None:
        if self.link_up:
            self._link_up()
            self.phy[r.ANLPAR] |= r.ANLPAR_ACKNOWLEDGE
            self.phy[r.BMSR] |= r.BMSR_NEGOTIATED
            self._add_causes(r.LINK_CHANGE)

    def _link_up(self) -> None:
        self.registers[r.STATUS] |= r.STATUS_LINK_UP
        self.phy[r.BMSR] |= r.BMSR_LINK_UP
        self.room_grown()

    def _link_down(self) -> None:
        self.registers[r.STATUS] &= ~r.STATUS_LINK_UP
        self.phy[r.BMSR] &= ~(r.BMSR_LINK_UP | r.BMSR_NEGOTIATED)
        self.phy[r.ANLPAR] &= ~r.ANLPAR_ACKNOWLEDGE

    def link_changed(self) -> None:
        """The status registers follow, after autonegotiation if that is on; an interrupt says so."""
        before = self.registers[r.STATUS]
        if not self.link_up:
            self._link_down()
        elif self.phy[r.BMCR] & r.BMCR_AUTONEGOTIATE and not self.phy[r.BMSR] & r.BMSR_NEGOTIATED:
            self._negotiate()
        else:
            self._link_up()
        if self.registers[r.STATUS] != before:
            self._add_causes(r.LINK_CHANGE)

    # --- interrupt ---------------------------------------------------------------------------
    def _add_causes(self, causes: int) -> None:
        self._set_causes(self.registers[r.ICR] | causes)

    def _set_causes(self, causes: int) -> None:
        """Set ICR; its line rises at once unless it rose a short time ago."""
        registers = self.registers
        registers[r.ICR] = registers[r.ICS] = causes
        pending = registers[r.IMS] & causes
        if pending and not self.irq_level:
            if self._mitigation.deadline_ns is not None:
                return
            self._mitigation.arm(self._system.now_ns + self._delay(pending) * MITIGATION_NS)
            self.delays_transmit = False
        self.irq_level = bool(pending)
        self._function.set_irq(self.irq_level)

    def _delay(self, pending: int) -> int:
        """How long the next interrupt is held back, in units of 256 ns: the least of what is asked for."""
        registers = self.registers
        asked = [registers[r.ITR]]
        if self.delays_transmit and pending & (r.TX_QUEUE_EMPTY | r.TX_WRITTEN_BACK):
            asked.append(registers[r.TADV] * 4)
        if registers[r.RDTR] and pending & r.RX_TIMER:
            asked.append(registers[r.RADV] * 4)
        return max(min((delay for delay in asked if delay), default=0), MITIGATION_LEAST)

    def _mitigated(self) -> None:
        self._set_causes(self.registers[r.ICR])

    # --- frames ------------------------------------------------------------------------------
    def delay_interrupt(self) -> None:
        """A sent descriptor asks for its interrupt to be delayed."""
        self.delays_transmit = True

    def _transmit(self, goes_on: bool = False) -> None:
        causes = self.transmitter.run(goes_on)
        if self.transmitter.is_unfinished:
            self._transmission.arm(self._system.now_ns + MILLISECOND_NS)
        else:
            self._transmission.disarm()
        if causes:
            self._add_causes(causes)

    def transmit(self, frame: bytes) -> None:
        """A frame goes to the cable, or back into the card if the PHY says so."""
        if self.phy[r.BMCR] & r.BMCR_LOOPBACK:
            self.loop_back(frame)
        else:
            self.send(frame)

    def can_receive(self) -> bool:
        """The link is up, the receiver on, the card a bus master with a descriptor, and the receiver has been so for a
        second."""
        registers = self.registers
        return bool(
            registers[r.STATUS] & r.STATUS_LINK_UP
            and registers[r.RCTL] & r.RCTL_ENABLE
            and self._function.is_master
            and self.receiver.has_room(1)
            and self._flush.deadline_ns is None
        )

    def free_descriptors(self) -> int:
        """Of the receive ring."""
        return max(self.receiver.free_descriptors(), 1)

    def take(self, frame: bytes) -> bool:
        """Receive a frame."""
        registers = self.registers
        if not registers[r.STATUS] & r.STATUS_LINK_UP or not registers[r.RCTL] & r.RCTL_ENABLE:
            return True
        if self._flush.deadline_ns is not None:
            return False
        causes = self.receiver.receive(frame)
        if causes:
            self._add_causes(causes)
        return True

    # --- state -------------------------------------------------------------------------------
    def save(self) -> State:
        """All registers, the PHY, the EEPROM's wires, and the frame that is being put together."""
        return (
            super().save()
            | save_fields(self, self._FIELDS)
            | {
                "registers": self.registers.saved(),
                "phy": list(self.phy),
                "microwire": dict(vars(self.microwire)),
                "transmitter": self.transmitter.saved(),
                "buffer_size": self.receiver.buffer_size,
                "threshold_shift": self.receiver.threshold_shift,
            }
        )

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        super().load(state)
        load_fields(self, self._FIELDS, state)
        self.registers = RegisterFile.loaded(self.name, state.get("registers"))
        self.phy = load_ints(self, "phy", state, r.PHY_COUNT)
        for name, kind in _WIRES.items():
            setattr(self.microwire, name, load_field(self.name, name, kind, _part(state, "microwire")))
        self.transmitter.load(self.name, _part(state, "transmitter"))
        for name, kind in _RECEIVER.items():
            setattr(self.receiver, name, load_field(self.name, name, kind, state))


_WIRES: Fields = {"pins": BYTE, "shifted": WORD, "bits_in": HALF, "place": HALF, "is_reading": FLAG}
_RECEIVER = {"buffer_size": Number(0, 16384), "threshold_shift": Number(1, 4)}


def _part(state: State, name: str) -> State:
    part = state.get(name)
    return part if isinstance(part, dict) else {}
