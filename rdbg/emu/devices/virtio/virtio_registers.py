"""The register blocks of virtio over PCI (Virtio 1.1, 4.1.4 and 4.1.4.8): common configuration, legacy ports."""

from __future__ import annotations

from typing import Protocol

from rdbg.emu.device import FOREVER, Device, State
from rdbg.emu.devices.fields import load_ints
from rdbg.emu.devices.virtio.virtio_device import LEGACY_FEATURES, QUEUE_MAX, CommonFeature, Status, VirtioDevice
from rdbg.errors import RdbgError

NO_VECTOR = 0xFFFF  #: there are no interrupt vectors: the board's PCI host takes no messages

# Legacy ports.
HOST_FEATURES, GUEST_FEATURES, QUEUE_ADDRESS, QUEUE_SIZE, QUEUE_SELECT = 0, 4, 8, 12, 14
QUEUE_NOTIFY, STATUS, ISR, CONFIG = 16, 18, 19, 20
PAGE_BITS = 12  #: a legacy queue's address is given in pages

# Common configuration.
FEATURE_SELECT, FEATURES, DRIVER_SELECT, DRIVER_FEATURES, CONFIG_VECTOR = 0x00, 0x04, 0x08, 0x0C, 0x10
QUEUES, COMMON_STATUS, GENERATION, SELECT, SIZE, VECTOR = 0x12, 0x14, 0x15, 0x16, 0x18, 0x1A
ENABLE, NOTIFY_OFFSET, ADDRESSES, ADDRESSES_END, RESET = 0x1C, 0x1E, 0x20, 0x38, 0x3A

# Blocks in the memory base address: each a page.
BLOCK = 0x1000
COMMON_BLOCK, ISR_BLOCK, DEVICE_BLOCK, NOTIFY_BLOCK = range(4)
NOTIFY_MULTIPLIER = 4
MODERN_SIZE = 4 * BLOCK


class Master(Protocol):
    """The PCI function."""

    def become_master(self) -> None:
        """Switch bus mastering on."""


class LegacyPorts(Device):
    """The ports of a legacy or transitional device: little-endian. The configuration space at their end is bytes, in
    which numbers stand in the guest's byte order.

    Args:
        name: unique in the machine.
        device: behind them.
        modern: the other registers of the same device.
        master: its PCI function.
    """

    def __init__(self, name: str, device: VirtioDevice, modern: ModernRegisters, master: Master) -> None:
        super().__init__(name)
        self._device = device
        self._modern = modern
        self._master = master

    def read(self, offset: int, size: int) -> int:
        """A guest load."""
        if size == 8:
            return self.read(offset, 4) | self.read(offset + 4, 4) << 32
        if offset >= CONFIG:
            return self._config_value(self._device.read(offset - CONFIG, size), size)
        return self._register(offset) & ((1 << (8 * size)) - 1)

    def _config_value(self, value: int, size: int) -> int:
        """Drivers that work by the modern interface do not look here. QEMU turns the bytes for those that do."""
        if not self._device.is_turned:
            return value
        return int.from_bytes(value.to_bytes(size, "little"), "big")

    def _register(self, offset: int) -> int:
        device = self._device
        queue = device.queue(device.selected)
        if offset == ISR:
            return device.read_isr()
        if offset == STATUS:
            return device.status
        if offset == HOST_FEATURES:
            return device.offered & 0xFFFF_FFFF
        if offset == GUEST_FEATURES:
            return device.features & 0xFFFF_FFFF
        if offset == QUEUE_ADDRESS:
            return 0 if queue is None else queue.descriptors >> PAGE_BITS & 0xFFFF_FFFF
        if offset == QUEUE_SIZE:
            return 0 if queue is None else queue.size
        if offset == QUEUE_SELECT:
            return device.selected
        return 0xFFFF_FFFF

    def stable_until(self, offset: int, size: int) -> int:
        """Everything but an interrupt status that is cleared by the load."""
        return 0 if offset == ISR and self._device.isr else FOREVER

    def write(self, offset: int, size: int, value: int) -> None:
        """A guest store."""
        device = self._device
        if size == 8:
            self.write(offset, 4, value & 0xFFFF_FFFF)
            self.write(offset + 4, 4, value >> 32)
        elif offset >= CONFIG:
            device.write(offset - CONFIG, size, self._config_value(value, size))
        elif offset == QUEUE_NOTIFY:
            device.notify(value)
        elif offset == QUEUE_SELECT:
            if value < QUEUE_MAX:
                device.selected = value
        elif offset == QUEUE_ADDRESS:
            queue = device.queue(device.selected)
            if value == 0:
                self._modern.driver_resets()
            elif queue is not None:
                queue.set_legacy_address(value << PAGE_BITS)
        elif offset == GUEST_FEATURES:
            device.set_features(device.kind.bad_features if value & CommonFeature.BAD_FEATURE else value)
        elif offset == STATUS:
            self._modern.set_status(value & 0xFF)
            # Drivers of old did not switch it on, and worked on QEMU.
            if value == Status.ACKNOWLEDGE | Status.DRIVER:
                self._master.become_master()

    def reset(self) -> None:
        """It has nothing of its own."""

    def save(self) -> State:
        """Nothing."""
        return {}

    def load(self, state: State) -> None:
        """Nothing."""


