"""A small virtio driver for both machines of a pair: it sets a device up, and keeps one queue's rings."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tests.emu.devices.virtio.pair import LEGACY_AT, MODERN_AT, PORTS, Pair

NEXT, WRITE, INDIRECT = 1, 2, 4
ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK = 1, 2, 4, 8
EVENT_IDX, VERSION_1 = 1 << 29, 1 << 32

#: A descriptor: address, size, flags, next.
Descriptor = tuple[int, int, int, int]


class Driver:
    """Registers by either interface.

    Args:
        pair: the machines.
        modern: the interface.
    """

    def __init__(self, pair: Pair, modern: bool) -> None:
        self.pair = pair
        self.modern = modern
        self.order = "<" if modern or not pair.big_endian else ">"
        self.features = 0

    def common(self, offset: int, size: int, value: int | None = None) -> int:
        """A modern register: stored, or loaded without a value."""
        return self._register(MODERN_AT + offset, size, value)

    def legacy(self, offset: int, size: int, value: int | None = None) -> int:
        """A legacy register."""
        return self._register(PORTS + LEGACY_AT + offset, size, value)

    def _register(self, address: int, size: int, value: int | None) -> int:
        if value is None:
            return self.pair.read(address, size)
        self.pair.write(address, size, value)
        return value

    def status(self, value: int | None = None) -> int:
        """The device status."""
        return self.common(0x14, 1, value) if self.modern else self.legacy(18, 1, value)

    def isr(self) -> int:
        """The interrupt status, which is cleared."""
        return self.common(0x1000, 1) if self.modern else self.legacy(19, 1)

    def offered(self) -> int:
        """The features that the device offers."""
        if not self.modern:
            return self.legacy(0, 4)
        found = 0
        for half in (0, 1):
            self.common(0, 4, half)
            found |= self.common(4, 4) << 32 * half
        return found

    def start(self, features: int) -> None:
        """From a reset to DRIVER with these features."""
        self.status(0)
        self.status(ACKNOWLEDGE)
        self.status(ACKNOWLEDGE | DRIVER)
        self.features = features
        if self.modern:
            for half in (0, 1):
                self.common(8, 4, half)
                self.common(12, 4, features >> 32 * half & 0xFFFF_FFFF)
            self.status(ACKNOWLEDGE | DRIVER | FEATURES_OK)
        else:
            self.legacy(4, 4, features)

    def go(self) -> None:
        """DRIVER_OK."""
        self.status(self.status() | DRIVER_OK)

    def notify(self, queue: int) -> None:
        """Tell of buffers."""
        if self.modern:
            self.common(0x3000 + 4 * queue, 2, queue)
        else:
            self.legacy(16, 2, queue)


class Ring:
    """A queue's rings.

    Args:
        driver: of the device.
        index: of the queue.
        base: of the rings, 0x8000 bytes.
        size: entries; None: as many as the device has, which a legacy driver has to take.
    """

    def __init__(self, driver: Driver, index: int, base: int, size: int | None = None) -> None:
        self.driver = driver
        self.pair = driver.pair
        self.index = index
        order = driver.order
        self.half, self.table = struct.Struct(order + "H"), struct.Struct(order + "QIHH")
        pair = self.pair
        pair.fill(base, bytes(0x3000))
        if driver.modern:
            driver.common(0x16, 2, index)
            self.size = size or driver.common(0x18, 2)
            driver.common(0x18, 2, self.size)
            self.descriptors, self.available, self.used = base, base + 0x4000, base + 0x5000
            pair.fill(self.available, bytes(0x2000))
            for offset, address in zip((0x20, 0x28, 0x30), (self.descriptors, self.available, self.used), strict=True):
                driver.common(offset, 4, address)
                driver.common(offset + 4, 4, 0)
            driver.common(0x1C, 2, 1)
        else:
            driver.legacy(14, 2, index)
            self.size = driver.legacy(12, 2)
            self.descriptors, self.available = base, base + 16 * self.size
            self.used = (self.available + 4 + 2 * self.size + 4095) & ~4095
            driver.legacy(8, 4, base >> 12)
        self.next = 0

    def describe(self, index: int, descriptor: Descriptor, table: int | None = None) -> None:
        """Write a descriptor."""
        self.pair.fill((table or self.descriptors) + 16 * index, self.table.pack(*descriptor))

    def chain(self, buffers: Sequence[tuple[int, int, bool]], first: int = 0) -> int:
        """Descriptors for buffers (address, size, written by the device), one after another.

        Returns:
            The number of the first.
        """
        for number, (address, size, write) in enumerate(buffers, first):
            more = number < first + len(buffers) - 1
            flags = (WRITE if write else 0) | (NEXT if more else 0)
            self.describe(number, (address, size, flags, number + 1 if more else 0))
        return first

    def indirect(self, buffers: Sequence[tuple[int, int, bool]], table: int, first: int = 0) -> int:
        """The same in a table of its own."""
        for number, (address, size, write) in enumerate(buffers):
            more = number < len(buffers) - 1
            self.describe(number, (address, size, (WRITE if write else 0) | (NEXT if more else 0), number + 1), table)
        self.describe(first, (table, 16 * len(buffers), INDIRECT, 0))
        return first

    def offer(self, *heads: int, notify: bool = True) -> None:
        """Make chains available."""
        for head in heads:
            self.pair.fill(self.available + 4 + 2 * (self.next % self.size), self.half.pack(head))
            self.next = self.next + 1 & 0xFFFF
        self.pair.fill(self.available + 2, self.half.pack(self.next))
        if notify:
            self.driver.notify(self.index)

    def set_flags(self, flags: int) -> None:
        """Of the available ring."""
        self.pair.fill(self.available, self.half.pack(flags))

    def set_used_event(self, index: int) -> None:
        """The index of the used ring at which an interrupt is wanted."""
        self.pair.fill(self.available + 4 + 2 * self.size, self.half.pack(index))

    def used_index(self) -> int:
        """Of QEMU alone."""
        found: int = self.half.unpack(self.pair.qemu.read_bytes(self.used + 2, 2))[0]
        return found

    def settle(self, used: int | None = None) -> None:
        """Wait until QEMU has used as much as we have."""
        wanted: int = self.half.unpack(self.pair.ours.system.dma_read(self.used + 2, 2))[0]
        self.pair.settle(lambda: self.used_index() == (wanted if used is None else used))

    def compare(self) -> bytes:
        """The used ring of both, from its flags to its event."""
        return self.pair.memory(self.used, 6 + 8 * self.size)
