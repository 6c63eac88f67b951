"""The 82540EM beside QEMU's: random accesses, rings in memory, offloads, frames in both directions."""

from __future__ import annotations

import random
import struct

import pytest

from rdbg.emu.devices.network.e1000 import e1000_registers as r
from tests.emu.devices.network.frames import random_frame, tcp_frame
from tests.emu.devices.network.twins import MAC, SEEDS, Twins

pytestmark = pytest.mark.real("qemu-system-mips")

RX_RING, TX_RING = 0x10_1000, 0x10_2000
RX_BUFFERS, TX_BUFFERS, BUFFER_STEP = 0x11_0000, 0x14_0000, 0x4000
COUNT = 8  #: the least that RDLEN and TDLEN can say
EOP, IC, RS, DEXT, VLE, IDE, DATA, TSE = (
    0x0100_0000, 0x0400_0000, 0x0800_0000, 0x2000_0000, 0x4000_0000, 0x8000_0000, 0x0010_0000, 0x0400_0000,
)  # fmt: skip
CONTEXT_TCP, CONTEXT_IP = 0x0100_0000, 0x0200_0000
RECEIVER = r.RCTL_ENABLE | r.RCTL_BROADCAST
TABLES = [
    *range(r.MTA, r.MTA + 512, 4), *range(r.RA, r.RA + 128, 4), *range(r.VFTA, r.VFTA + 512, 4),
    *range(r.FFLT, r.FFLT + 28, 4), *range(r.FFMT, r.FFMT + 64, 4), *range(r.FFVT, r.FFVT + 64, 4),
    r.PBM, r.PBM + 0xFFFC,
]  # fmt: skip
STATISTICS = list(range(r.CRCERRS, r.TSCTFC + 4, 4))


class Driver:
    """What a guest's driver does.

    Args:
        twins: the cards.
    """

    def __init__(self, twins: Twins) -> None:
        self.twins = twins
        self.tail = 0  #: of the transmit ring
        self.receive_tail = 0

    def start(self, control: int = RECEIVER) -> None:
        twins = self.twins
        for index in range(COUNT):
            self.give_receive(index)
            twins.fill(TX_RING + 16 * index, bytes(16))
        for base, ring in ((r.RDBAL, RX_RING), (r.TDBAL, TX_RING)):
            twins.write(base, ring)
            twins.write(base + 4, 0)
            twins.write(base + 8, 16 * COUNT)
            twins.write(base + 16, 0)
            twins.write(base + 24, 0)
        self.tail = self.receive_tail = 0
        twins.write(r.TCTL, r.TCTL_ENABLE)
        twins.write(r.IMS, 0xFFFF)
        self.set_receiver(control)
        self.move_receive_tail(COUNT - 1)
        self.queue_context(TSE | CONTEXT_IP | CONTEXT_TCP | 1460)
        self.go()

    def set_receiver(self, control: int) -> None:
        """Frames are taken a second later."""
        self.twins.write(r.RCTL, control)
        self.twins.skip_second()

    def give_receive(self, index: int, buffer: int | None = None) -> None:
        place = RX_BUFFERS + index * BUFFER_STEP if buffer is None else buffer
        self.twins.fill(RX_RING + 16 * index, struct.pack("<QQ", place, 0))

    def move_receive_tail(self, tail: int) -> None:
        self.receive_tail = tail % COUNT
        self.twins.write(r.RDT, self.receive_tail)

    def queue(self, data: bytes) -> None:
        """A descriptor into the ring."""
        self.twins.fill(TX_RING + 16 * self.tail, data)
        self.tail = (self.tail + 1) % COUNT

    def queue_data(self, data: bytes, command: int, upper: int = 0) -> None:
        place = TX_BUFFERS + self.tail * BUFFER_STEP
        self.twins.fill(place, data)
        self.queue(struct.pack("<QII", place, len(data) | command, upper))

    def queue_context(self, what: int, segment: int = 1460, ends: tuple[int, int] = (33, 0)) -> None:
        """A context descriptor for `tcp_frame`."""
        self.queue(struct.pack("<BBHBBHIBBH", 14, 24, ends[0], 34, 50, ends[1], what | DEXT, 0, 54, segment))

    def go(self) -> None:
        self.twins.write(r.TDT, self.tail)

    def compare(self) -> None:
        """Everything that can be seen."""
        twins = self.twins
        twins.sent()
        twins.interrupt()
        twins.memory(RX_RING, 16 * COUNT)
        twins.memory(TX_RING, 16 * COUNT)
        for index in range(COUNT):
            twins.memory(RX_BUFFERS + index * BUFFER_STEP, 4096)
        for offset in (*range(0, 0x1010, 4), *range(0x2400, 0x2830, 4), *range(0x3400, 0x3830, 4), *STATISTICS):
            twins.read(offset)


