"""virtio-rng beside QEMU 7.2: the bytes differ, how they come does not."""

from __future__ import annotations

import pytest

from rdbg.emu.device import SerialDevice
from rdbg.emu.endpoint import Endpoint, EndpointKind
from tests.emu.devices.virtio.cards import RANDOM
from tests.emu.devices.virtio.driver import EVENT_IDX, Driver, Ring
from tests.emu.devices.virtio.pair import Pair

pytestmark = pytest.mark.real("qemu-system-mips")

DATA, NOT_NEGOTIATED = 0x10_0000, 1 << 30 | 1 << 24


def feed(machines: Pair) -> int:
    """Give ours what it has room for; QEMU has its own."""
    generator = machines.ours.board.endpoints[Endpoint(EndpointKind.ENTROPY, 0)]
    assert isinstance(generator, SerialDevice)
    room = generator.receive_room()
    if room:
        generator.receive((bytes(range(1, 256)) * 20)[:room])
    return room


@pytest.mark.parametrize(("modern", "big_endian"), [(False, True), (True, False)])
def test_buffers_are_filled(modern: bool, big_endian: bool) -> None:
    with Pair(RANDOM.ours, RANDOM.qemu, None, big_endian, running=True) as machines:
        driver = Driver(machines, modern)
        driver.start(driver.offered() & ~(NOT_NEGOTIATED | (0 if modern else EVENT_IDX)))
        ring = Ring(driver, 0, 0x1_0000)
        sizes = [64, 1, 100, 4096]
        for number, size in enumerate(sizes):
            ring.chain([(DATA + 0x1000 * number, size, True)], number)
        ring.offer(0, 1)
        assert feed(machines) == 0  # the driver is not ready
        driver.go()
        assert feed(machines) == 65
        ring.settle()
        ring.compare()
        driver.isr()
        for number in (2, 3):
            ring.offer(number)
            assert feed(machines) == sizes[number]
            ring.settle()
        ring.compare()
        driver.isr()
        for machine in (machines.ours.system.dma_read, machines.qemu.read_bytes):
            for number, size in enumerate(sizes):
                data = machine(DATA + 0x1000 * number, 4096)
                assert any(data[:size]) or size == 1
                assert not any(data[size:])
        driver.status()
        driver.status(0)
        assert feed(machines) == 0


def test_a_driver_that_offers_a_circle() -> None:
    with Pair(RANDOM.ours, RANDOM.qemu, None, running=True) as machines:
        driver = Driver(machines, True)
        driver.start(driver.offered() & ~NOT_NEGOTIATED)
        ring = Ring(driver, 0, 0x1_0000)
        driver.go()
        ring.describe(0, (DATA, 16, 3, 0))
        ring.offer(0)
        feed(machines)
        machines.settle(lambda: machines.qemu.read(0x1200_0014, 1) == machines.ours.read(0x1200_0014, 1), 1)
        driver.status()


def test_so_many_bytes_in_a_period() -> None:
    case = RANDOM.with_property("max-bytes", "40").with_property("period", "1000")
    with Pair(case.ours, case.qemu) as machines:
        driver = Driver(machines, True)
        driver.start(driver.offered() & ~NOT_NEGOTIATED)
        ring = Ring(driver, 0, 0x1_0000)
        driver.go()
        ring.chain([(DATA, 64, True)])
        ring.offer(0)
        assert feed(machines) == 40 and feed(machines) == 0
        machines.ours.system.advance(999_000_000)
        assert feed(machines) == 0
        ring.offer(0)
        machines.ours.system.advance(1_000_000)
        assert feed(machines) == 40
