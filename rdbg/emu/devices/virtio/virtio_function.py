"""Virtio over PCI (Virtio 1.1, 4.1): the function with its capabilities and base addresses.

Legacy, modern and transitional devices as QEMU 7.2 makes them on a board whose PCI host takes no messages: there is no
MSI-X capability, so all interrupts come by INTA.
"""

from __future__ import annotations

from rdbg.emu.device import Device, System
from rdbg.emu.devices.pci import (
    COMMAND,
    COMMAND_MASTER,
    SUBSYSTEM_QEMU,
    Bar,
    Capability,
    PciFunction,
    PciIdentity,
)
from rdbg.emu.devices.virtio.virtio_device import VirtioDevice
from rdbg.emu.devices.virtio.virtio_registers import (
    BLOCK,
    CONFIG,
    MODERN_SIZE,
    NOTIFY_MULTIPLIER,
    LegacyPorts,
    ModernRegisters,
)
from rdbg.emu.dma_name import Detail
from rdbg.errors import UsageError
from rdbg.quick_dataclass import dataclass

RED_HAT = 0x1AF4
MODERN_DEVICE = 0x1040  #: PCI device number of kind 0, without a legacy interface
VENDOR_SPECIFIC = 9
LEGACY_BAR, MODERN_BAR = 0, 4

# Kinds of capabilities (4.1.4), in the order of QEMU's list.
COMMON_CFG, NOTIFY_CFG, ISR_CFG, DEVICE_CFG, PCI_CFG = range(1, 6)
_BLOCKS = ((COMMON_CFG, 0x40, 0), (ISR_CFG, 0x50, 1), (DEVICE_CFG, 0x60, 2), (NOTIFY_CFG, 0x70, 3))
#: The capability by which a driver reaches the registers through the configuration space alone.
ACCESS = 0x84
ACCESS_OFFSET, ACCESS_LENGTH, ACCESS_DATA = ACCESS + 8, ACCESS + 12, ACCESS + 16


@dataclass(frozen=True)
class Interfaces:
    """Which of the two interfaces a device has: QEMU's ``disable-legacy`` and ``disable-modern``.

    Args:
        legacy: ports in base address 0.
        modern: memory in base address 4.
    """

    legacy: bool = True
    modern: bool = True


def _capability(kind: int, offset: int, place: int, length: int, rest: bytes = b"") -> Capability:
    data = bytes((16 + len(rest), kind, MODERN_BAR if length else 0, 0, 0, 0))
    return Capability(VENDOR_SPECIFIC, offset, data + place.to_bytes(4, "little") + length.to_bytes(4, "little") + rest)


def _capabilities() -> tuple[Capability, ...]:
    blocks = tuple(
        _capability(
            kind, offset, index * BLOCK, BLOCK, NOTIFY_MULTIPLIER.to_bytes(4, "little") if kind == NOTIFY_CFG else b""
        )
        for kind, offset, index in _BLOCKS
    )
    access = _capability(PCI_CFG, ACCESS, 0, 0, bytes(4))
    writable = b"\0\0\xff\0\0\0" + b"\xff" * 12
    return (*blocks, Capability(access.identifier, access.offset, access.data, writable))


class BusMaster:
    """Guest memory as a virtio device reaches it over PCI.

    Args:
        function: its PCI function, without which there is no way.
        device: who writes, as users see it.
        system: the machine around it.
    """

    def __init__(self, function: PciFunction, device: Device, system: System) -> None:
        self._function = function
        self._device = device
        self._system = system

    def read(self, address: int, size: int) -> bytes:
        """Bytes from a guest-physical address on; zeros where nothing answers."""
        plain = self._system.dma_read_plain(address, size) if self._function.is_master else None
        return self._function.dma_read(address, size, source=self._device) if plain is None else plain

    def write(self, address: int, data: bytes, detail: Detail) -> None:
        """Write bytes; they are lost where nothing answers."""
        if not (self._function.is_master and self._system.dma_write_plain(address, data)):
            self._function.dma_write(address, data, detail, self._device)

    def direct(self, address: int, size: int, write: bool) -> int:
        """How many of ``size`` bytes from ``address`` on lie in memory without a gap."""
        return self._system.dma_direct(address, size, write) if self._function.is_master else 0


