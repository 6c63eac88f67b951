"""virtio-net beside QEMU 7.2: packets in both directions, filters, commands, and what drivers get wrong."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rdbg.emu.device import NetworkDevice
from rdbg.emu.endpoint import network_port
from tests.emu.devices.virtio.cards import MAC, NETWORK
from tests.emu.devices.virtio.driver import DRIVER_OK, EVENT_IDX, NEXT, WRITE, Driver, Ring
from tests.emu.devices.virtio.pair import MODERN_AT, Pair

pytestmark = pytest.mark.real("qemu-system-mips")

RECEIVE, TRANSMIT, CONTROL = range(3)
RINGS = (0x1_0000, 0x2_0000, 0x3_0000)
DATA, COMMANDS = 0x10_0000, 0x5_0000
NOT_NEGOTIATED = 1 << 30 | 1 << 24
MRG_RXBUF = 1 << 15
STATUS = MODERN_AT + 0x14
MODES = [(False, True), (True, False), (True, True)]  # modern, big endian
BROADCAST, GROUPS = b"\xff" * 6, [bytes.fromhex("01005e00000" + digit) for digit in "123"]
OTHER = bytes.fromhex("525400aabbcc")


class Cable:
    """The other end of both cards."""

    def __init__(self, machines: Pair) -> None:
        self.machines = machines
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(machines.folder / "here"))
        self.socket.settimeout(5)
        card = machines.ours.board.endpoints[network_port(0)]
        assert isinstance(card, NetworkDevice)
        self.card = card

    def send(self, frame: bytes) -> None:
        """To both cards."""
        self.machines.history.append(f"packet of {len(frame)}: {frame[:20].hex()}")
        self.card.receive_packet(frame)
        self.socket.sendto(frame, str(self.machines.folder / "there"))

    def sent(self) -> list[bytes]:
        """What both cards have sent since."""
        ours = [data for _, data in self.machines.ours.system.sent]
        self.machines.ours.system.sent.clear()
        theirs = [self.socket.recv(1 << 17) for _ in ours]
        assert theirs == ours, self.machines.story()
        return ours


@contextmanager
def connected(big_endian: bool = False) -> Iterator[tuple[Pair, Cable]]:
    with Pair(NETWORK.ours, NETWORK.qemu, None, big_endian, running=True) as machines:
        cable = Cable(machines)
        try:
            yield machines, cable
        finally:
            cable.socket.close()


def started(machines: Pair, modern: bool, without: int = 0) -> tuple[Driver, list[Ring]]:
    driver = Driver(machines, modern)
    driver.start(driver.offered() & ~(NOT_NEGOTIATED | without))
    rings = [Ring(driver, index, RINGS[index]) for index in range(3)]
    driver.go()
    return driver, rings


def frame(dice: random.Random, target: bytes, size: int = 60, vlan: int | None = None) -> bytes:
    tag = b"" if vlan is None else b"\x81\x00" + vlan.to_bytes(2, "big")
    return (target + OTHER + tag + b"\x08\x00" + dice.randbytes(size))[: max(size, 18)]


def command(ring: Ring, kind: int, code: int, data: bytes) -> None:
    """A control command, whose answer is compared."""
    pair = ring.pair
    pair.fill(COMMANDS, bytes((kind, code)) + data + b"\xee" * 16)
    end = COMMANDS + 0x1000
    pair.fill(end, b"\xee" * 8)
    ring.offer(ring.chain([(COMMANDS, 2, False), (COMMANDS + 2, len(data), False), (end, 1, True)]
                          if data else [(COMMANDS, 2, False), (end, 1, True)]))  # fmt: skip
    ring.settle()
    ring.compare()
    pair.memory(end, 8)


def table(order: str, *lists: list[bytes]) -> bytes:
    return b"".join(struct.pack(order + "I", len(items)) + b"".join(items) for items in lists)


@pytest.mark.parametrize(("modern", "big_endian"), MODES)
def test_packets_that_leave(modern: bool, big_endian: bool) -> None:
    dice = random.Random(1)
    with connected(big_endian) as (machines, cable):
        driver, rings = started(machines, modern, 0 if modern else EVENT_IDX | MRG_RXBUF)
        ring = rings[TRANSMIT]
        header = 12 if modern else 10
        for _ in range(20):
            size = dice.choice([14, 60, 61, 1514, 4000, 65000])
            data = bytes(header) + dice.randbytes(size)
            pieces, at = [], 0
            while at < len(data):
                here = min(len(data) - at, dice.choice([header, 1, 700, 70000]))
                pieces.append((DATA + at, here, False))
                at += here
                if len(pieces) > 200:
                    pieces[-1] = (DATA + at - here, len(data) - at + here, False)
                    break
            machines.fill(DATA, data)
            ring.offer(ring.chain(pieces))
            ring.settle()
            assert cable.sent() == [data[header:]]
            ring.compare()
            driver.isr()
        machines.qemu.set_link(False)
        cable.card.set_link(False)
        driver.isr()
        driver.common(0x15, 1)
        driver.common(0x2006, 1)
        ring.offer(ring.chain([(DATA, 100, False)]))
        ring.settle()
        ring.compare()
        assert cable.sent() == []
        machines.qemu.set_link(True)
        cable.card.set_link(True)
        driver.common(0x15, 1)
        driver.isr()


def received(ring: Ring, cable: Cable, data: bytes) -> None:
    """A packet comes in, and what became of it is compared once QEMU has it."""
    before = ring.used_index()
    ours = ring.half.unpack(ring.pair.ours.system.dma_read(ring.used + 2, 2))[0]
    assert before == ours
    cable.send(data)
    if ring.half.unpack(ring.pair.ours.system.dma_read(ring.used + 2, 2))[0] == ours:
        time.sleep(0.02)  # nothing is to come
    ring.settle()


@pytest.mark.parametrize(
    ("features", "big_endian"),
    [("modern", False), ("modern, no merging", True), ("legacy", True), ("legacy, merging", True)],
)
def test_packets_that_come(features: str, big_endian: bool) -> None:
    dice = random.Random(5)
    modern, merging = features.startswith("modern"), features in ("modern", "legacy, merging")
    with connected(big_endian) as (machines, cable):
        driver, rings = started(machines, modern, (0 if merging else MRG_RXBUF) | (0 if modern else EVENT_IDX))
        ring = rings[RECEIVE]
        assert cable.card.receive_room() == 0
        number = 0
        for _ in range(12):
            while cable.card.receive_room() < 3:
                at = DATA + 0x1_0000 * (number % 16)
                size = dice.choice([1526, 1526, 4000, 200] if merging else [1526, 4000, 200])
                buffers = [(at, size, True)] if dice.random() < 0.5 else [(at, 100, True), (at + 500, size, True)]
                ring.offer(ring.chain(buffers, 2 * (number % 16)))
                number += 1
            received(ring, cable, frame(dice, MAC, dice.choice([60, 64, 300, 1514])))
            machines.memory(DATA, 0x10_0000)
            used = ring.compare()
            assert used[2:4] != b"\0\0"
            number_in = machines.ours.system.packets
            assert f"virtio-net-pci DMA, packet {number_in}" in machines.ours.system.dma_writers
            driver.isr()
        driver.status()


@pytest.mark.parametrize(("modern", "big_endian"), [(True, False), (False, True)])
def test_filters(modern: bool, big_endian: bool) -> None:
    dice = random.Random(8)
    with connected(big_endian) as (machines, cable):
        driver, rings = started(machines, modern, EVENT_IDX)
        ring, control = rings[RECEIVE], rings[CONTROL]
        for number in range(200):
            ring.chain([(DATA + 0x800 * number, 0x800, True)], number)
        ring.offer(*range(200))
        command(control, 0, 0, b"\0")  # not promiscuous any more
        many = [bytes.fromhex("01005e") + number.to_bytes(3, "big") for number in range(65)]
        tables = [
            table(driver.order, [OTHER], GROUPS[:2]), table(driver.order, [], []), table(driver.order, [OTHER], many),
            table(driver.order, many, []), table(driver.order, [OTHER], GROUPS)[:-1], b"\0\0", b"",
            struct.pack(driver.order + "I", 1 << 30) + bytes(64),
        ]  # fmt: skip
        for _ in range(26):
            what = dice.randrange(6)
            if what == 0:
                command(control, 0, dice.randrange(7), dice.choice([b"\0", b"\1", b"\1\1", b"\0", b""]))
            elif what == 1:
                command(control, 1, 0, dice.choice(tables))
            elif what == 2:
                command(control, 1, 1, dice.choice([MAC, OTHER, GROUPS[0], MAC[:5], MAC + b"\0"]))
            elif what == 3:
                vlan = dice.choice([5, 5, 7, 4095, 4096])
                command(control, 2, dice.choice([0, 0, 1, 2]), struct.pack(driver.order + "H", vlan))
            elif what == 4:
                command(control, dice.choice([3, 4, 5, 9]), dice.choice([0, 1]), dice.choice([b"\1\0", bytes(8)]))
            target = dice.choice([MAC, OTHER, BROADCAST, *GROUPS, many[40]])
            received(ring, cable, frame(dice, target, 60, dice.choice([None, None, 5, 7])))
            ring.compare()
        driver.common(0x2000, 4)
        driver.common(0x2004, 2)
        driver.status(0)
        driver.common(0x2000, 4)


BAD = {
    "packet without a header": (TRANSMIT, [(DATA, 64, WRITE, 0)]),
    "packet in a circle": (TRANSMIT, [(DATA, 64, NEXT, 0)]),
    "too long a packet": (TRANSMIT, [(DATA, 80000, 0, 0)]),
    "command without an answer": (CONTROL, [(DATA, 64, 0, 0)]),
    "command of one byte": (CONTROL, [(DATA, 1, NEXT, 1), (DATA, 1, WRITE, 0)]),
    "buffer to be read": (RECEIVE, [(DATA, 2000, 0, 0)]),
    "buffers in a circle": (RECEIVE, [(DATA, 1, NEXT | WRITE, 0)]),
    "buffer in the void": (RECEIVE, [(0x1800_0000, 2000, WRITE, 0)]),
    "no buffer": (RECEIVE, []),
    "small buffer": (RECEIVE, [(DATA, 40, WRITE, 0)]),
}


@pytest.mark.parametrize("merging", [True, False])
def test_what_no_driver_should_do(merging: bool) -> None:
    with connected() as (machines, cable):
        for name, (index, descriptors) in BAD.items():
            machines.history[:] = [name]
            driver, rings = started(machines, True, 0 if merging else MRG_RXBUF)
            machines.fill(DATA, bytes(4096))
            ring = rings[index]
            for number, descriptor in enumerate(descriptors):
                ring.describe(number, descriptor)
            if descriptors:
                ring.offer(0)
            if index == RECEIVE:
                cable.send(b"\xff" * 60)
                time.sleep(0.02)
            ring.settle()
            cable.sent()
            machines.settle(lambda: machines.qemu.read(STATUS, 1) == machines.ours.read(STATUS, 1))
            driver.status()
            driver.common(0x15, 1)
            machines.memory(DATA, 4096)
            machines.memory(ring.used, 4)
        driver, rings = started(machines, True)
        assert driver.status() & DRIVER_OK
        rings[TRANSMIT].offer(rings[TRANSMIT].chain([(DATA, 100, False)]))
        rings[TRANSMIT].settle()
        assert len(cable.sent()) == 1
