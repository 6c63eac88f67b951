"""AMD Am79C973, PCnet-FAST III (its data sheet, publication 21510), with the choices that QEMU's model makes.

Frames are sent at once and take no time on the cable. The card looks at its rings by itself every 2 ms (while CSR4 lets
it), and each time that the guest uses its registers.
"""

from __future__ import annotations

import struct

from rdbg.emu.device import State, System
from rdbg.emu.devices.fields import (
    BYTE,
    DOUBLE,
    WORD,
    Bytes,
    load_bytes,
    load_field,
    load_fields,
    load_ints,
    save_fields,
)
from rdbg.emu.devices.network.network_card import NetworkCard
from rdbg.emu.devices.network.pcnet import pcnet_registers as r
from rdbg.emu.devices.network.pcnet.pcnet_descriptors import BUFFER_MAX
from rdbg.emu.devices.network.pcnet.pcnet_registers import PcnetRegisters
from rdbg.emu.devices.pci import Bar, PciFunction, PciIdentity
from rdbg.emu.pcnet_rings import PcnetRings
from rdbg.emu.pcnet_traffic import PcnetTraffic, drives_interrupt

VENDOR, DEVICE = 0x1022, 0x2000
GRANT_AND_LATENCY = (0x3E, b"\x06\xff")
BAR_SIZE = 32
PROM_SIZE = 16
CLOCK_NS = 30  #: of the PCI bus: polls are counted in it
TIMER_TICKS_PER_NS = 33
POLL_TICKS = 0x10000

# Where the ports are, beyond the PROM: with 16-bit and with 32-bit ports.
_PORTS = {
    2: {0x0: "data", 0x2: "address", 0x4: "reset", 0x6: "bus"},
    4: {0x0: "data", 0x4: "address", 0x8: "reset", 0xC: "bus"},
}


def address_prom(mac: bytes) -> bytearray:
    """The address PROM: the address, AMD's hardware id, two letters W, and the sum of all bytes."""
    prom = bytearray(mac + bytes(10))
    prom[9] = 0x11
    prom[14:16] = b"WW"
    prom[12:14] = sum(prom).to_bytes(2, "little")
    return prom


