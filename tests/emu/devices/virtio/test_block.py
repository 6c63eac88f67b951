"""virtio-blk beside QEMU 7.2: random requests, good and bad, by both interfaces, and what the disk holds then."""

from __future__ import annotations

import random
import struct

import pytest

from tests.emu.devices.virtio.cards import BLOCK
from tests.emu.devices.virtio.driver import (
    DRIVER_OK,
    EVENT_IDX,
    INDIRECT,
    NEXT,
    VERSION_1,
    WRITE,
    Driver,
    Ring,
)
from tests.emu.devices.virtio.pair import RAM, MemoryDisk, Pair

pytestmark = pytest.mark.real("qemu-system-mips")

SECTORS = 2048
RINGS, HEADERS, DATA, TABLE = 0x1_0000, 0x4_0000, 0x10_0000, 0x5_0000
READ, STORE, SCSI, FLUSH, GET_ID, DISCARD, WRITE_ZEROES = 0, 1, 2, 4, 8, 11, 13
INDIRECT_DESC = 1 << 28
NOT_NEGOTIATED = 1 << 30 | 1 << 24  # what breaks drivers; an interrupt whenever the queue is empty
MODES = [(False, False), (False, True), (True, False), (True, True)]  # modern, big endian


def content(seed: int) -> bytes:
    return random.Random(seed).randbytes(SECTORS * 512)


def started(machines: Pair, modern: bool, without: int = 0) -> tuple[Driver, Ring]:
    driver = Driver(machines, modern)
    driver.start(driver.offered() & ~(NOT_NEGOTIATED | without))
    ring = Ring(driver, 0, RINGS)
    driver.go()
    return driver, ring


def request(ring: Ring, kind: int, sector: int, size: int, dice: random.Random, first: int = 0) -> int:
    """Descriptors of a request; gives its head."""
    pair, order = ring.pair, ring.driver.order
    header = HEADERS + 0x100 * first
    pair.fill(header, struct.pack(order + "IIQ", kind, 0, sector))
    out = kind & 1
    buffers: list[tuple[int, int, bool]] = [(header, 16, False)]
    place = DATA + 0x1_0000 * first
    left = size
    while left:
        here = left if dice.random() < 0.4 else min(left, dice.choice([512, 1024, 100, 4096, 1]))
        place += dice.choice([0, 0, 64, 4096])
        buffers.append((place, here, not out))
        if out:
            pair.fill(place, dice.randbytes(here))
        place, left = place + here, left - here
    buffers.append((header + 0x40, 1, True))
    if dice.random() < 0.3:
        return ring.indirect(buffers, TABLE + 0x1000 * first, first)
    return ring.chain(buffers, first)


@pytest.mark.parametrize(("modern", "big_endian"), MODES)
def test_random_requests(modern: bool, big_endian: bool) -> None:
    dice = random.Random(10 + modern + 2 * big_endian)
    disk = MemoryDisk(content(1))
    with Pair(BLOCK.ours, BLOCK.qemu, disk, big_endian) as machines:
        driver, ring = started(machines, modern, without=dice.choice([0, EVENT_IDX]) if modern else EVENT_IDX)
        for _ in range(45):
            kind = dice.choice([READ, READ, STORE, STORE, FLUSH, GET_ID, SCSI, 3, 9, 42, 1 << 31])
            sector = dice.choice([0, 1, 7, SECTORS - 1, SECTORS, 1 << 63, dice.randrange(SECTORS)])
            size = dice.choice([512, 1024, 4096, 512 * dice.randrange(1, 40), 0, 100, 513])
            if kind in (GET_ID, 9):
                size = dice.choice([20, 8, 100])
            if driver.features & EVENT_IDX:
                ring.set_used_event(dice.choice([ring.next, ring.next + 1 & 0xFFFF, 5]))
            else:
                ring.set_flags(dice.choice([0, 0, 1]))
            ring.offer(request(ring, kind, sector, size, dice))
            ring.settle()
            ring.compare()
            machines.memory(HEADERS, 0x100)
            machines.memory(DATA, 0x8000)
            if dice.random() < 0.8:
                driver.isr()
        driver.status()
        machines.qemu.read(0, 1)
        assert machines.disk_file.read_bytes() == bytes(disk.data), machines.story()


@pytest.mark.parametrize(("modern", "big_endian"), MODES[::3])
def test_discards_and_zeroes(modern: bool, big_endian: bool) -> None:
    dice = random.Random(3)
    disk = MemoryDisk(content(2), serial="12345678901234567890ABC")
    case = BLOCK.with_property("serial", "12345678901234567890ABC")
    with Pair(case.ours, case.qemu, disk, big_endian) as machines:
        driver, ring = started(machines, modern)
        for _ in range(30):
            kind = dice.choice([DISCARD, WRITE_ZEROES, WRITE_ZEROES, 10, 12, GET_ID])
            header = struct.pack(driver.order + "IIQ", kind, 0, 99)
            count = dice.choice([0, 1, 8, 100, 5000, 1 << 22, 1 << 31])
            span = struct.pack(
                driver.order + "QII", dice.choice([0, 5, SECTORS - 8, SECTORS]), count, dice.choice([0, 0, 1, 2])
            )
            machines.fill(HEADERS, header + span + bytes(64) + b"\xee" * 64)
            size = dice.choice([16, 16, 16, 32])
            ring.offer(ring.chain([(HEADERS, 16 + size, False), (HEADERS + 0x60, 24, True)]))
            ring.settle()
            ring.compare()
            machines.memory(HEADERS, 0x100)
        assert driver.status() & DRIVER_OK
        assert machines.disk_file.read_bytes() == bytes(disk.data), machines.story()