class ModernRegisters(Device):
    """The memory behind the base address of a modern or transitional device: a page each of common configuration,
    interrupt status, configuration space and notifications.

    Args:
        name: unique in the machine.
        device: behind them.
    """

    #: What the driver sets of a queue before it enables it: size, whether it is enabled, three addresses in halves.
    _QUEUE_VALUES = 8

    def __init__(self, name: str, device: VirtioDevice) -> None:
        super().__init__(name)
        self._device = device
        self.reset()

    def reset(self) -> None:
        """Nothing selected, no queue enabled."""
        self.feature_select = self.driver_select = 0
        self.driver_features = [0, 0]
        self._queues: dict[int, list[int]] = {}

    def driver_resets(self) -> None:
        """A reset by the driver, which leaves what it selected."""
        self._device.driver_resets()
        self._queues.clear()

    def set_status(self, status: int) -> None:
        """The driver's progress; 0 is a reset."""
        self._device.set_status(status)
        if status == 0:
            self.driver_resets()

    def _queue_values(self) -> list[int]:
        """Of the selected queue: size, enabled, then the addresses. To be looked at."""
        return self._queues.get(self._device.selected) or [0] * self._QUEUE_VALUES

    def _queue_to_change(self) -> list[int]:
        return self._queues.setdefault(self._device.selected, [0] * self._QUEUE_VALUES)

    # --- loads -------------------------------------------------------------------------------
    def read(self, offset: int, size: int) -> int:
        """A guest load."""
        if size == 8:
            return self.read(offset, 4) | self.read(offset + 4, 4) << 32
        block, offset = divmod(offset, BLOCK)
        if block == COMMON_BLOCK:
            return self._read_common(offset) & ((1 << (8 * size)) - 1)
        if block == ISR_BLOCK:
            return self._device.read_isr()
        if block == DEVICE_BLOCK:
            return self._device.read(offset, size)
        return 0

    def stable_until(self, offset: int, size: int) -> int:
        """Everything but an interrupt status that is cleared by the load."""
        return 0 if offset // BLOCK == ISR_BLOCK and self._device.isr else FOREVER

    def _read_common(self, offset: int) -> int:
        device = self._device
        queue = device.queue(device.selected)
        if offset == COMMON_STATUS:
            return device.status
        if offset == GENERATION:
            return device.generation
        if offset == FEATURES:
            shown = device.offered & ~(LEGACY_FEATURES | device.kind.legacy_features)
            return shown >> (32 * self.feature_select) & 0xFFFF_FFFF if self.feature_select <= 1 else 0
        if offset == DRIVER_FEATURES:
            return self.driver_features[self.driver_select] if self.driver_select <= 1 else 0
        if ADDRESSES <= offset < ADDRESSES_END:
            return 0 if offset % 4 else self._queue_values()[2 + (offset - ADDRESSES) // 4]
        values = {
            FEATURE_SELECT: self.feature_select,
            DRIVER_SELECT: self.driver_select,
            CONFIG_VECTOR: NO_VECTOR,
            QUEUES: len(device.queues),
            SELECT: device.selected,
            SIZE: 0 if queue is None else queue.size,
            VECTOR: NO_VECTOR,
            ENABLE: self._queue_values()[1],
            NOTIFY_OFFSET: device.selected,
        }
        return values.get(offset, 0)

    # --- stores ------------------------------------------------------------------------------
    def write(self, offset: int, size: int, value: int) -> None:
        """A guest store."""
        if size == 8:
            self.write(offset, 4, value & 0xFFFF_FFFF)
            self.write(offset + 4, 4, value >> 32)
            return
        block, offset = divmod(offset, BLOCK)
        if block == NOTIFY_BLOCK:
            self._device.notify(offset // NOTIFY_MULTIPLIER)
        elif block == COMMON_BLOCK:
            self._write_common(offset, value)
        elif block == DEVICE_BLOCK:
            self._device.write(offset, size, value)

    def _write_common(self, offset: int, value: int) -> None:
        device = self._device
        queue = device.queue(device.selected)
        if offset == FEATURE_SELECT:
            self.feature_select = value
        elif offset == DRIVER_SELECT:
            self.driver_select = value
        elif offset == DRIVER_FEATURES:
            if self.driver_select <= 1:
                self.driver_features[self.driver_select] = value
                device.set_features(self.driver_features[1] << 32 | self.driver_features[0])
        elif offset == COMMON_STATUS:
            self.set_status(value & 0xFF)
        elif offset == SELECT:
            if value < QUEUE_MAX:
                device.selected = value
        elif offset == SIZE:
            self._queue_to_change()[0] = value & 0xFFFF
            if queue is not None:
                queue.set_size(value & 0xFFFF)
                queue.map()
        elif offset == ENABLE:
            self._enable(value)
        elif offset == RESET:
            if value == 1:
                self._queue_to_change()[1] = 0
                if queue is not None:
                    queue.reset()
        elif ADDRESSES <= offset < ADDRESSES_END and not offset % 4:
            self._queue_to_change()[2 + (offset - ADDRESSES) // 4] = value

    def _enable(self, value: int) -> None:
        if value != 1:
            self._device.fail(f"wrong value for queue_enable {value:x}")
            return
        values = self._queue_to_change()
        values[1] = 1
        queue = self._device.queue(self._device.selected)
        if queue is not None:
            queue.set_size(values[0])
            descriptors, available, used = (values[at + 1] << 32 | values[at] for at in (2, 4, 6))
            queue.set_addresses(descriptors, available, used)

    # --- state -------------------------------------------------------------------------------
    def save(self) -> State:
        """What is selected, and what is set of each queue."""
        return {
            "selected": [self.feature_select, self.driver_select, *self.driver_features],
            "queues": {str(index): list(values) for index, values in sorted(self._queues.items())},
        }

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        self.feature_select, self.driver_select, *self.driver_features = load_ints(self, "selected", state, 4)
        queues = state.get("queues")
        if not isinstance(queues, dict):
            raise RdbgError(f"saved state of device {self.name!r} has no queues")
        self._queues = {}
        for key in queues:
            if not key.isdecimal() or int(key) >= QUEUE_MAX:
                raise RdbgError(f"saved state of device {self.name!r} is damaged: there is no queue {key[:40]!r}")
            self._queues[int(key)] = load_ints(self, key, queues, self._QUEUE_VALUES)
