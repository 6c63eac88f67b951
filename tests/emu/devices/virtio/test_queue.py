"""What a device does to see how much room a driver has given it."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from rdbg.emu.devices.virtio.descriptors import (
    LITTLE,
    MOST_ENTRIES,
    NEXT,
    WRITE,
    ByteOrder,
    Descriptor,
    DescriptorTable,
)
from rdbg.emu.devices.virtio.queue import MOST_LOOKED_AT, Virtqueue

RING, AVAILABLE, USED = 0x1000, 0x8000, 0xC000


class Memory:
    """64 KiB of RAM."""

    def __init__(self) -> None:
        self.bytes = bytearray(1 << 16)

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.bytes[address : address + size])

    def write(self, address: int, data: bytes, detail: object) -> None:
        self.bytes[address : address + len(data)] = data

    def direct(self, address: int, size: int, write: bool) -> int:
        return min(size, max(0, len(self.bytes) - address))


class Device:
    """The owner of a queue, whose driver has negotiated nothing."""

    order: ByteOrder = LITTLE
    event_index = notify_on_empty = is_disabled = False

    def __init__(self) -> None:
        self.memory = Memory()

    def fail(self, why: str) -> None:
        raise AssertionError(why)

    def queue_interrupt(self) -> None:
        pass


def queue_of_chains(length: int, flags: int, last: int = 0) -> Virtqueue:
    """A full queue whose chains all go through its whole table, of descriptors with so many bytes, the last one with
    others."""
    device = Device()
    queue = Virtqueue(0, MOST_ENTRIES, device)
    for index in range(MOST_ENTRIES):
        more = index < MOST_ENTRIES - 1
        fields = (0x9000, length if more else last, flags | (NEXT if more else 0), index + 1 if more else 0)
        struct.pack_into("<QIHH", device.memory.bytes, RING + 16 * index, *fields)
    struct.pack_into("<H", device.memory.bytes, AVAILABLE + 2, MOST_ENTRIES)
    queue.set_addresses(RING, AVAILABLE, USED)
    return queue


@pytest.mark.parametrize(
    ("length", "flags", "last", "bytes_found"),
    [
        (0, WRITE, 0, 1500),  # buffers of nothing
        (9, 0, 0, 1500),  # buffers that cannot be written
        (1, WRITE, 1, MOST_LOOKED_AT + 1),  # as many as were looked at
        (0, WRITE, 90_000, 90_000),  # the first chain has it at its end
        (1, WRITE, 0, MOST_LOOKED_AT + 1 - MOST_LOOKED_AT // MOST_ENTRIES),
    ],
)
def test_looking_for_room_ends_soon(
    length: int, flags: int, last: int, bytes_found: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million descriptors of which each is one of a full ring's thousand chains: they are not all gone through."""
    looked = 0
    walk = DescriptorTable.walk

    def counted(table: DescriptorTable, head: int) -> Iterator[Descriptor]:
        nonlocal looked
        for descriptor in walk(table, head):
            looked += 1
            yield descriptor

    monkeypatch.setattr(DescriptorTable, "walk", counted)
    queue = queue_of_chains(length, flags, last)
    assert queue.count_bytes(90_000, 1500) == bytes_found
    assert queue.has_writable(90_000)
    assert 0 < looked <= 2 * (MOST_LOOKED_AT + 1)