def test_a_read_only_disk() -> None:
    dice = random.Random(5)
    disk = MemoryDisk(content(2), read_only=True)
    words = tuple(word.replace("format=raw", "format=raw,readonly=on") for word in BLOCK.qemu)
    with Pair(BLOCK.ours, words, disk) as machines:
        driver, ring = started(machines, True)
        for kind, size in ((READ, 512), (STORE, 512), (FLUSH, 0), (STORE, 0)):
            ring.offer(request(ring, kind, 3, size, dice))
            ring.settle()
            ring.compare()
            machines.memory(HEADERS, 0x100)
        driver.status()


LOOP, VOID, NOWHERE = "loop", 0x1800_0000, 0x4000_0000
#: Descriptors at 0, those of a table at TABLE, and what becomes available: what no driver should do.
BAD: dict[str, tuple[list[tuple[int, int, int, int]], list[tuple[int, int, int, int]], list[int]]] = {
    "points to itself": ([(HEADERS, 16, NEXT, 0)], [], [0]),
    "points in a circle": ([(HEADERS, 16, NEXT, 1), (HEADERS, 16, NEXT, 0)], [], [0]),
    "circle of writable ones": ([(HEADERS, 16, NEXT | WRITE, 1), (HEADERS, 16, NEXT | WRITE, 1)], [], [0]),
    "next beyond the table": ([(HEADERS, 16, NEXT, 300)], [], [0]),
    "head beyond the table": ([(HEADERS, 16, 0, 0)], [], [256]),
    "no bytes": ([(HEADERS, 0, NEXT, 1), (DATA, 1, WRITE, 0)], [], [0]),
    "writable first": ([(DATA, 1, NEXT | WRITE, 1), (HEADERS, 16, 0, 0)], [], [0]),
    "nothing to write": ([(HEADERS, 16, 0, 0)], [], [0]),
    "nothing to read": ([(DATA, 16, WRITE, 0)], [], [0]),
    "short header": ([(HEADERS, 15, NEXT, 1), (DATA, 1, WRITE, 0)], [], [0]),
    "table of no size": ([(TABLE, 0, INDIRECT, 0)], [], [0]),
    "table of odd size": ([(TABLE, 17, INDIRECT, 0)], [], [0]),
    "table in a table": ([(TABLE, 32, INDIRECT, 0)], [(TABLE, 32, INDIRECT, 0), (DATA, 1, WRITE, 0)], [0]),
    "table that goes on in itself": ([(TABLE, 32, INDIRECT, 0)], [(HEADERS, 16, NEXT, 0), (DATA, 1, WRITE, 0)], [0]),
    "table's next beyond it": ([(TABLE, 32, INDIRECT, 0)], [(HEADERS, 16, NEXT, 2), (DATA, 1, WRITE, 0)], [0]),
    "table that goes on in the ring": ([(TABLE, 32, INDIRECT | NEXT, 1), (DATA, 1, WRITE, 0)],
                                       [(HEADERS, 16, NEXT, 1), (DATA, 1, WRITE, 0)], [0]),
    "huge table": ([(TABLE, 0xFFFF_FFF0, INDIRECT, 0)], [(HEADERS, 16, NEXT, 1), (DATA, 1, WRITE, 0)], [0]),
    "long table with a circle": ([(TABLE, 0x10_0000, INDIRECT, 0)], [(HEADERS, 16, NEXT, 0)], [0]),
    "table in the void": ([(VOID, 32, INDIRECT, 0)], [], [0]),
    "table across the end of memory": ([(RAM - 16, 32, INDIRECT, 0)], [], [0]),
    "status in the void": ([(HEADERS, 16, NEXT, 1), (VOID, 1, WRITE, 0)], [], [0]),
    "header in the void": ([(VOID, 16, NEXT, 1), (DATA, 1, WRITE, 0)], [], [0]),
    "data nowhere": ([(HEADERS, 16, NEXT, 1), (NOWHERE, 512, NEXT | WRITE, 2), (DATA, 1, WRITE, 0)], [], [0]),
    "two in the void": ([(VOID, 16, NEXT, 1), (VOID + 64, 1, WRITE, 0)], [], [0]),
    "more than a page in the void": ([(HEADERS, 16, NEXT, 1), (VOID, 8192, NEXT | WRITE, 2), (DATA, 1, WRITE, 0)],
                                     [], [0]),
    "across the end of memory": ([(HEADERS, 16, NEXT, 1), (RAM - 512, 1024, NEXT | WRITE, 2), (DATA, 1, WRITE, 0)],
                                 [], [0]),
    "all of memory": ([(HEADERS, 16, NEXT, 1), (0, 0xFFFF_FFFF, NEXT | WRITE, 2), (DATA, 1, WRITE, 0)], [], [0]),
    "beyond 32 bits": ([(HEADERS, 16, NEXT, 1), (1 << 40, 512, NEXT | WRITE, 2), (DATA, 1, WRITE, 0)], [], [0]),
    "a good one, twice": ([(HEADERS, 16, NEXT, 1), (DATA, 513, WRITE, 0)], [], [0, 0]),
    "a good one, then a bad one, then a good one": (
        [(HEADERS, 16, NEXT, 1), (DATA, 513, WRITE, 0), (HEADERS, 16, NEXT, 2)], [], [0, 2, 0]),
}  # fmt: skip