@pytest.mark.parametrize("big_endian", [False, True])
def test_frames_go_out_and_come_in(big_endian: bool) -> None:
    with Twins("e1000", big_endian) as twins:
        driver = Driver(twins)
        driver.start()
        driver.queue_data(b"\xff" * 6 + MAC + bytes(range(86)), EOP | RS)
        driver.go()
        assert len(twins.sent()) == 1 and twins.interrupt()
        twins.packet(MAC + bytes(range(100)))
        assert twins.memory(RX_BUFFERS, 6) == MAC
        driver.compare()


@pytest.mark.parametrize("sizes", [[1460 * 3 + 54], [54, 4000], [100, 54, 1000, 333]])
@pytest.mark.parametrize("command", [TSE, 0])
def test_offloads(sizes: list[int], command: int) -> None:
    frame = tcp_frame(sum(sizes) - 54)
    with Twins("e1000") as twins:
        driver = Driver(twins)
        driver.start()
        driver.queue_context(command | CONTEXT_IP | CONTEXT_TCP | len(frame) - 54)
        done = 0
        for number, size in enumerate(sizes):
            last = EOP | RS if number == len(sizes) - 1 else 0
            driver.queue_data(frame[done : done + size], DEXT | DATA | command | last, 0x0300)
            done += size
        driver.go()
        assert twins.sent()
        driver.compare()


@pytest.mark.parametrize("seed", SEEDS)
def test_random_traffic(seed: int) -> None:
    choose = random.Random(seed)
    with Twins("e1000", bool(seed & 1)) as twins:
        driver = Driver(twins)
        driver.start()
        for _ in range(100):
            act(choose, driver)
        driver.compare()


def random_control(choose: random.Random) -> int:
    control = RECEIVER if choose.random() < 0.95 else 0
    for bit in (0x04, 0x08, 0x10, 0x20, 0x1000, 0x2000, 0x8000, r.RCTL_VLAN_FILTER, r.RCTL_STRIP_CRC, 0x100, 0x200):
        if choose.random() < 0.3:
            control ^= bit
    return control | choose.choice([0, 0, 0x10000, 0x20000, 0x30000, 0x2010000, 0x2020000, 0x2030000])


def act(choose: random.Random, driver: Driver) -> None:
    """One thing."""
    twins = driver.twins
    what = choose.randrange(16)
    if what < 4:
        twins.packet(random_frame(choose, choose.choice([1514, 1514, 1600, 4000])))
    elif what < 7:
        transmit(choose, driver)
    elif what < 9:
        for _ in range(choose.choice([1, 2, 3])):
            driver.give_receive(driver.receive_tail, None if choose.random() < 0.95 else 0)
            driver.move_receive_tail(driver.receive_tail + 1)
    elif what == 9:
        twins.read(choose.choice([r.ICR, r.ICR, r.ICS, r.IMS, r.STATUS, r.RDH, r.TDH, *STATISTICS]))
        twins.interrupt()
    elif what == 10:
        register = choose.choice([r.ICR, r.ICS, r.IMS, r.IMC, r.ITR, r.RADV, r.TADV, r.RDTR, r.CTRL, r.VET])
        value = {r.ITR: 300, r.RADV: 0x3FF, r.TADV: 0x3FF, r.VET: 0x8100, r.CTRL: 0x4014_0240}.get(register, 0x2FF)
        twins.write(register, value & choose.getrandbits(32) if register != r.VET else value)
    elif what == 11:
        table = choose.choice([r.MTA, r.VFTA])
        twins.write(choose.randrange(128) * 4 + table, choose.getrandbits(32))
        twins.write(r.VFTA + 12, choose.choice([0, 0x10]))
    elif what == 12:
        twins.run(choose.choice([0, 100, 1000]))
    elif what == 13:
        twins.sent()
        twins.memory(RX_RING, 16 * COUNT)
        twins.memory(TX_RING, 16 * COUNT)
        twins.interrupt()
    elif what == 14:
        driver.set_receiver(random_control(choose))
    elif choose.random() < 0.3:
        twins.link(choose.random() < 0.7)
    elif choose.random() < 0.3:
        phy(twins, choose.choice([0, 0, 1, 2, 4, 5, 9, 10, 17]), choose.choice([None, 0x1340, 0x1140, 0x5140, 0x0140]))
    elif choose.random() < 0.1:
        driver.start()


