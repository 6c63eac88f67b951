"""The RTL8139C+ beside QEMU's: random accesses, both modes, offloads, frames in both directions."""

from __future__ import annotations

import random
import struct

import pytest

from rdbg.emu.devices.network.rtl8139 import rtl8139_registers as r
from tests.emu.devices.network.frames import random_frame, tcp_frame
from tests.emu.devices.network.twins import MAC, SEEDS, Twins

pytestmark = pytest.mark.real("qemu-system-mips")

RX_BUFFER, RX_BUFFER_SIZE, DUMP_AT = 0x10_0000, 0x1_0800, 0x12_0000
RX_RING, TX_RING = 0x13_0000, 0x13_1000
RX_BUFFERS, TX_BUFFERS, BUFFER_STEP = 0x14_0000, 0x18_0000, 0x4000
COUNT = 8
OWN, EOR, FIRST, LAST = 0x8000_0000, 0x4000_0000, 0x2000_0000, 0x1000_0000
LARGE_SEND, IPCS, UDPCS, TCPCS = 0x0800_0000, 0x0004_0000, 0x0002_0000, 0x0001_0000
ACCEPT = r.ACCEPT_BROADCAST | r.ACCEPT_MULTICAST | r.ACCEPT_PHYSICAL
BOTH = r.COMMAND_RECEIVE | r.COMMAND_TRANSMIT


class Driver:
    """What a guest's driver does.

    Args:
        twins: the cards.
        plus: C+ mode.
    """

    def __init__(self, twins: Twins, plus: bool) -> None:
        self.twins = twins
        self.plus = plus
        self.tail = self.head = 0

    def start(self, receive_config: int = ACCEPT, plus_command: int = 3) -> None:
        twins = self.twins
        twins.write(r.COMMAND, r.COMMAND_RESET, 1)
        self.tail = self.head = 0
        if self.plus:
            twins.write(r.PLUS_COMMAND, plus_command, 2)
            for index in range(COUNT):
                self.give_receive(index)
                twins.fill(TX_RING + 16 * index, bytes(16))
            for offset, value in ((r.RX_RING_LOW, RX_RING), (r.TX_ADDRESS, TX_RING), (r.TX_ADDRESS + 4, 0)):
                twins.write(offset, value)
        else:
            twins.write(r.RX_BUFFER, RX_BUFFER)
        twins.write(r.COMMAND, BOTH, 1)
        twins.write(r.RX_CONFIG, receive_config)
        twins.write(r.INTERRUPT_MASK, 0xFFFF, 2)

    def give_receive(self, index: int, size: int = 1536) -> None:
        end = EOR if index == COUNT - 1 else 0
        self.twins.fill(
            RX_RING + 16 * index, struct.pack("<IIQ", OWN | end | size, 0, RX_BUFFERS + index * BUFFER_STEP)
        )

    def queue(self, data: bytes, flags: int, second: int = 0) -> None:
        """A descriptor into the ring of C+ mode."""
        index = self.tail
        place = TX_BUFFERS + index * BUFFER_STEP
        self.twins.fill(place, data)
        end = EOR if index == COUNT - 1 else 0
        self.twins.fill(TX_RING + 16 * index, struct.pack("<IIQ", OWN | end | flags | len(data), second, place))
        self.tail = (index + 1) % COUNT

    def poll(self) -> None:
        self.twins.write(r.TX_POLL, 0x40, 1)

    def transmit(self, data: bytes) -> None:
        """One of the four buffers."""
        self.twins.fill(TX_BUFFERS, data)
        self.twins.write(r.TX_ADDRESS + 4 * self.head, TX_BUFFERS)
        self.twins.write(r.TX_STATUS + 4 * self.head, len(data))
        self.head = (self.head + 1) % 4

    def compare(self) -> None:
        """Everything that can be seen."""
        twins = self.twins
        twins.sent()
        twins.interrupt()
        twins.memory(RX_BUFFER, RX_BUFFER_SIZE)
        twins.memory(RX_RING, 16 * COUNT)
        twins.memory(TX_RING, 16 * COUNT)
        for index in range(COUNT):
            twins.memory(RX_BUFFERS + index * BUFFER_STEP, 2048)
        for offset in range(0, 256, 4):
            twins.read(offset)
        for offset in range(0, 256, 2):
            twins.read(offset, 2)
        twins.write(r.PLUS_COMMAND, 3, 2)
        twins.write(r.TX_STATUS + 4, 0)
        twins.write(r.TX_STATUS, DUMP_AT | r.DUMP)
        twins.memory(DUMP_AT, 64)


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("plus", [False, True])
def test_frames_go_out_and_come_in(plus: bool, big_endian: bool) -> None:
    frame = b"\xff" * 6 + MAC + bytes(range(86))
    with Twins("rtl8139", big_endian) as twins:
        driver = Driver(twins, plus)
        driver.start()
        if plus:
            driver.queue(frame, FIRST | LAST)
            driver.poll()
        else:
            driver.transmit(frame)
        assert list(twins.sent()) == [frame] and twins.interrupt()
        twins.packet(MAC + bytes(range(100)))
        assert twins.memory(RX_BUFFERS if plus else RX_BUFFER + 4, 6) == MAC
        driver.compare()


