"""The Am79C973 beside QEMU's: random accesses, rings in memory, frames in both directions."""

from __future__ import annotations

import random
import struct

import pytest

from tests.emu.devices.network.frames import random_frame
from tests.emu.devices.network.twins import MAC, SEEDS, Twins

pytestmark = pytest.mark.real("qemu-system-mips")

INIT_BLOCK, RX_RING, TX_RING = 0x10_0000, 0x10_1000, 0x10_2000
RX_BUFFERS, TX_BUFFERS, BUFFER_STEP = 0x11_0000, 0x12_0000, 0x1000
RX_COUNT, TX_COUNT = 8, 8
OWN, ERROR, STP, ENP, ADD_FCS = 0x8000, 0x4000, 0x0200, 0x0100, 0x2000
INTERRUPTS_ON = 0x40


class Driver:
    """What a guest's driver does, and what none would do.

    Args:
        twins: the cards.
        style: software style, 0 to 3.
        wide: 32-bit ports.
    """

    def __init__(self, twins: Twins, style: int, wide: bool) -> None:
        self.twins = twins
        self.style = style
        self.wide = wide
        if wide:
            twins.write(0x10, 0)
        self.bcr(20, style)

    def _select(self, number: int) -> None:
        self.twins.write(0x14 if self.wide else 0x12, number, 4 if self.wide else 2)

    def csr(self, number: int, value: int | None = None) -> int:
        self._select(number)
        return self._data(0x10, value)

    def bcr(self, number: int, value: int | None = None) -> int:
        self._select(number)
        return self._data(0x1C if self.wide else 0x16, value)

    def _data(self, offset: int, value: int | None) -> int:
        size = 4 if self.wide else 2
        if value is None:
            return self.twins.read(offset, size)
        self.twins.write(offset, value, size)
        return value

    def descriptor(self, ring: int, index: int, buffer: int, size: int, status: int, message: int = 0) -> None:
        length = -size & 0xFFFF if 0 < size <= 4096 else size
        if self.style == 0:
            data = struct.pack("<IHH", buffer & 0xFF_FFFF | (status & 0xFF00) << 16, length, message & 0xFFFF)
        else:
            words = (message, buffer) if self.style == 3 else (buffer, message)
            data = struct.pack("<IHHII", words[0], length, status, words[1], 0x5A5A_0000 + index)
        self.twins.fill(ring + index * len(data), data)

    def initialize(self, mode: int, hashes: int, receive_log: int = 3, transmit_log: int = 3) -> None:
        if self.style == 0:
            data = struct.pack("<H6sQII", mode, MAC, hashes, RX_RING | receive_log << 29, TX_RING | transmit_log << 29)
        else:
            data = struct.pack(
                "<HBB6sHQII", mode, receive_log << 4, transmit_log << 4, MAC, 0, hashes, RX_RING, TX_RING
            )
        self.twins.fill(INIT_BLOCK, data)
        self.csr(1, INIT_BLOCK & 0xFFFF)
        self.csr(2, INIT_BLOCK >> 16)
        self.csr(0, 1)

    def give_receive(self, index: int, size: int = 1536, status: int = OWN) -> None:
        self.descriptor(RX_RING, index, RX_BUFFERS + index * BUFFER_STEP, size, status)

    def give_transmit(self, index: int, data: bytes, status: int) -> None:
        buffer = TX_BUFFERS + index * BUFFER_STEP
        self.twins.fill(buffer, data)
        self.descriptor(TX_RING, index, buffer, len(data), status)

    def compare(self) -> None:
        """Everything that can be seen."""
        twins = self.twins
        twins.sent()
        twins.memory(RX_RING, 16 * RX_COUNT)
        twins.memory(TX_RING, 16 * TX_COUNT)
        for index in range(RX_COUNT):
            twins.memory(RX_BUFFERS + index * BUFFER_STEP, 2048)
        for number in range(128):
            self.csr(number)
        for number in range(32):
            self.bcr(number)
        twins.interrupt()


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("style", [0, 1, 2, 3])
def test_frames_go_out_and_come_in(style: int, big_endian: bool) -> None:
    with Twins("pcnet", big_endian) as twins:
        driver = Driver(twins, style, wide=bool(style))
        for index in range(RX_COUNT):
            driver.give_receive(index)
            driver.descriptor(TX_RING, index, 0, 64, 0)
        driver.initialize(mode=0, hashes=1 << 20)
        driver.csr(0, INTERRUPTS_ON | 2)
        driver.give_transmit(0, b"\xff" * 6 + MAC + bytes(range(86)), OWN | STP | ENP)
        driver.csr(0, INTERRUPTS_ON | 8)
        assert len(twins.sent()) == 1 and twins.interrupt()
        twins.packet(MAC + bytes(range(100)))
        assert twins.memory(RX_BUFFERS, 6) == MAC
        driver.compare()