class Pcnet(NetworkCard):
    """The card.

    Args:
        name: unique in the machine.
        system: time, timers, the way out.
        port: number of the network endpoint that its cable goes to.
        mac: its Ethernet address, 6 bytes.
    """

    _FIELDS = {"address": BYTE, "first_poll": DOUBLE}

    def __init__(self, name: str, system: System, port: int, mac: bytes) -> None:
        super().__init__(name, system, port, mac)
        identity = PciIdentity(VENDOR, DEVICE, 0x020000, revision=0x10, status=0x0280, interrupt_pin=1, subsystem=0)
        bars = (Bar(0, "io", BAR_SIZE, self), Bar(1, "memory", BAR_SIZE, self))
        self._function = PciFunction(f"{name}.pci", identity, (GRANT_AND_LATENCY,), bars)
        self.registers = PcnetRegisters()
        self.rings = PcnetRings(self.registers, self, self._function, system)
        self.traffic = PcnetTraffic(self.registers, self.rings, self)
        self._poll_timer = system.timer(f"{name}.poll", self._poll_timed)
        self._set_power_on_state()

    @property
    def function(self) -> PciFunction:
        """Its place on the PCI bus."""
        return self._function

    def _set_power_on_state(self) -> None:
        self.address = 0  #: number of the register that the data ports show
        self.first_poll = 0  #: when it was first at work, in ticks of 1/33 ns; 0: never
        self.prom = address_prom(self.mac)
        self.traffic.buffer = bytearray(BUFFER_MAX)
        self.rings.receive_base = self.rings.transmit_base = 0
        self.registers.power_on(bytes(self.prom))

    def reset(self) -> None:
        """As at power-on: stopped."""
        super().reset()
        self._set_power_on_state()
        self._poll_timer.disarm()
        self._update_interrupt()

    # --- ports -------------------------------------------------------------------------------
    def read_register(self, offset: int, size: int) -> int:
        """The address PROM below 16, above it the ports, as wide as they are set to be."""
        offset &= BAR_SIZE - 1
        wide = self.registers.is_double_word
        ones = (1 << 8 * size) - 1
        if offset & size - 1:
            return 0
        if offset < PROM_SIZE:
            return int.from_bytes(self.prom[offset : offset + size], "little") if wide == (size == 4) else ones
        if size == 1:
            return ones
        self._poll_timed()
        value = self._read_port(_PORTS[size].get(offset & 0xF)) if wide == (size == 4) else ones
        self._update_interrupt()
        return value & ones

    def _read_port(self, port: str | None) -> int:
        if port == "data":
            if self.address == 0:
                self._update_interrupt()
            return self.registers.read_csr(self.address)
        if port == "address":
            return self.address
        if port == "bus":
            return self.registers.read_bcr(self.address, self.link_up)
        if port == "reset":
            self._soft_reset()
            return 0
        return 0xFFFF_FFFF

    def write_register(self, offset: int, size: int, value: int) -> None:
        """A store; one of 32 bits to the data port makes all ports 32 bits wide."""
        offset &= BAR_SIZE - 1
        wide = self.registers.is_double_word
        if offset & size - 1:
            return
        if offset < PROM_SIZE:
            if wide == (size == 4) and self.registers.bcr[r.MISCELLANEOUS] & r.ADDRESS_WRITABLE:
                self.prom[offset : offset + size] = value.to_bytes(size, "little")
        elif size > 1:
            self._poll_timed()
            if wide == (size == 4):
                self._write_port(_PORTS[size].get(offset & 0xF), value & 0xFFFF)
            elif size == 4 and not offset & 0xF:
                self.registers.bcr[r.BUS_CONTROL] |= r.DOUBLE_WORD_IO
            self._update_interrupt()

    def _write_port(self, port: str | None, value: int) -> None:
        if port == "data":
            if self.address == 0:
                self._write_status(value)
            else:
                self.registers.write_csr(self.address, value)
        elif port == "address":
            self.address = value & 0x7F
        elif port == "bus":
            self.registers.write_bcr(self.address, value)

    def _soft_reset(self) -> None:
        self.rings.receive_base = self.rings.transmit_base = 0
        self.address = 0
        self.registers.soft_reset(bytes(self.prom))

    # --- commands ----------------------------------------------------------------------------
    def _write_status(self, value: int) -> None:
        """A store to CSR0."""
        csr = self.registers.csr
        csr[0] = csr[0] & ~(value & r.CSR0_FLAGS) & ~r.INTERRUPTS_ON | value & (r.INTERRUPTS_ON | r.TRANSMIT_DEMAND)
        all_three = r.INIT | r.START | r.STOP
        if value & all_three == all_three:
            value &= ~(r.INIT | r.START)
        if value & r.STOP and not csr[0] & r.STOP:
            self._stop()
        if value & r.INIT and not csr[0] & r.INIT:
            self._initialize()
        if value & r.START and not csr[0] & r.START:
            self._start()
        if csr[0] & r.TRANSMIT_DEMAND:
            self.traffic.transmit()

    def _stop(self) -> None:
        csr = self.registers.csr
        csr[0] = r.STOP | r.TRANSMITTER_ON
        csr[4] &= ~0x02C2
        csr[5] &= ~0x0011
        self._poll_timed()

    def _start(self) -> None:
        csr = self.registers.csr
        if not csr[r.MODE] & r.DISABLE_TRANSMITTER:
            csr[0] |= r.TRANSMITTER_ON
        if not csr[r.MODE] & r.DISABLE_RECEIVER:
            csr[0] |= r.RECEIVER_ON
        csr[0] = csr[0] & ~r.STOP | r.START
        self._poll_timed()

    def _initialize(self) -> None:
        """Read the initialization block."""
        registers = self.registers
        csr = registers.csr
        place = registers.physical(registers.pair(1))
        if registers.is_32bit:
            block = self.dma_read(place, 28)
            mode, receive_length, transmit_length = struct.unpack_from("<HBB", block)
            receive_length, transmit_length = receive_length >> 4, transmit_length >> 4
            address, hashes = struct.unpack_from("<3H", block, 4), struct.unpack_from("<4H", block, 12)
            receive_base, transmit_base = struct.unpack_from("<2I", block, 20)
        else:
            block = self.dma_read(place, 24)
            (mode,), address = struct.unpack_from("<H", block), struct.unpack_from("<3H", block, 2)
            hashes = struct.unpack_from("<4H", block, 8)
            receive_base, transmit_base = struct.unpack_from("<2I", block, 16)
            receive_length, transmit_length = receive_base >> 29, transmit_base >> 29
            receive_base, transmit_base = receive_base & 0xFF_FFFF, transmit_base & 0xFF_FFFF
        csr[r.RX_LENGTH] = csr[r.RX_INDEX] = 1 << min(receive_length, 9)
        csr[r.TX_LENGTH] = csr[r.TX_INDEX] = 1 << min(transmit_length, 9)
        csr[6] = transmit_length << 12 | receive_length << 8
        csr[r.MODE] = mode
        csr[r.LADR : r.LADR + 4] = hashes
        csr[r.PADR : r.PADR + 3] = address
        self.rings.receive_base = registers.physical(receive_base)
        self.rings.transmit_base = registers.physical(transmit_base)
        csr[0] = (csr[0] | r.INIT_DONE | r.INIT) & ~r.STOP

    # --- interrupt ---------------------------------------------------------------------------
    def _update_interrupt(self) -> None:
        self._function.set_irq(drives_interrupt(self.registers.csr))

    # --- polling -----------------------------------------------------------------------------
    def _poll_timed(self) -> None:
        """The poll timer is over, or the guest uses a register."""
        registers = self.registers
        csr = registers.csr
        self._poll_timer.disarm()
        if csr[0] & r.TRANSMIT_DEMAND:
            self.traffic.transmit()
        self._update_interrupt()
        if registers.is_halted or csr[4] & r.DISABLE_POLLING:
            return
        now = self._system.now_ns
        ticks = now * TIMER_TICKS_PER_NS
        if not self.first_poll or not ticks:
            self.first_poll = ticks
        else:
            passed = ticks - self.first_poll + csr[r.POLL_COUNT]
            if passed >= POLL_TICKS:
                self.traffic.poll()
                csr[r.POLL_COUNT] = csr[r.POLL_INTERVAL]
                self.room_grown()
            else:
                csr[r.POLL_COUNT] = passed
        count = 0 if csr[5] & r.SUSPEND else csr[r.POLL_COUNT]
        self._poll_timer.arm(now + (POLL_TICKS - count) * CLOCK_NS)

    # --- reception ---------------------------------------------------------------------------
    def free_descriptors(self) -> int:
        """Of the receive ring, while the card looks at it by itself."""
        return self.traffic.room()

    def take(self, frame: bytes) -> bool:
        """Receive a frame, drop it where the card is off or its filter says so, count it as missed without room."""
        self.traffic.receive(frame)
        self._update_interrupt()
        return True

    def link_changed(self) -> None:
        """The LEDs show it, and the next transmission meets it."""

    # --- state -------------------------------------------------------------------------------
    def save(self) -> State:
        """All registers, the PROM, and the frame buffer."""
        own: State = save_fields(self, self._FIELDS) | {
            "csr": list(self.registers.csr),
            "bcr": list(self.registers.bcr),
            "prom": bytes(self.prom),
            "buffer": bytes(self.traffic.buffer).rstrip(b"\0"),
            "receive_base": self.rings.receive_base,
            "transmit_base": self.rings.transmit_base,
        }
        return super().save() | own

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        super().load(state)
        load_fields(self, self._FIELDS, state)
        self.registers.csr = load_ints(self, "csr", state, r.CSR_COUNT)
        self.registers.bcr = load_ints(self, "bcr", state, r.BCR_COUNT)
        self.prom = bytearray(load_bytes(self, "prom", state, Bytes(PROM_SIZE, PROM_SIZE)))
        self.traffic.buffer = bytearray(
            load_bytes(self, "buffer", state, Bytes(0, BUFFER_MAX)).ljust(BUFFER_MAX, b"\0")
        )
        self.rings.receive_base = _word(self, "receive_base", state)
        self.rings.transmit_base = _word(self, "transmit_base", state)


def _word(card: Pcnet, name: str, state: State) -> int:
    value = load_field(card.name, name, WORD, state)
    assert isinstance(value, int)
    return value
