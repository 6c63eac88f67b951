"""IDE disks and CD-ROM drives against QEMU 7.2's: the same commands give the same registers, data, memory and disks."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.emu.devices.ide_pair import SECTOR, IdePair

pytestmark = pytest.mark.real("qemu-system-mips")

BUFFER, TABLE = 0x10_0000, 0x8_0000
DISK_SECTORS = 3000
END = 0x8000_0000


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(random.Random(1).randbytes(DISK_SECTORS * SECTOR))
    return path


@pytest.fixture
def disc(tmp_path: Path) -> Path:
    path = tmp_path / "disc.iso"
    path.write_bytes(random.Random(2).randbytes(400 * 2048))
    return path


@pytest.mark.parametrize("big_endian", [False, True])
def test_drives_say_what_they_are(disk: Path, disc: Path, big_endian: bool) -> None:
    with IdePair([(0, disk, "disk"), (2, disc, "cdrom"), (3, None, "cdrom")], big_endian) as pair:
        for channel in (0, 1):
            for device in (0xA0, 0xB0):
                pair.registers(channel)
                pair.write(pair.port(channel, 6), device)
                pair.registers(channel)
                for command in (0xEC, 0xA1):
                    if pair.command(channel, command) & 8:
                        pair.fetch(channel, 256)
                    pair.read(pair.port(channel, 7))


def test_geometry_follows_the_partition_table(disk: Path) -> None:
    data = bytearray(disk.read_bytes())
    for head, sector, count in ((7, 32, 2000), (200, 63, 2000), (3, 0, 5), (7, 32, 0)):
        data[0x1BE : 0x1BE + 64] = bytes(64)
        data[0x1BE + 16 : 0x1BE + 32] = bytes((0, 0, 1, 0, 0x83, head, sector, 5, 1, 0, 0, 0)) + count.to_bytes(
            4, "little"
        )
        data[510:512] = b"\x55\xaa"
        disk.write_bytes(data)
        with IdePair([(0, disk, "disk")]) as pair:
            pair.command(0, 0xEC)
            pair.fetch(0, 256)
            pair.command(0, 0x20, {6: 0xA0 | 1, 5: 0, 4: 1, 3: 5, 2: 1})
            pair.fetch(0, 256)


COMMANDS = [
    0x00, 0x06, 0x08, 0x10, 0x20, 0x21, 0x24, 0x27, 0x29, 0x30, 0x34, 0x39, 0x40, 0x42, 0x50, 0x70, 0x90, 0x91, 0x94,
    0x95, 0x98, 0xA0, 0xA1, 0xB0, 0xC0, 0xC4, 0xC5, 0xC6, 0xC8, 0xCA, 0x25, 0x35, 0xE0, 0xE1, 0xE3, 0xE5, 0xE6, 0xE7,
    0xEA, 0xEC, 0xEF, 0xF5, 0xF8, 0xF9, 0xFE, 0x87, 0xB1, 0xD1,
]  # fmt: skip
FEATURES = [
    0x02,
    0x03,
    0x82,
    0xAA,
    0x55,
    0x66,
    0xCC,
    0x05,
    0x42,
    0x99,
    0xD0,
    0xD1,
    0xD2,
    0xD4,
    0xD5,
    0xD8,
    0xDA,
    0x01,
    0,
]


def random_steps(pair: IdePair, dice: random.Random, count: int) -> None:
    """Commands, parameters, data and control, as no driver sends them."""
    for _ in range(count):
        channel = dice.randrange(2) if dice.random() < 0.1 else 0
        kind = dice.random()
        if kind < 0.3:
            register = dice.choice([1, 2, 2, 3, 4, 5])
            value = dice.choice(
                {1: FEATURES, 2: [0, 1, 2, 3, 16, 17, 0x42, 0x22, 0x0C]}.get(register, [0, 1, 6, 0x4F, 0xC2])
            )
            pair.write(pair.port(channel, register), value)
        elif kind < 0.42:
            pair.write(pair.port(channel, 6), dice.choice([0xA0, 0xE0, 0xE0, 0x40, 0xA1, 0xF0, 0xB0]))
        elif kind < 0.46:
            control = (0x3F6, 0x376)[channel]
            pair.write(0x1000_0000 + control, dice.choice([0, 0, 2, 0x80, 0x82, 4, 6]))
        elif kind < 0.5:
            pair.read(pair.port(channel, 7))
        else:
            command = dice.choice(COMMANDS)
            if command == 0xB0 and dice.random() < 0.8:
                pair.write(pair.port(channel, 4), 0x4F)
                pair.write(pair.port(channel, 5), 0xC2)
                pair.write(pair.port(channel, 3), dice.choice([0, 1, 2, 6, 0xF1, 9]))
                pair.write(pair.port(channel, 1), dice.choice([0xD0, 0xD1, 0xD2, 0xD4, 0xD5, 0xD8, 0xDA, 0xD9]))
            if command == 0x91:  # no sectors in a track end QEMU
                pair.write(pair.port(channel, 2), dice.choice([1, 17, 63, 255]))
            if command in (0x25, 0x35, 0xC8, 0xCA, 0x06):
                pair.table(TABLE, random_table(dice))
                pair.write(pair.port(channel, 7), command)
                pair.master(channel, TABLE, dice.choice([1, 9]))
                pair.stop_master(channel)
                pair.memory(BUFFER, 0x2_0000)
            else:
                pair.write(pair.port(channel, 7), command)
        status = pair.settle(channel)
        pair.registers(channel)
        while status & 0x88 == 0x08 and dice.random() < 0.97:
            if pair.drive(channel).to_host:
                pair.fetch(channel, dice.choice([1, 64, 128]), dice.choice([2, 4]))
            else:
                pair.bring(channel, dice.randbytes(dice.choice([2, 4, 256, 512]) & ~3 or 4), dice.choice([2, 4]))
            status = pair.settle(channel)


def random_table(dice: random.Random) -> list[tuple[int, int]]:
    """Pieces that do not overlap: those that do QEMU moves in another way, with -icount."""
    entries = [
        (BUFFER + 0x4000 * place + 2 * dice.randrange(0x1000), dice.choice([512, 1024, 4096, 2, 0x2000, 1536]))
        for place in range(dice.randrange(1, 6))
    ]
    address, size = entries[-1]
    entries[-1] = (address, dice.choice([size, size, 0]) | END)
    return entries


@pytest.mark.parametrize("seed", range(4))
def test_random_commands_to_disks(disk: Path, seed: int) -> None:
    dice = random.Random(seed)
    drives = (
        [(0, disk, "disk")]
        if seed % 2
        else [(1, disk, "disk")]
        if seed == 2
        else [(0, disk, "disk"), (1, None, "cdrom")]
    )
    with IdePair(drives, big_endian=bool(seed & 1)) as pair:
        random_steps(pair, dice, 120)
        name = f"d{drives[0][0]}"
        pair.command(0, 0xE7)
        assert pair.disks[name].read(0, DISK_SECTORS) == disk.read_bytes()


PACKETS: list[tuple[int, ...]] = [
    (0x00,), (0x03, 0, 0, 0, 18), (0x03, 0, 0, 0, 4), (0x12, 0, 0, 0, 36), (0x12, 0, 0, 0, 96), (0x12, 0, 0, 0, 5 & ~1),
    (0x12, 1, 0, 0, 36), (0x12, 1, 0x83, 0, 255), (0x12, 1, 0x80, 0, 36), (0x12, 0, 0x83, 0, 36),
    (0x1B, 0, 0, 0, 2), (0x1B, 0, 0, 0, 3), (0x1B, 0, 0, 0, 1), (0x1B, 0, 0, 0, 0), (0x1B, 0, 0, 0, 0x32),
    (0x1E, 0, 0, 0, 1), (0x1E, 0, 0, 0, 0), (0x25,), (0x2B, 0, 0, 0, 0, 5), (0x2B, 0, 0, 0, 1, 0x90),
    (0x28, 0, 0, 0, 0, 3, 0, 0, 1), (0x28, 0, 0, 0, 0, 9, 0, 0, 3), (0x28, 0, 0, 0, 1, 0x8F, 0, 0, 1),
    (0x28, 0, 0, 0, 1, 0x8F, 0, 0, 2), (0x28, 0, 0, 0, 1, 0x90, 0, 0, 1), (0x28, 0, 0, 0, 0, 3, 0, 0, 0),
    (0x28, 0, 0, 0, 1, 0x90, 0, 0, 0), (0xA8, 0, 0, 0, 0, 20, 0, 0, 0, 2),
    (0x43, 0, 0, 0, 0, 0, 0, 0, 40, 0), (0x43, 2, 0, 0, 0, 0, 1, 0, 40, 0), (0x43, 0, 0, 0, 0, 0, 0xAA, 0, 12, 0),
    (0x43, 0, 0, 0, 0, 0, 2, 0, 40, 0), (0x43, 0, 0, 0, 0, 0, 0, 0, 40, 0x40), (0x43, 2, 0, 0, 0, 0, 0, 0, 60, 0x80),
    (0x43, 0, 0, 0, 0, 0, 0, 0, 60, 0x80), (0x43, 0, 0, 0, 0, 0, 0, 0, 60, 0xC0),
    (0x46, 0, 0, 0, 0, 0, 0, 0, 40), (0x46, 0, 0, 0, 0, 0, 0, 4, 0), (0x46, 0, 0, 1, 0, 0, 0, 0, 40),
    (0x4A, 1, 0, 0, 0x10, 0, 0, 0, 8), (0x4A, 1, 0, 0, 0x02, 0, 0, 0, 8), (0x4A, 0, 0, 0, 0x10, 0, 0, 0, 8),
    (0x51, 0, 0, 0, 0, 0, 0, 0, 34), (0x51, 1, 0, 0, 0, 0, 0, 0, 34), (0x51, 0, 0, 0, 0, 0, 0, 0, 8),
    (0x5A, 0, 0x01, 0, 0, 0, 0, 0, 40), (0x5A, 0, 0x2A, 0, 0, 0, 0, 0, 40), (0x5A, 0, 0x2A, 0, 0, 0, 0, 0, 8),
    (0x5A, 0, 0x3F, 0, 0, 0, 0, 0, 40), (0x5A, 0, 0x41, 0, 0, 0, 0, 0, 40), (0x5A, 0, 0xC1, 0, 0, 0, 0, 0, 40),
    (0xAD, 0, 0, 0, 0, 0, 0, 0, 8, 4), (0xAD, 0, 0, 0, 0, 0, 0, 0xFF, 0, 40), (0xAD, 1, 0, 0, 0, 0, 0, 0xFF, 0, 40),
    (0xBB,), (0xBD, 0, 0, 0, 0, 0, 0, 0, 0, 8),
    (0xBE, 0, 0, 0, 0, 7, 0, 0, 1, 0x10), (0xBE, 0, 0, 0, 0, 7, 0, 0, 2, 0xF8), (0xBE, 0, 0, 0, 0, 7, 0, 0, 1, 0),
    (0xBE, 0, 0, 0, 0, 7, 0, 0, 1, 0x50), (0xBE, 0, 0, 0, 0, 7, 0, 0, 0, 0x10), (0xBE, 0, 0, 0, 2, 7, 0, 0, 1, 0x10),
    (0x55,), (0xA3,), (0xBF,), (0x5C,),
]  # fmt: skip


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("big_endian", [False, True])
def test_packet_commands(disc: Path, big_endian: bool, empty: bool) -> None:
    dice = random.Random(big_endian)
    with IdePair([(2, None if empty else disc, "cdrom")], big_endian) as pair:
        for packet in PACKETS + dice.sample(PACKETS, len(PACKETS)):
            by_dma = dice.random() < 0.4
            limit = dice.choice([0, 2, 8, 512, 2048, 3000, 0xFFFE, 0xFFFF]) if dice.random() < 0.5 else 0x800
            pair.command(1, 0xA0, {1: int(by_dma), 4: limit & 0xFF, 5: limit >> 8})
            pair.bring(1, bytes(packet).ljust(12, b"\0"))
            if by_dma:
                pair.table(TABLE, [(BUFFER, 0x100), (BUFFER + 0x1000, 0x4000 | END)])
                pair.fill(BUFFER, bytes(0x6000))
                pair.master(1, TABLE, 9)
                pair.stop_master(1)
                pair.memory(BUFFER, 0x6000)
            else:
                moved = 0
                while pair.settle(1) & 0x88 == 0x08 and moved < 0x800:
                    drive = pair.drive(1)
                    moved += max(len(pair.fetch(1, min(len(drive.buffer) // 2, 600))), 1)
            if pair.settle(1) & 0x88:
                pair.command(1, 0x08)
            pair.read(pair.port(1, 7))


def test_a_table_too_short_leaves_a_packet_command_waiting(disc: Path) -> None:
    with IdePair([(2, disc, "cdrom")]) as pair:
        for sectors in (1, 3):
            pair.command(1, 0xA0, {1: 1, 4: 0, 5: 8})
            pair.bring(1, bytes((0x28, 0, 0, 0, 0, 9, 0, 0, sectors, 0, 0, 0)))
            pair.table(TABLE, [(BUFFER, 0x400 | END)])
            pair.master(1, TABLE, 9)
            pair.memory(BUFFER, 0x400)
            pair.command(1, 0x08)


def test_tables_in_the_void_end(disk: Path) -> None:
    """Without an end, without memory, of zeros: the bus master comes to an end as QEMU's does."""
    with IdePair([(0, disk, "disk")]) as pair:
        pair.fill(BUFFER, bytes(0x2000))
        for table in (BUFFER, 0x3000_0000, 0x1FFF_FFF0):
            for count in (1, 0):
                pair.command(0, 0xC8, {2: count, 6: 0xE0, 3: 7, 4: 0, 5: 0})
                pair.master(0, table, 9)
                pair.stop_master(0)
                pair.memory(0, 0x400)
            pair.command(0, 0xCA, {2: 1})
            pair.master(0, table, 1)
            pair.stop_master(0)


def test_who_is_no_bus_master_moves_zeros(disk: Path) -> None:
    with IdePair([(0, disk, "disk")]) as pair:
        pair.write(0x1400_0CF8, 0x8000_0000 | 81 << 8 | 4, 4)
        pair.write(0x1400_0CFC, 1, 4)
        pair.fill(BUFFER, bytes(range(256)) * 8)
        pair.table(TABLE, [(BUFFER, 0x400 | END)])
        for command in (0xC8, 0xCA):
            pair.command(0, command, {2: 2, 6: 0xE0, 3: 7, 4: 0, 5: 0})
            pair.master(0, TABLE, 9)
            pair.stop_master(0)
            pair.memory(BUFFER, 0x800)
        pair.command(0, 0xE7)
        assert pair.disks["d0"].read(0, DISK_SECTORS) == disk.read_bytes()