@pytest.mark.parametrize("sizes", [[1460 * 3 + 54], [54, 4000], [100, 54, 1000, 333]])
@pytest.mark.parametrize("flags", [LARGE_SEND | 1460 << 16, IPCS | TCPCS, IPCS | UDPCS])
def test_offloads(sizes: list[int], flags: int) -> None:
    frame = tcp_frame(sum(sizes) - 54, protocol=17 if flags & UDPCS and not flags & LARGE_SEND else 6)
    with Twins("rtl8139") as twins:
        driver = Driver(twins, plus=True)
        driver.start()
        done = 0
        for number, size in enumerate(sizes):
            place = (FIRST if number == 0 else 0) | (LAST if number == len(sizes) - 1 else 0)
            driver.queue(frame[done : done + size], flags | place)
            done += size
        driver.poll()
        assert twins.sent()
        driver.compare()


@pytest.mark.parametrize("seed", SEEDS)
def test_random_traffic(seed: int) -> None:
    choose = random.Random(seed)
    with Twins("rtl8139", bool(seed & 1)) as twins:
        driver = Driver(twins, plus=seed % 4 < 2)
        driver.start()
        for _ in range(120):
            act(choose, driver)
        driver.compare()


def act(choose: random.Random, driver: Driver) -> None:
    """One thing."""
    twins = driver.twins
    what = choose.randrange(16)
    if what < 5:
        twins.packet(random_frame(choose, choose.choice([1514, 1514, 1600, 4000])))
    elif what < 8:
        transmit(choose, driver)
    elif what < 10:
        if driver.plus:
            driver.give_receive(choose.randrange(COUNT), choose.choice([1536, 1536, 100]))
        else:
            twins.write(r.RX_READ, twins.read(r.RX_WRITE, 2) - 16 - choose.choice([0, 0, 0, 256, 4000]), 2)
    elif what == 10:
        twins.read(r.INTERRUPT_STATUS, 2)
        twins.write(r.INTERRUPT_STATUS, choose.getrandbits(16) | choose.choice([0, 0xFF]), 2)
        twins.interrupt()
    elif what == 11:
        offset, size = choose.choice(
            [(r.TX_CONFIG, 4), (r.INTERRUPT_MASK, 2), (r.HASH, 4), (r.HASH + 4, 4), (r.MAC, 4)]
        )
        value = {r.TX_CONFIG: choose.choice([0, 0, 0x60000]), r.MAC: 0x12005452}.get(offset, choose.getrandbits(32))
        twins.write(offset, value, size)
    elif what == 12:
        config = choose.choice([ACCEPT, ACCEPT, 0xF, 0x8, 0x2])
        twins.write(r.RX_CONFIG, config | choose.choice([0, 0x80]) | choose.choice([0, 0, 0x800, 0x1000, 0x1800]))
    elif what == 13:
        twins.run(choose.choice([0, 100, 1000]))
        twins.sent()
        twins.memory(RX_RING, 16 * COUNT)
        twins.memory(TX_RING, 16 * COUNT)
    elif what == 14:
        choice = choose.random()
        if choice < 0.3:
            twins.link(choose.random() < 0.7)
        elif choice < 0.5:
            driver.start(choose.choice([ACCEPT, 0xF]), choose.choice([3, 0x43, 0x43]))
        elif choice < 0.7:
            twins.write(r.TIMER_INTERRUPT, choose.choice([0, 1000, 100_000]))
            twins.write(r.TIMER, 0)
    else:
        twins.read(choose.randrange(64) * 4)


