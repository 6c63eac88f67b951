"""A PCI function (PCI Local Bus Specification 2.1, chapter 6): its configuration space, base addresses, interrupt pin,
and its way to memory as a bus master."""

from __future__ import annotations

from typing import Literal, Protocol

from rdbg.emu.device import Device, State
from rdbg.emu.devices.fields import FLAG, Bytes, load_bytes, load_field, load_ints
from rdbg.emu.dma_name import Detail
from rdbg.quick_dataclass import dataclass

CONFIG_SIZE = 256
COMMAND, STATUS, REVISION, CACHE_LINE, HEADER_TYPE = 0x04, 0x06, 0x08, 0x0C, 0x0E
BAR0, SUBSYSTEM, ROM_ADDRESS, CAPABILITIES = 0x10, 0x2C, 0x30, 0x34
INTERRUPT_LINE, INTERRUPT_PIN = 0x3C, 0x3D
DEVICE_SPECIFIC = 0x40

COMMAND_IO, COMMAND_MEMORY, COMMAND_MASTER, COMMAND_INTX_DISABLE = 0x0001, 0x0002, 0x0004, 0x0400
COMMAND_WRITABLE = 0x0507  #: I/O, memory, master, SERR, INTx disable
STATUS_INTERRUPT, STATUS_CAPABILITIES = 0x0008, 0x0010
STATUS_CLEARABLE = 0xF900  #: error bits, written 1 to clear
MULTIFUNCTION = 0x80
SUBSYSTEM_QEMU = 0x1100_1AF4  #: what firmware and drivers written against QEMU's boards see

ROM = 6  #: index of the expansion ROM among the base addresses
ROM_ENABLE = 1
BAR_IO, BAR_64, BAR_PREFETCHABLE = 0x1, 0x4, 0x8
_LAST_32 = 0xFFFF_FFFF

BarKind = Literal["io", "memory"]


@dataclass(frozen=True)
class PciIdentity:
    """The read-only head of a function.

    Args:
        vendor, device: 16 bits each.
        class_code: 24 bits: class, subclass, programming interface.
        revision: 8 bits.
        status: reset value of the status register.
        interrupt_pin: 0 none, 1 INTA, ...
        multifunction: whether the header says so.
        subsystem: 32 bits: subsystem's number, its vendor in the low half.
    """

    vendor: int
    device: int
    class_code: int
    revision: int = 0
    status: int = 0
    interrupt_pin: int = 0
    multifunction: bool = False
    subsystem: int = SUBSYSTEM_QEMU


@dataclass(frozen=True)
class Bar:
    """A base address register, and what it places on the bus. Registers behind it are little-endian.

    Args:
        index: 0 to 5, or `ROM`.
        kind: ``io`` or ``memory``.
        size: bytes, a power of two; at least 4 of ports, 16 of memory, 2048 of ROM.
        device: answers there, with offsets from the base.
        wide: 64 bits: takes the register behind it too.
        prefetchable: whether the register says so.
    """

    index: int
    kind: BarKind
    size: int
    device: Device
    wide: bool = False
    prefetchable: bool = False

    @property
    def register(self) -> int:
        """Offset in the configuration space."""
        return ROM_ADDRESS if self.index == ROM else BAR0 + 4 * self.index

    @property
    def flags(self) -> int:
        """The register's read-only low bits."""
        if self.index == ROM:
            return 0
        if self.kind == "io":
            return BAR_IO
        return (BAR_64 if self.wide else 0) | (BAR_PREFETCHABLE if self.prefetchable else 0)


@dataclass(frozen=True)
class Capability:
    """An entry of the capabilities list.

    Args:
        identifier: e.g. 0x11 for MSI-X.
        offset: where it stands, from 0x40.
        data: its bytes after identifier and link.
        writable: of those bytes, the bits that may be written; what it leaves out is read-only.
    """

    identifier: int
    offset: int
    data: bytes
    writable: bytes = b""


class PciSlot(Protocol):
    """The bus, as a function on it sees it."""

    def bars_moved(self) -> None:
        """A base address shows or hides something."""

    def interrupt_changed(self, function: PciFunction) -> None:
        """A function drives its interrupt pin otherwise than before."""

    def interrupt_disable_changed(self, function: PciFunction) -> None:
        """A function's interrupts have been disabled or enabled."""

    def next_stamp(self) -> int:
        """A number above all that base addresses have."""

    def dma_read(self, address: int, size: int, source: Device | str, detail: Detail) -> bytes:
        """See `PciFunction.dma_read`."""

    def dma_write(self, address: int, data: bytes, source: Device | str, detail: Detail) -> None:
        """See `PciFunction.dma_write`."""

    def dma_table(self, address: int, most: int, last: int) -> bytes | None:
        """See `System.dma_table`."""

    def dma_write_pieces(self, pieces: list[tuple[int, int]], data: bytes) -> bool:
        """See `System.dma_write_pieces`."""


