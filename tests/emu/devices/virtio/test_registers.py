"""What a guest finds of virtio cards before any ring works, beside QEMU 7.2."""

from __future__ import annotations

import random

import pytest

from tests.emu.devices.virtio.cards import ALL, BLOCK, CardCase
from tests.emu.devices.virtio.driver import Driver
from tests.emu.devices.virtio.pair import LEGACY_AT, MODERN_AT, PORTS, MemoryDisk, Pair

pytestmark = pytest.mark.real("qemu-system-mips")

DISK = bytes(8 << 20)
ACCESS = 0x84  #: capability that reaches the registers through the configuration space


def pair(case: CardCase, big_endian: bool = False) -> Pair:
    return Pair(case.ours, case.qemu, MemoryDisk(DISK) if case.ours[0].drive else None, big_endian)


@pytest.mark.parametrize(
    ("interface", "big_endian"),
    [("both", True), ("disable-legacy", False), ("disable-modern", True)],
)
@pytest.mark.parametrize("name", ALL)
def test_configuration_space(name: str, interface: str, big_endian: bool) -> None:
    case = ALL[name] if interface == "both" else ALL[name].with_property(interface, "on")
    with pair(case, big_endian) as machines:
        for register in (*range(0, 0xA0, 4), 0xFC):
            was = machines.configuration(register)
            for value in (0xFFFF_FFFF, 0):
                machines.configure(register, value)
                machines.configuration(register)
            machines.configure(register, was)
        if interface != "disable-modern":
            driver = Driver(machines, True)
            driver.offered()
            for offset in range(0, 64, 2):
                driver.common(offset, 2)
            for offset in range(0x2000, 0x2000 + case.config_size + 4):
                driver.common(offset, 1)
        if interface != "disable-legacy":
            driver = Driver(machines, False)
            for size in (1, 2, 4):
                for offset in range(0, 20 + case.config_size, size):
                    driver.legacy(offset, size)


@pytest.mark.parametrize(
    ("name", "properties"),
    [
        ("block", {"discard": "off", "write-zeroes": "off", "event_idx": "off", "config-wce": "off"}),
        ("block", {"write-zeroes": "off", "any_layout": "off", "disable-modern": "on"}),
        ("network", {"mrg_rxbuf": "off", "status": "off", "ctrl_vlan": "off", "indirect_desc": "off", "csum": "off"}),
    ],
)
def test_features_that_are_switched_off(name: str, properties: dict[str, str]) -> None:
    case = ALL[name]
    for key, value in properties.items():
        case = case.with_property(key, value)
    with pair(case) as machines:
        machines.configure(16, 0xFFFF_FFFF)
        machines.configuration(16)
        machines.configure(16, LEGACY_AT)
        legacy, modern = Driver(machines, False), Driver(machines, True)
        for offset in range(0, 20 + case.config_size):
            legacy.legacy(offset, 1)
        if "disable-modern" not in properties:
            modern.offered()


LEGACY_STORES = {0: 4, 4: 4, 8: 4, 12: 2, 14: 2, 18: 1, 19: 1}
MODERN_STORES = {0: 4, 8: 4, 12: 4, 0x10: 2, 0x14: 1, 0x15: 1, 0x16: 2, 0x18: 2, 0x1A: 2, 0x1E: 2, 0x20: 4, 0x24: 4,
                 0x28: 4, 0x2C: 4, 0x30: 4, 0x34: 4, 0x3A: 2, 0x1000: 1}  # fmt: skip
VALUES = {
    4: [0, 1, 2, 0xFFFF_FFFF, 0x3000_6E54, 0x79BF_8064, 0x4000_0000, 0x0000_0020],
    2: [0, 1, 2, 3, 8, 64, 128, 256, 1024, 1025, 0xFFFF],
    1: [0, 1, 3, 7, 0x0B, 0x0F, 0x83, 0x80],
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", ALL)
def test_random_accesses(name: str, seed: int) -> None:
    """Queues get no memory here, but that of page 0x10, where all rings are empty."""
    case, dice = ALL[name], random.Random(seed)
    with pair(case, bool(seed & 1)) as machines:
        modern, legacy = Driver(machines, True), Driver(machines, False)
        for _ in range(250):
            what = dice.random()
            if what < 0.3:
                offset = dice.choice(list(LEGACY_STORES))
                size = LEGACY_STORES[offset]
                value = 0x10 * dice.randrange(2) if offset == 8 else dice.choice(VALUES[size])
                legacy.legacy(offset, size, value)
            elif what < 0.6:
                offset = dice.choice(list(MODERN_STORES))
                size = MODERN_STORES[offset]
                value = 0 if offset in (0x24, 0x2C, 0x34) else dice.choice(VALUES[size])
                if 0x20 <= offset < 0x38:
                    value = dice.choice([0, 0x10000, 0x20000])
                modern.common(offset, size, value)
            elif what < 0.65:
                size = dice.choice([1, 2])
                modern.common(0x3000 + 4 * dice.randrange(case.queues + 2), size, 0)
            elif what < 0.7 and case.config_size:
                size = dice.choice([1, 2, 4])
                offset = size * dice.randrange(case.config_size // size + 1)
                # QEMU puts the new bytes beside those that it gave last: so they have to be what is there.
                modern.common(0x2000, 1)
                if dice.random() < 0.5:
                    modern.common(0x2000 + offset, size, dice.choice(VALUES[size]))
                else:
                    legacy.legacy(20 + offset, size, dice.choice(VALUES[size]))
            elif what < 0.75:
                machines.configure(4, dice.choice([7, 7, 7, 3]))
            elif what < 0.87:
                size = dice.choice([1, 2, 4])
                legacy.legacy(size * dice.randrange((20 + case.config_size) // size + 1), size)
            else:
                size = dice.choice([1, 2, 4])
                block = dice.choice([0, 0, 0, 0x1000, 0x2000])
                modern.common(block + size * dice.randrange(68 // size), size)
        for offset in range(0, 0x40, 4):
            modern.common(offset, 4)
        for offset in range(0, 20):
            legacy.legacy(offset, 1)


@pytest.mark.parametrize("big_endian", [False, True])
def test_registers_through_the_configuration_space(big_endian: bool) -> None:
    """Virtio 1.1, 4.1.4.7: the capability names a place and a length, and its data move."""
    with pair(BLOCK, big_endian) as machines:
        dice = random.Random(7)
        for _ in range(60):
            place = dice.choice([0, 4, 8, 12, 0x14, 0x16, 0x18, 0x2000, 0x2001, 0x2014, 0x1000, 0x3FFE, 0x4000, 0x20])
            machines.configure(ACCESS + 8, place)
            machines.configure(ACCESS + 12, dice.choice([0, 1, 2, 3, 4, 8]))
            if dice.random() < 0.4:
                machines.configure(ACCESS + 16, dice.choice([0, 1, 3, 0x1234]))
            machines.configuration(ACCESS + 16)
        machines.read(MODERN_AT + 0x14, 1)
        machines.read(PORTS + LEGACY_AT, 4)