def transmit(choose: random.Random, driver: Driver) -> None:
    """A frame of one of the kinds that there are."""
    if not driver.plus:
        driver.transmit(random_frame(choose))
        return
    frame = choose.choice([random_frame(choose), tcp_frame(choose.choice([1, 100, 1460, 4000]), choose.getrandbits(8))])
    if choose.random() < 0.2:
        frame = tcp_frame(333, protocol=17)
    flags = choose.choice([0, 0, IPCS, IPCS | TCPCS, IPCS | UDPCS, LARGE_SEND | 1000 << 16, LARGE_SEND | 536 << 16])
    cut = choose.choice([0, 14, 54, 80])
    pieces = [frame[:cut], frame[cut:]] if 0 < cut < len(frame) else [frame]
    tag = choose.choice([0, 0, 0x2_2064])
    for number, piece in enumerate(pieces):
        place = (FIRST if number == 0 else 0) | (LAST if number == len(pieces) - 1 else 0)
        driver.queue(piece, flags | (place if choose.random() < 0.97 else 0), tag)
    if choose.random() < 0.8:
        driver.poll()


@pytest.mark.parametrize("seed", SEEDS)
def test_random_accesses(seed: int) -> None:
    """Of all widths, through both BARs."""
    choose = random.Random(seed)
    with Twins("rtl8139", bool(seed & 1)) as twins:
        for _ in range(300):
            size = choose.choice([1, 2, 4])
            offset = choose.randrange(0, 256, size)
            ports = choose.random() < 0.5
            if choose.random() < 0.5:
                twins.read(offset, size, ports)
            else:
                twins.write(offset, choose.choice([0, 1, choose.getrandbits(32), choose.getrandbits(32)]), size, ports)
            if choose.random() < 0.05:
                twins.run(100)


def test_the_timer() -> None:
    with Twins("rtl8139") as twins:
        twins.write(r.INTERRUPT_MASK, 0x4000, 2)
        twins.write(r.TIMER_INTERRUPT, 300_000)
        for _ in range(20):
            twins.run(500)
            twins.read(r.TIMER)
            twins.interrupt()
            twins.write(r.INTERRUPT_STATUS, 0x4000, 2)
        twins.write(r.TIMER, 0)
        twins.read(r.TIMER)


def test_the_whole_eeprom() -> None:
    with Twins("rtl8139") as twins:
        for command in (*(0x180 | word for word in range(12)), 0x1BF, 0x140, 0x130, 0x100):
            twins.write(r.CONTROL_93C46, 0x80, 1)
            twins.write(r.CONTROL_93C46, 0x88, 1)
            for bit in range(8, -1, -1):
                wires = 0x88 | (2 if command >> bit & 1 else 0)
                for clock in (0, 4):
                    twins.write(r.CONTROL_93C46, wires | clock, 1)
                    twins.read(r.CONTROL_93C46, 1)
            for _ in range(18):
                for clock in (0, 4):
                    twins.write(r.CONTROL_93C46, 0x88 | clock, 1)
                    twins.read(r.CONTROL_93C46, 1)
        twins.write(r.CONTROL_93C46, 0, 1)
