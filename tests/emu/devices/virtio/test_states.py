"""The states of virtio cards: saved, loaded into another board, damaged; cards that write to their own registers."""

from __future__ import annotations

import random
import struct

import pytest

from rdbg.emu.device import State, StateValue
from rdbg.errors import RdbgError
from tests.emu.bench_system import BenchMachine
from tests.emu.devices.virtio.cards import ALL, BLOCK, NETWORK
from tests.emu.devices.virtio.driver import NEXT, VERSION_1, WRITE, Driver, Ring
from tests.emu.devices.virtio.pair import MODERN_AT, MemoryDisk, Pair

pytestmark = pytest.mark.real("qemu-system-mips")

DATA = 0x10_0000


def states(machine: BenchMachine) -> dict[str, State]:
    return {device.name: device.save() for device in machine.board.devices if "virt" in device.name}


def damaged(state: State, dice: random.Random) -> State:
    """One value of it, at any depth, is another."""
    wrong: list[StateValue] = [-1, 1 << 70, "", b"", b"x" * 9999, None, [], {}, [1], {"0": 1}, True, 3, 1 << 62]
    made = dict(state)
    key = dice.choice(sorted(made))
    inner = made[key]
    if isinstance(inner, dict) and inner and dice.random() < 0.7:
        made[key] = damaged(inner, dice)
    elif dice.random() < 0.2:
        del made[key]
    else:
        made[key] = dice.choice(wrong)
    return made


@pytest.mark.parametrize("name", ALL)
def test_states(name: str) -> None:
    case, dice = ALL[name], random.Random(3)
    disk = MemoryDisk(bytes(1 << 20)) if case is BLOCK else None
    with Pair(case.ours, case.qemu, disk) as machines:
        driver = Driver(machines, True)
        driver.start(driver.offered())
        rings = [Ring(driver, index, 0x1_0000 * (index + 1), 64) for index in range(min(case.queues, 3))]
        driver.go()
        rings[0].offer(rings[0].chain([(DATA, 16, False), (DATA + 64, 512, True), (DATA + 4096, 1, True)]))
        good = states(machines.ours)
        other = BenchMachine(machines.ours.spec, {} if disk is None else {"d0": disk})
        devices = {device.name: device for device in other.board.devices}
        fresh = states(other)
        assert fresh != good
        for device, state in good.items():
            devices[device].load(state)
        assert states(other) == good
        refused = 0
        for _ in range(600):
            device = dice.choice([key for key, state in sorted(good.items()) if state])
            try:
                devices[device].load(damaged(good[device], dice))
            except RdbgError as error:
                assert device in str(error) and "\n" not in str(error)
                refused += 1
            for offset in range(0, 64, 4):
                other.read(MODERN_AT + offset, 4)
            other.write(MODERN_AT + 0x3000, 2, 0)
        assert refused > 300
        for device, state in good.items():
            devices[device].load(state)
        assert states(other) == good
        other.reset()
        assert states(other) == fresh


@pytest.mark.parametrize("case", [BLOCK, NETWORK])
def test_buffers_in_its_own_registers(case: object) -> None:
    """A status byte written to the notifications notifies again; one written to the status resets the device."""
    chosen = BLOCK if case is BLOCK else NETWORK
    disk = MemoryDisk(bytes(1 << 20)) if chosen is BLOCK else None
    with Pair(chosen.ours, chosen.qemu, disk) as machines:
        for target in (MODERN_AT + 0x3000, MODERN_AT + 0x14, MODERN_AT + 0x1C):
            driver = Driver(machines, True)
            driver.start(VERSION_1)
            index = 0 if chosen is BLOCK else 2
            ring = Ring(driver, index, 0x1_0000, 64)
            driver.go()
            machines.fill(DATA, struct.pack("<IIQ", 4, 0, 0))
            ours = machines.ours
            for number in range(3):
                ours.system.dma_write(
                    ring.descriptors + 32 * number, ring.table.pack(DATA, 16, NEXT, 2 * number + 1), ""
                )
                ours.system.dma_write(ring.descriptors + 32 * number + 16, ring.table.pack(target, 1, WRITE, 0), "")
                ours.system.dma_write(ring.available + 4 + 2 * number, ring.half.pack(2 * number), "")
            ours.system.dma_write(ring.available + 2, ring.half.pack(3), "")
            ours.write(MODERN_AT + 0x3000 + 4 * index, 2, 0)
            for device in states(ours).values():
                assert "-" not in str(device.get("queues", ""))
            ours.read(MODERN_AT + 0x14, 1)
