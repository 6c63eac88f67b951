"""PCI configuration space (PCI Local Bus Specification 2.1, chapter 6): functions, and the bus that selects them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rdbg.emu.device import Device, State
from rdbg.emu.devices.fields import Bytes, load_bytes

CONFIG_SIZE = 256
COMMAND, STATUS, REVISION, CACHE_LINE, HEADER_TYPE = 0x04, 0x06, 0x08, 0x0C, 0x0E
BAR0, SUBSYSTEM, INTERRUPT_LINE, INTERRUPT_PIN = 0x10, 0x2C, 0x3C, 0x3D
DEVICE_SPECIFIC = 0x40

COMMAND_IO = 0x0001
COMMAND_WRITABLE = 0x0507  #: I/O, memory, master, SERR, INTx disable
STATUS_CLEARABLE = 0xF900  #: error bits, written 1 to clear
MULTIFUNCTION = 0x80
SUBSYSTEM_QEMU = 0x1100_1AF4  #: what firmware and drivers written against QEMU's boards see


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
    """

    vendor: int
    device: int
    class_code: int
    revision: int = 0
    status: int = 0
    interrupt_pin: int = 0
    multifunction: bool = False


class PciFunction(Device):
    """One function: 256 bytes of configuration space, of which some bits may be written.

    Args:
        name: unique in the machine.
        identity: the read-only head.
        defaults: reset values of device-specific registers: (offset, bytes).
        bars: (index, bits that may be written, reset value).
        changed: called after each store.
    """

    def __init__(
        self,
        name: str,
        identity: PciIdentity,
        defaults: tuple[tuple[int, bytes], ...] = (),
        bars: tuple[tuple[int, int, int], ...] = (),
        changed: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(name)
        self._changed = changed
        initial = bytearray(CONFIG_SIZE)
        initial[0:4] = (identity.device << 16 | identity.vendor).to_bytes(4, "little")
        initial[STATUS : STATUS + 2] = identity.status.to_bytes(2, "little")
        initial[REVISION:CACHE_LINE] = (identity.class_code << 8 | identity.revision).to_bytes(4, "little")
        initial[HEADER_TYPE] = MULTIFUNCTION if identity.multifunction else 0
        initial[SUBSYSTEM : SUBSYSTEM + 4] = SUBSYSTEM_QEMU.to_bytes(4, "little")
        initial[INTERRUPT_PIN] = identity.interrupt_pin
        writable = bytearray(CONFIG_SIZE)
        writable[COMMAND : COMMAND + 2] = COMMAND_WRITABLE.to_bytes(2, "little")
        writable[CACHE_LINE] = writable[INTERRUPT_LINE] = 0xFF
        writable[DEVICE_SPECIFIC:] = b"\xff" * (CONFIG_SIZE - DEVICE_SPECIFIC)
        for index, mask, value in bars:
            place = slice(BAR0 + 4 * index, BAR0 + 4 * index + 4)
            initial[place] = value.to_bytes(4, "little")
            writable[place] = mask.to_bytes(4, "little")
        for offset, data in defaults:
            initial[offset : offset + len(data)] = data
        self._initial = bytes(initial)
        self._writable = bytes(writable)
        self.config = bytearray(initial)

    def register(self, offset: int, size: int) -> int:
        """A register's value, without effects."""
        return int.from_bytes(self.config[offset : offset + size], "little")

    def read(self, offset: int, size: int) -> int:
        """A configuration load."""
        return self.register(offset, size)

    def write(self, offset: int, size: int, value: int) -> None:
        """A configuration store: bits that may be written change, error bits of the status register clear."""
        for index, byte in enumerate(value.to_bytes(size, "little"), offset):
            mask = self._writable[index]
            new = self.config[index] & ~mask | byte & mask
            if index in (STATUS, STATUS + 1):
                new &= ~(byte & STATUS_CLEARABLE.to_bytes(2, "little")[index - STATUS])
            self.config[index] = new
        if self._changed is not None:
            self._changed()

    def reset(self) -> None:
        """All registers to their reset values."""
        self.config[:] = self._initial
        if self._changed is not None:
            self._changed()

    def save(self) -> State:
        """The configuration space."""
        return {"config": bytes(self.config)}

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        self.config = bytearray(load_bytes(self, "config", state, Bytes(len(self.config), len(self.config))))


class PciBus:
    """Bus 0: configuration accesses by device and function number. Absent functions read as ones."""

    def __init__(self) -> None:
        self._functions: dict[tuple[int, int], PciFunction] = {}

    def attach(self, device: int, function: int, target: PciFunction) -> None:
        """Put a function on the bus."""
        self._functions[device, function] = target

    def _target(self, address: int) -> PciFunction | None:
        """The function that a CONFIG_ADDRESS value names."""
        if address >> 16 & 0xFF:
            return None
        return self._functions.get((address >> 11 & 0x1F, address >> 8 & 7))

    def config_read(self, address: int, size: int) -> int:
        """A configuration load at a CONFIG_ADDRESS value (register number and byte in its low bits)."""
        target = self._target(address)
        return (1 << (8 * size)) - 1 if target is None else target.read(address & 0xFF, size)

    def config_write(self, address: int, size: int, value: int) -> None:
        """A configuration store at a CONFIG_ADDRESS value."""
        target = self._target(address)
        if target is not None:
            target.write(address & 0xFF, size, value)