@pytest.mark.parametrize("seed", SEEDS)
def test_random_traffic(seed: int) -> None:
    choose = random.Random(seed)
    with Twins("pcnet", bool(seed & 1)) as twins:
        driver = Driver(twins, choose.randrange(4), choose.random() < 0.5)
        restart(choose, driver)
        for _ in range(120):
            act(choose, driver)
        driver.compare()


def restart(choose: random.Random, driver: Driver) -> None:
    """Stop, new rings, start."""
    driver.csr(0, 4)
    for index in range(RX_COUNT):
        driver.give_receive(index, choose.choice([1536, 1536, 512, 100]), choose.choice([OWN, OWN, OWN, 0]))
        driver.descriptor(TX_RING, index, TX_BUFFERS, 64, 0)
    mode = choose.choice([0, 0, 0, 0x8000, 0x4000, 0x2000, 0x0004, 0x000C, 0x0044, 1, 2])
    driver.initialize(mode, choose.getrandbits(64), choose.choice([3, 3, 2, 0]), choose.choice([3, 3, 2, 0]))
    driver.csr(0, choose.choice([0x42, 0x02]))


def act(choose: random.Random, driver: Driver) -> None:
    """One thing."""
    twins = driver.twins
    what = choose.randrange(14)
    if what < 3:
        twins.packet(random_frame(choose))
    elif what < 6:
        sizes = [choose.choice([14, 60, 64, 100, 700, 1514]) for _ in range(choose.choice([1, 1, 2, 3]))]
        at = choose.randrange(TX_COUNT)
        for number, size in enumerate(sizes):
            status = (STP if number == 0 else 0) | (ENP if number == len(sizes) - 1 else 0)
            status |= choose.choice([OWN, OWN, OWN, 0]) | choose.choice([0, ADD_FCS, 0x1000])
            frame = random_frame(choose)[:14].ljust(size, b"\x5a")
            driver.give_transmit((at + number) % TX_COUNT, frame, status)
        driver.csr(0, choose.choice([0x48, 0x08, 0x40]))
    elif what == 6:
        driver.give_receive(choose.randrange(RX_COUNT), choose.choice([1536, 1536, 200, 0x1234]), OWN)
    elif what == 7:
        driver.csr(0, choose.choice([0x7F40, 0x7F00, 0x0640, 4, 2, 0x42, 1, 3, 7, 0x48]))
    elif what == 8:
        driver.csr(choose.choice([0, 0, 4, 5, 15, 41, 43, 72, 74, 112, 88, choose.randrange(128)]))
    elif what == 9:
        number = choose.choice([3, 4, 5, 15, 46, 47])
        value = {3: 0x5F44, 4: 0xFFFF, 5: 0xCFF8, 15: 0xE14C, 46: 0xFFFF, 47: 0xFFFF}[number] & choose.getrandbits(16)
        driver.csr(number, value)
    elif what == 10:
        driver.bcr(choose.randrange(24)) if choose.random() < 0.7 else driver.bcr(2, choose.getrandbits(16))
    elif what == 11:
        twins.run(choose.choice([0, 100, 3000]))
    elif what == 12:
        twins.sent()
        twins.memory(RX_RING, 16 * RX_COUNT)
        twins.memory(TX_RING, 16 * TX_COUNT)
        twins.interrupt()
    elif choose.random() < 0.3:
        twins.link(choose.random() < 0.6)
    elif choose.random() < 0.2:
        restart(choose, driver)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_accesses(seed: int) -> None:
    """Of all widths, through both BARs."""
    choose = random.Random(seed)
    with Twins("pcnet", bool(seed & 1)) as twins:
        for _ in range(150):
            size = choose.choice([1, 2, 2, 4])
            offset = choose.choice([*range(0, 32, size), 0x10, 0x12, 0x16])
            ports = choose.random() < 0.5
            if offset % size:
                continue
            if choose.random() < 0.5:
                twins.read(offset, size, ports)
            else:
                twins.write(offset, choose.choice([0, 1, 4, 15, 18, 20, 58, 76, choose.getrandbits(32)]), size, ports)
            if choose.random() < 0.1:
                twins.run(100)
