"""virtio-serial with a console beside QEMU 7.2: ports, control messages, bytes in both directions."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rdbg.emu.device import SerialDevice
from rdbg.emu.endpoint import Endpoint, EndpointKind
from tests.emu.devices.virtio.cards import CONSOLE, PORTS, CardCase
from tests.emu.devices.virtio.driver import EVENT_IDX, Driver, Ring
from tests.emu.devices.virtio.pair import Pair

pytestmark = pytest.mark.real("qemu-system-mips")

TO_GUEST, FROM_GUEST, CONTROL_IN, CONTROL_OUT, OTHER_IN, OTHER_OUT = range(6)
MULTIPORT = 1 << 1
READY, ADD, REMOVE, PORT_READY, IS_CONSOLE, RESIZE, OPEN, NAME = range(8)
NOT_NEGOTIATED = 1 << 30 | 1 << 24
DATA, MESSAGES = 0x10_0000, 0x9_0000


class Line:
    """The other ends of both consoles, or of the same port of both."""

    def __init__(self, machines: Pair, path: str = "console", endpoint: int = 0) -> None:
        self.machines = machines
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(machines.folder / path))
        self.socket.settimeout(5)
        port = machines.ours.board.endpoints[Endpoint(EndpointKind.CONSOLE, endpoint)]
        assert isinstance(port, SerialDevice)
        self.port = port

    def send(self, data: bytes) -> None:
        """To both, as far as there is room in ours."""
        self.machines.history.append(f"typed {data!r}")
        self.port.receive(data)
        self.socket.sendall(data)

    def sent(self) -> bytes:
        """What both have sent since."""
        ours = b"".join(data for _, data in self.machines.ours.system.sent)
        self.machines.ours.system.sent.clear()
        theirs = b""
        while len(theirs) < len(ours):
            theirs += self.socket.recv(1 << 16)
        assert theirs == ours, self.machines.story()
        return ours


@contextmanager
def connected(big_endian: bool, case: CardCase = CONSOLE) -> Iterator[tuple[Pair, Line]]:
    with Pair(case.ours, case.qemu, None, big_endian, running=True) as machines:
        line = Line(machines)
        try:
            yield machines, line
        finally:
            line.socket.close()


def message(ring: Ring, number: int, event: int, value: int, size: int = 8) -> None:
    data = struct.pack(ring.driver.order + "IHH", number, event, value)[:size]
    ring.pair.fill(MESSAGES, data)
    ring.offer(ring.chain([(MESSAGES, len(data), False)]))
    ring.settle()
    ring.compare()


def buffers(ring: Ring, count: int, size: int, place: int = DATA) -> None:
    for number in range(count):
        ring.chain([(place + 0x1000 * number, size, True)], number)
    ring.offer(*range(count))


@pytest.mark.parametrize(
    ("modern", "big_endian", "multiport"),
    [(False, False, False), (False, True, True), (True, False, True), (True, True, False)],
)
def test_a_console(modern: bool, big_endian: bool, multiport: bool) -> None:
    dice = random.Random(4)
    with connected(big_endian) as (machines, line):
        driver = Driver(machines, modern)
        without = NOT_NEGOTIATED | (0 if multiport else MULTIPORT) | (0 if modern else EVENT_IDX)
        driver.start(driver.offered() & ~without)
        rings = [Ring(driver, index, 0x1_0000 * (index + 1)) for index in range(6 if multiport else 2)]
        driver.go()
        if multiport:
            buffers(rings[CONTROL_IN], 20, 64, 0x20_0000)
            for number, event, value in [
                (0, READY, 0), (0, READY, 1), (0, PORT_READY, 0), (0, PORT_READY, 1), (7, PORT_READY, 1), (0, 99, 1),
            ]:  # fmt: skip
                message(rings[CONTROL_OUT], number, event, value)
            message(rings[CONTROL_OUT], 0, READY, 1, 5)
            rings[CONTROL_IN].settle()
            rings[CONTROL_IN].compare()
            machines.memory(0x20_0000, 0x1_4000)
            message(rings[CONTROL_OUT], 0, OPEN, 1)
            ring = rings[OTHER_OUT]  # a port that is not there
            machines.fill(DATA, b"lost")
            ring.offer(ring.chain([(DATA, 4, False)]))
            ring.settle()
            ring.compare()
        driver.isr()
        for _ in range(6):
            data = dice.randbytes(dice.choice([1, 5, 100, 3000]))
            machines.fill(DATA, data)
            half = len(data) // 2
            pieces = [(DATA, half, False), (DATA + half, len(data) - half, False)] if half else [(DATA, 1, False)]
            rings[FROM_GUEST].offer(rings[FROM_GUEST].chain(pieces))
            rings[FROM_GUEST].settle()
            assert line.sent() == data
            rings[FROM_GUEST].compare()
            driver.isr()
        assert line.port.receive_room() == 0
        buffers(rings[TO_GUEST], 30, 16)
        for size in (1, 16, 17, 40):
            assert line.port.receive_room() >= size
            line.send(dice.randbytes(size))
            rings[TO_GUEST].settle()
            machines.memory(DATA, 30 * 0x1000)
            rings[TO_GUEST].compare()
            driver.isr()
        driver.legacy(28, 4, 0x41)
        driver.legacy(28, 1, 0x42)
        driver.legacy(28, 4)
        assert len(line.sent()) == 2
        driver.status()
        driver.status(0)
        assert line.port.receive_room() == 0


@pytest.mark.parametrize("big_endian", [False, True])
def test_a_port_that_is_no_console(big_endian: bool) -> None:
    with connected(big_endian, PORTS) as (machines, console):
        line = Line(machines, "port", 1)
        driver = Driver(machines, modern=True)
        driver.start(driver.offered() & ~NOT_NEGOTIATED)
        rings = [Ring(driver, index, 0x1_0000 * (index + 1)) for index in range(6)]
        driver.go()
        buffers(rings[CONTROL_IN], 20, 64, 0x20_0000)
        for number, event in ((0, READY), (0, PORT_READY), (1, PORT_READY), (0, OPEN), (1, OPEN)):
            message(rings[CONTROL_OUT], number, event, 1)
        rings[CONTROL_IN].settle()
        rings[CONTROL_IN].compare()
        told = machines.memory(0x20_0000, 0x1_4000)
        assert b"org.example.0\0" in told
        for ring, place, data in ((rings[OTHER_OUT], line, b"by the port"), (rings[FROM_GUEST], console, b"console")):
            machines.fill(DATA, data)
            ring.offer(ring.chain([(DATA, len(data), False)]))
            ring.settle()
            assert place.sent() == data
            ring.compare()
        buffers(rings[OTHER_IN], 4, 16)
        line.send(b"to the port")
        rings[OTHER_IN].settle()
        assert machines.memory(DATA, 16).startswith(b"to the port")
        rings[OTHER_IN].compare()
        driver.legacy(28, 1, 0x42)  # leaves by the console
        assert console.sent() == b"B"
        line.socket.close()