class PciFunction(Device):
    """One function: 256 bytes of configuration space, of which some bits may be written, and what follows from them.

    Devices with more than one thing to say in a configuration access extend ``read`` and ``write``.

    Args:
        name: unique in the machine.
        identity: the read-only head.
        defaults: reset values of other registers: (offset, bytes).
        bars: its base addresses.
        capabilities: its list; the last one is found first.
        writable: bits that may be written where that is not as usual: (offset, bytes).
    """

    def __init__(
        self,
        name: str,
        identity: PciIdentity,
        defaults: tuple[tuple[int, bytes], ...] = (),
        bars: tuple[Bar, ...] = (),
        capabilities: tuple[Capability, ...] = (),
        writable: tuple[tuple[int, bytes], ...] = (),
    ) -> None:
        super().__init__(name)
        self.identity = identity
        self.bars = bars
        self._slot: PciSlot | None = None
        initial = bytearray(CONFIG_SIZE)
        initial[0:4] = (identity.device << 16 | identity.vendor).to_bytes(4, "little")
        status = identity.status | (STATUS_CAPABILITIES if capabilities else 0)
        initial[STATUS : STATUS + 2] = status.to_bytes(2, "little")
        initial[REVISION:CACHE_LINE] = (identity.class_code << 8 | identity.revision).to_bytes(4, "little")
        initial[HEADER_TYPE] = MULTIFUNCTION if identity.multifunction else 0
        initial[SUBSYSTEM : SUBSYSTEM + 4] = identity.subsystem.to_bytes(4, "little")
        initial[INTERRUPT_PIN] = identity.interrupt_pin
        mask = bytearray(CONFIG_SIZE)
        mask[COMMAND : COMMAND + 2] = COMMAND_WRITABLE.to_bytes(2, "little")
        mask[CACHE_LINE] = mask[INTERRUPT_LINE] = 0xFF
        mask[DEVICE_SPECIFIC:] = b"\xff" * (CONFIG_SIZE - DEVICE_SPECIFIC)
        for bar in bars:
            _describe(bar, initial, mask)
        for capability in capabilities:
            start, end = capability.offset, capability.offset + 2 + len(capability.data)
            initial[start:end] = bytes((capability.identifier, initial[CAPABILITIES])) + capability.data
            mask[start:end] = (bytes(2) + capability.writable).ljust(end - start, b"\0")
            initial[CAPABILITIES] = start
        for offset, data in defaults:
            initial[offset : offset + len(data)] = data
        for offset, data in writable:
            mask[offset : offset + len(data)] = data
        self._initial = bytes(initial)
        self._writable = bytes(mask)
        self.config = bytearray(initial)
        self.irq_level = False
        #: Where each base address shows its device now; None: nowhere.
        self.places: list[int | None] = [None] * len(bars)
        #: For each base address, when it came to its place: of two at one address the later one is seen. 0: nowhere.
        self.stamps = [0] * len(bars)

    def attached(self, slot: PciSlot) -> None:
        """Called by the bus that it is put on."""
        self._slot = slot

    # --- configuration -----------------------------------------------------------------------
    def register(self, offset: int, size: int) -> int:
        """A register's value, without effects."""
        return int.from_bytes(self.config[offset : offset + size], "little")

    def read(self, offset: int, size: int) -> int:
        """A configuration load."""
        return self.register(offset, size)

    def write(self, offset: int, size: int, value: int) -> None:
        """A configuration store: bits that may be written change, error bits of the status register clear."""
        was_disabled = self.register(COMMAND, 2) & COMMAND_INTX_DISABLE
        for index, byte in enumerate(value.to_bytes(size, "little"), offset):
            mask = self._writable[index]
            new = self.config[index] & ~mask | byte & mask
            if index in (STATUS, STATUS + 1):
                new &= ~(byte & STATUS_CLEARABLE.to_bytes(2, "little")[index - STATUS])
            self.config[index] = new
        self._place_bars()
        if self.register(COMMAND, 2) & COMMAND_INTX_DISABLE != was_disabled and self._slot is not None:
            self._slot.interrupt_disable_changed(self)

    # --- base addresses ----------------------------------------------------------------------
    def _address(self, bar: Bar) -> int | None:
        """Where a base address shows its device; None: it does not. Address 0, and what would reach the end of the
        address space, stand for not placed."""
        command = self.register(COMMAND, 2)
        if not command & (COMMAND_IO if bar.kind == "io" else COMMAND_MEMORY):
            return None
        value = self.register(bar.register, 8 if bar.wide else 4)
        if bar.index == ROM and not value & ROM_ENABLE:
            return None
        address = value & ~(bar.size - 1)
        last = address + bar.size - 1
        if address == 0 or last >= ((1 << 63) if bar.wide else _LAST_32):
            return None
        return address

    def _place_bars(self) -> None:
        moved = False
        for index, bar in enumerate(self.bars):
            place = self._address(bar)
            if place != self.places[index]:
                self.places[index] = place
                self.stamps[index] = 0 if place is None or self._slot is None else self._slot.next_stamp()
                moved = True
        if moved and self._slot is not None:
            self._slot.bars_moved()

    # --- interrupt ---------------------------------------------------------------------------
    @property
    def drives_irq(self) -> bool:
        """Whether the interrupt pin is driven."""
        return self.irq_level and not self.register(COMMAND, 2) & COMMAND_INTX_DISABLE

    def set_irq(self, level: bool) -> None:
        """Ask for an interrupt, or no longer: shown in the status register, and on the pin unless it is disabled."""
        if level == self.irq_level:
            return
        self.irq_level = level
        self.config[STATUS] = self.config[STATUS] & ~STATUS_INTERRUPT | (STATUS_INTERRUPT if level else 0)
        if self._slot is not None and not self.register(COMMAND, 2) & COMMAND_INTX_DISABLE:
            self._slot.interrupt_changed(self)

    # --- bus master --------------------------------------------------------------------------
    @property
    def is_master(self) -> bool:
        """Whether it may access memory."""
        return self._slot is not None and bool(self.config[COMMAND] & COMMAND_MASTER)

    def dma_read(self, address: int, size: int, detail: Detail = "", source: Device | str | None = None) -> bytes:
        """Bytes of memory: as on QEMU zeros where nothing answers, and where the function is no bus master.

        Args:
            address: of the first byte.
            size: how many.
            detail: what is read.
            source: who reads, where that is not the function itself.
        """
        if self._slot is None or not self.is_master:
            return bytes(size)
        return self._slot.dma_read(address, size, self if source is None else source, detail)

    def dma_write(self, address: int, data: bytes, detail: Detail = "", source: Device | str | None = None) -> None:
        """Write to memory. Where nothing answers, and where the function is no bus master, the bytes go nowhere.

        Args:
            address: of the first byte.
            data: the bytes.
            detail: what is written: ``packet 17``.
            source: who writes, where that is not the function itself.
        """
        if self._slot is not None and self.is_master:
            self._slot.dma_write(address, data, self if source is None else source, detail)

    def dma_table(self, address: int, most: int, last: int) -> bytes | None:
        """Entries of a table, as `System.dma_table`; None, too, where the function is no bus master."""
        return self._slot.dma_table(address, most, last) if self._slot is not None and self.is_master else None

    def dma_write_pieces(self, pieces: list[tuple[int, int]], data: bytes) -> bool:
        """Write to several places, as `System.dma_write_pieces`; False, too, where the function is no bus master."""
        return self._slot is not None and self.is_master and self._slot.dma_write_pieces(pieces, data)

    # --- state -------------------------------------------------------------------------------
    def reset(self) -> None:
        """No interrupt, and all registers to their reset values."""
        self.set_irq(False)
        self.config[:] = self._initial
        self._place_bars()

    def save(self) -> State:
        """The configuration space, the interrupt, and which base address came to its place after which."""
        return {"config": bytes(self.config), "irq_level": self.irq_level, "stamps": list(self.stamps)}

    def load(self, state: State) -> None:
        """Take back what ``save`` gave; base addresses may move."""
        self.config = bytearray(load_bytes(self, "config", state, Bytes(len(self.config), len(self.config))))
        self.irq_level = load_field(self.name, "irq_level", FLAG, state) is True
        self.stamps = load_ints(self, "stamps", state, len(self.bars))
        self.places = [self._address(bar) for bar in self.bars]
        if self._slot is not None:
            self._slot.bars_moved()


def _describe(bar: Bar, initial: bytearray, mask: bytearray) -> None:
    """Fill in a base address register's reset value, and the bits of it that may be written."""
    if bar.size & (bar.size - 1):
        raise ValueError(f"base address {bar.index} cannot show {bar.size} bytes: no power of two")
    size = 8 if bar.wide else 4
    place = slice(bar.register, bar.register + size)
    initial[place] = bar.flags.to_bytes(size, "little")
    writable = -bar.size & ((1 << (8 * size)) - 1) | (ROM_ENABLE if bar.index == ROM else 0)
    mask[place] = writable.to_bytes(size, "little")