def phy(twins: Twins, number: int, value: int | None) -> None:
    command = r.MDIC_READ if value is None else r.MDIC_WRITE | value
    twins.write(r.MDIC, 1 << 21 | number << 16 | command)
    twins.read(r.MDIC)


def transmit(choose: random.Random, driver: Driver) -> None:
    """A frame of several descriptors, of one of the kinds that there are."""
    kind = choose.choice(["legacy", "legacy", "data", "segments"])
    options = choose.choice([0, RS, RS, RS | IDE]) | choose.choice([0, 0, VLE])
    if kind == "legacy":
        pieces = [random_frame(choose)]
        if choose.random() < 0.4:
            pieces = [pieces[0][:14], pieces[0][14:]]
        command = options
    else:
        frame = tcp_frame(choose.choice([1, 100, 1460, 2921, 4000]), choose.getrandbits(8))
        segmented = TSE if kind == "segments" else 0
        ip = choose.choice([CONTEXT_IP, CONTEXT_IP, 0]) | choose.choice([CONTEXT_TCP, CONTEXT_TCP, 0])
        segment = choose.choice([1460, 1000, 536])
        if choose.random() < 0.8:
            ends = (choose.choice([33, 33, 0]), choose.choice([0, 0, 60]))
            driver.queue_context(segmented | ip | len(frame) - 54 | RS, segment, ends)
        cut = choose.choice([0, 14, 54, 80])
        pieces = [frame[:cut], frame[cut:]] if 0 < cut < len(frame) else [frame]
        command = DEXT | DATA | segmented | options
    for number, piece in enumerate(pieces):
        last = EOP if number == len(pieces) - 1 and choose.random() < 0.95 else 0
        driver.queue_data(piece, command | last, choose.choice([0, 0x100, 0x200, 0x300]) | choose.getrandbits(16) << 16)
    driver.go()


@pytest.mark.parametrize("seed", SEEDS)
def test_random_accesses(seed: int) -> None:
    choose = random.Random(seed)
    plain = [*range(0, 0x1010, 4), *range(0x2400, 0x2830, 4), *range(0x3400, 0x3830, 4), *range(0x5800, 0x5C00, 4)]
    with Twins("e1000", bool(seed & 1)) as twins:
        for _ in range(200):
            offset, size = choose.choice([choose.choice(plain), choose.choice(TABLES), choose.choice(STATISTICS)]), 4
            if choose.random() < 0.1:
                size = choose.choice([1, 2])
            if choose.random() < 0.5:
                twins.read(offset + choose.choice([0, 4 - size]), size)
            elif offset not in (r.TCTL, r.TDT):
                twins.write(offset, choose.choice([0, 1, choose.getrandbits(32), 0xFFFF_FFFF]), size)
            if choose.random() < 0.05:
                twins.run(100)


def test_the_whole_eeprom() -> None:
    """By EERD, and by its wires."""
    with Twins("e1000") as twins:
        for word in range(66):
            twins.write(r.EERD, word << 8 | 1)
            twins.read(r.EERD)
        for word in (0, 1, 11, 63):
            read_by_wire(twins, 0b110 << 6 | word)
        read_by_wire(twins, 0b101 << 6)


def read_by_wire(twins: Twins, command: int) -> None:
    twins.write(r.EECD, 0x40)
    twins.write(r.EECD, 0x42)
    for bit in range(8, -1, -1):
        value = 0x42 | (4 if command >> bit & 1 else 0)
        for clock in (0, 1, 0):
            twins.write(r.EECD, value | clock)
    for _ in range(17):
        twins.write(r.EECD, 0x43)
        twins.read(r.EECD)
        twins.write(r.EECD, 0x42)