class VirtioFunction(PciFunction):
    """The PCI function of a virtio device, and the device's transport.

    Args:
        name: unique in the machine.
        system: the machine around it.
        device: the virtio device.
        interfaces: legacy, modern or both.

    Raises:
        UsageError: it would have neither interface.
    """

    def __init__(self, name: str, system: System, device: VirtioDevice, interfaces: Interfaces) -> None:
        if not (interfaces.legacy or interfaces.modern):
            raise UsageError(
                f"{device.name} has neither of its interfaces: set disable-modern or disable-legacy to off"
            )
        kind = device.kind
        self._device = device
        self.is_modern = interfaces.modern
        self.memory = BusMaster(self, device, system)
        self._modern = ModernRegisters(f"{name}.modern", device)
        self._legacy = LegacyPorts(f"{name}.legacy", device, self._modern, self)
        bars: list[Bar] = []
        if interfaces.legacy:
            size = 1 << (CONFIG + device.config_size - 1).bit_length()
            bars.append(Bar(LEGACY_BAR, "io", size, self._legacy))
        if interfaces.modern:
            bars.append(Bar(MODERN_BAR, "memory", MODERN_SIZE, self._modern, wide=True, prefetchable=True))
        identity = PciIdentity(
            RED_HAT,
            kind.legacy_device if interfaces.legacy else MODERN_DEVICE + kind.number,
            kind.class_code,
            revision=0 if interfaces.legacy else 1,
            interrupt_pin=1,
            subsystem=kind.number << 16 | RED_HAT if interfaces.legacy else SUBSYSTEM_QEMU,
        )
        super().__init__(name, identity, bars=tuple(bars), capabilities=_capabilities() if interfaces.modern else ())
        device.attach(self)

    @property
    def registers(self) -> tuple[Device, ...]:
        """What is behind its base addresses."""
        return self._modern, self._legacy

    # --- configuration -----------------------------------------------------------------------
    def read(self, offset: int, size: int) -> int:
        """A configuration load; in the access capability's data, a load from the registers that it names."""
        if self._is_access(offset, size):
            place, length = self._accessed()
            if length:
                value = self._modern.read(place, length)
                self.config[ACCESS_DATA : ACCESS_DATA + length] = value.to_bytes(length, "little")
        return super().read(offset, size)

    def write(self, offset: int, size: int, value: int) -> None:
        """A configuration store; one to the access capability's data is a store to the registers that it names."""
        super().write(offset, size, value)
        if offset <= COMMAND < offset + size:
            self._device.set_off(not self.config[COMMAND] & COMMAND_MASTER)
        if self._is_access(offset, size):
            place, length = self._accessed()
            if length:
                self._modern.write(place, length, self.register(ACCESS_DATA, length))

    def _is_access(self, offset: int, size: int) -> bool:
        return self.is_modern and offset < ACCESS_DATA + 4 and ACCESS_DATA < offset + size

    def _accessed(self) -> tuple[int, int]:
        """Offset and length that the access capability names; length 0: none that there is."""
        place, length = self.register(ACCESS_OFFSET, 4), self.register(ACCESS_LENGTH, 4)
        if length not in (1, 2, 4):
            return 0, 0
        place &= -length
        return (place, length) if place + length <= MODERN_SIZE else (0, 0)

    def become_master(self) -> None:
        """Switch bus mastering on, as by the guest but without telling the device."""
        super().write(COMMAND, 1, self.config[COMMAND] | COMMAND_MASTER)

    # --- transport ---------------------------------------------------------------------------
    def set_interrupt(self, level: bool) -> None:
        """Drive INTA."""
        self.set_irq(level)