@pytest.mark.parametrize("modern", [True, False])
def test_what_no_driver_should_do(modern: bool) -> None:
    """After each the device is reset, and works again."""
    disk = MemoryDisk(content(4))
    with Pair(BLOCK.ours, BLOCK.qemu, disk) as machines:
        for name, (descriptors, table, heads) in BAD.items():
            machines.history[:] = [name]
            driver, ring = started(machines, modern)
            machines.fill(HEADERS, struct.pack("<IIQ", READ, 0, 5))
            machines.fill(DATA, bytes(2048))
            for index, descriptor in enumerate(descriptors):
                ring.describe(index, descriptor)
            for index, descriptor in enumerate(table):
                ring.describe(index, descriptor, TABLE)
            ring.offer(*heads)
            ring.settle()
            ring.compare()
            # What QEMU has begun before the device was broken goes on, and nobody is told when it is done.
            machines.settle(lambda: machines.is_same(DATA, 2048))
            machines.memory(DATA, 2048)
            machines.memory(RAM - 1024, 1024)
            driver.status()
            driver.common(0x15, 1)
            driver.isr()
            driver.notify(0)
            driver.status()
        driver, ring = started(machines, modern)
        ring.offer(request(ring, READ, 9, 1024, random.Random(1)))
        ring.settle()
        ring.compare()
        assert not driver.status() & 0x40
        assert "virtio-blk-pci DMA, sector 9" in machines.ours.system.dma_writers


def test_an_index_that_runs_away() -> None:
    disk = MemoryDisk(content(4))
    with Pair(BLOCK.ours, BLOCK.qemu, disk) as machines:
        driver, ring = started(machines, True)
        machines.fill(HEADERS, struct.pack("<IIQ", FLUSH, 0, 5))
        ring.chain([(HEADERS, 16, False), (DATA, 1, True)])
        ring.next = 700  # more than there are entries
        ring.offer(notify=False)
        driver.notify(0)
        ring.settle()
        ring.compare()
        driver.status()


def test_rings_in_the_void() -> None:
    disk = MemoryDisk(content(4))
    with Pair(BLOCK.ours, BLOCK.qemu, disk) as machines:
        for at in (VOID, NOWHERE, RAM - 0x1000):
            driver = Driver(machines, True)
            driver.start(VERSION_1)
            driver.common(0x16, 2, 0)
            driver.common(0x18, 2, 256)
            for offset in (0x20, 0x28, 0x30):
                driver.common(offset, 4, at + (0x1000 if at == VOID else 0) * (offset - 0x20 >> 3))
                driver.common(offset + 4, 4, 0)
            driver.common(0x1C, 2, 1)
            driver.go()
            driver.notify(0)
            driver.status()
            driver.common(0x15, 1)
            driver.isr()


def test_a_device_that_is_no_bus_master_any_more() -> None:
    disk = MemoryDisk(content(4))
    with Pair(BLOCK.ours, BLOCK.qemu, disk) as machines:
        driver, ring = started(machines, True)
        machines.configure(4, 3)
        ring.offer(request(ring, READ, 9, 1024, random.Random(1)))
        driver.status()
        machines.configure(4, 7)
        driver.status()
        driver.notify(0)
        ring.settle()
        ring.compare()


@pytest.mark.parametrize("features", [0, EVENT_IDX])
def test_many_at_once(features: int) -> None:
    """QEMU may use them in any order: what they gave is compared."""
    dice = random.Random(9)
    disk = MemoryDisk(content(6))
    with Pair(BLOCK.ours, BLOCK.qemu, disk) as machines:
        driver, ring = started(machines, True, without=EVENT_IDX ^ features)
        for _ in range(4):
            heads = []
            for number in range(8):
                heads.append(request(ring, READ, dice.randrange(SECTORS - 4), 2048, random.Random(1), 8 * number))
            ring.offer(*heads)
            ring.settle()
            machines.memory(HEADERS, 0x4000)
            for number in range(8):
                machines.memory(DATA + 8 * number * 0x1_0000, 0x8000)
        assert machines.qemu.read_bytes(ring.used, 4) == machines.ours.system.dma_read(ring.used, 4)
        driver.isr()
