"""Descriptor tables (Virtio 1.1, 2.6.5): from the head of a chain to its buffers, checked as QEMU 7.2 checks them."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from rdbg.emu.devices.virtio.buffers import Buffer, Memory

NEXT, WRITE, INDIRECT = 1, 2, 4
DESCRIPTOR_SIZE = 16
MOST_ENTRIES = 1024  #: of a queue, and buffers of a chain
LOOPED = "Looped descriptor"
#: Bytes that a device can reach outside of memory at a time.
_OUTSIDE = 4096


class BadChain(Exception):
    """The driver has made a chain that cannot be."""


#: One entry of a descriptor table, as the guest wrote it: address, size, flags, number of the next one.
Descriptor = tuple[int, int, int, int]


class Chain(NamedTuple):
    """Buffers that the driver has made available together.

    Args:
        head: number of the first descriptor, by which they are given back.
        readable: for the device to read, in order.
        writable: for the device to write, in order.
    """

    head: int
    readable: list[Buffer]
    writable: list[Buffer]


class ByteOrder:
    """How numbers stand in the rings and in a device's requests.

    Args:
        big_endian: most significant byte first.
    """

    def __init__(self, big_endian: bool) -> None:
        mark = ">" if big_endian else "<"
        self.big_endian = big_endian
        self.half = Struct(mark + "H")
        self.word = Struct(mark + "I")
        self.double = Struct(mark + "Q")
        self.pair = Struct(mark + "II")
        self.descriptor = Struct(mark + "QIHH")


LITTLE, BIG = ByteOrder(False), ByteOrder(True)


class DescriptorTable:
    """A queue's table, as the device reads it at one moment.

    Args:
        memory: guest memory.
        order: byte order of the descriptors.
        address: guest-physical, of the table.
        size: entries.
    """

    def __init__(self, memory: Memory, order: ByteOrder, address: int, size: int) -> None:
        self._memory = memory
        self._order = order
        self._address = address
        self._size = size

    def collect(self, head: int) -> Chain:
        """The buffers of a chain.

        Raises:
            BadChain: it is wrong; each descriptor is checked as it is met.
        """
        readable: list[Buffer] = []
        writable: list[Buffer] = []
        outside = False
        direct = self._memory.direct
        for address, left, flags, _ in self.walk(head):
            write = bool(flags & WRITE)
            if writable and not write:
                raise BadChain("Incorrect order for descriptors")
            if not left:
                raise BadChain("virtio: zero sized buffers are not allowed")
            buffers = writable if write else readable
            while left:
                if len(readable) + len(writable) >= MOST_ENTRIES:
                    raise BadChain("virtio: too many write descriptors in indirect table")
                size = direct(address, left, write)
                if not size:
                    if outside:
                        raise BadChain("virtio: bogus descriptor or out of resources")
                    outside, size = True, min(left, _OUTSIDE)
                buffers.append(Buffer(address, size))
                address, left = address + size, left - size
        return Chain(head, readable, writable)

    def walk(self, head: int) -> Iterator[Descriptor]:
        """The descriptors of a chain one after another.

        Raises:
            BadChain: it cannot go on after the last one.
        """
        memory, unpack = self._memory, self._order.descriptor.unpack
        table, most, index = self._address, self._size, head
        descriptor = unpack(memory.read(table + DESCRIPTOR_SIZE * index, DESCRIPTOR_SIZE))
        if descriptor[2] & INDIRECT:
            table, size = descriptor[:2]
            if not size or size % DESCRIPTOR_SIZE:
                raise BadChain("Invalid size for indirect buffer table")
            if 0 < memory.direct(table, size, False) < size:
                raise BadChain("Cannot map indirect buffer")
            most, index = size // DESCRIPTOR_SIZE, 0
            descriptor = unpack(memory.read(table, DESCRIPTOR_SIZE))
        entries: list[Descriptor] = []
        count = 0
        while True:
            yield descriptor
            count += 1
            if count > min(most, MOST_ENTRIES):  # so many buffers are taken from no chain
                raise BadChain(LOOPED)
            if not descriptor[2] & NEXT:
                return
            index = descriptor[3]
            if index >= most:
                raise BadChain(f"Desc next is {index}")
            if most > MOST_ENTRIES:  # it is never gone through as a whole
                descriptor = unpack(memory.read(table + DESCRIPTOR_SIZE * index, DESCRIPTOR_SIZE))
                continue
            if not entries:
                whole = memory.read(table, DESCRIPTOR_SIZE * most)
                entries = list(self._order.descriptor.iter_unpack(whole))
            descriptor = entries[index]
