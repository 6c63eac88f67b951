"""IDE drives without QEMU: what cannot be read, states in the middle of a transfer, who writes memory."""

from __future__ import annotations

import pytest

from rdbg.emu.device import Device, State
from rdbg.emu.devices.ide.channel import IdeChannel
from rdbg.emu.disk import DiskError, make_disks
from rdbg.emu.disk_overlay import DiskOverlay
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.spec import Drive, Image, MachineSpec
from rdbg.errors import RdbgError
from tests.emu.bench_system import BenchMachine
from tests.emu.devices.ide_pair import no_output

PORTS, MASTER = 0x1000_0000, 0x2000
TABLE, BUFFER = 0x8_0000, 0x10_0000
UNREADABLE = 2  #: a page of each disk
ERR, DRQ, BSY = 0x01, 0x08, 0x80


class PartlyReadable:
    """Pages that differ, and one that cannot be had."""

    def read(self, page: int, count: int = 1) -> bytes:
        if UNREADABLE in range(page, page + count):
            raise DiskError("lost")
        return b"".join(bytes((number + 1,)) * PAGE_SIZE for number in range(page, page + count))


def board() -> BenchMachine:
    code = Image("bios", "loop.bin", (0x1000FFFF).to_bytes(4, "little"))
    drives = (
        Drive("disk", "ide", 0, "disk", 64 * PAGE_SIZE),
        Drive("disc", "ide", 2, "cdrom", 64 * PAGE_SIZE, read_only=True),
    )
    spec = MachineSpec("malta", "24Kf", False, 16 << 20, 7, (code,), drives=drives)
    disks = make_disks(drives, DiskOverlay(), [PartlyReadable(), PartlyReadable()], no_output)
    made = BenchMachine(spec, disks)
    for register, value in ((0x20, MASTER), (0x04, 5)):
        made.write(0x1400_0CF8, 4, 0x8000_0000 | 81 << 8 | register)
        made.write(0x1400_0CFC, 4, value)
    return made


@pytest.fixture
def bench() -> BenchMachine:
    return board()


def command(bench: BenchMachine, code: int, registers: dict[int, int], base: int = 0x1F0) -> None:
    for register, value in registers.items():
        bench.write(PORTS + base + register, 1, value)
    bench.write(PORTS + base + 7, 1, code)


def start_master(bench: BenchMachine, channel: int, size: int) -> None:
    bench.system.dma_write(TABLE, BUFFER.to_bytes(4, "little") + (size | 1 << 31).to_bytes(4, "little"), "test")
    bench.write(PORTS + MASTER + 8 * channel + 4, 4, TABLE)
    bench.write(PORTS + MASTER + 8 * channel, 1, 9)


def registers(bench: BenchMachine, base: int = 0x1F0) -> list[int]:
    return [bench.read(PORTS + base + register, 1) for register in range(1, 7)]


def test_what_cannot_be_read_is_an_uncorrectable_error(bench: BenchMachine) -> None:
    first = 8 * UNREADABLE
    for code in (0x20, 0xC8):
        command(bench, code, {2: 4, 3: first, 4: 0, 5: 0, 6: 0xE0})
        if code == 0xC8:
            start_master(bench, 0, 4 * 512)
        bench.system.advance(1_000_000)
        assert bench.read(PORTS + 0x3F6, 1) & (ERR | DRQ | BSY) == ERR
        error, _, *address = registers(bench)
        assert error == 0x40 and address == [first, 0, 0, 0xE0]
        assert bench.read(PORTS + MASTER, 1) & 1 == (code == 0xC8)
        bench.write(PORTS + MASTER, 1, 0)
    # What stands beside it is there.
    command(bench, 0x20, {2: 1, 3: first - 1, 4: 0, 5: 0, 6: 0xE0})
    bench.system.advance(1_000_000)
    assert bench.read(PORTS + 0x1F0, 4) == 0x01010101 * UNREADABLE


@pytest.mark.parametrize("by_dma", [False, True])
def test_a_disc_that_cannot_be_read_is_a_medium_error(bench: BenchMachine, by_dma: bool) -> None:
    def packet(*words: int) -> None:
        command(bench, 0xA0, {1: by_dma, 4: 0, 5: 8}, 0x170)
        data = bytes(words).ljust(12, b"\0")
        for at in range(0, 12, 2):
            bench.write(PORTS + 0x170, 2, int.from_bytes(data[at : at + 2], "little"))
        if by_dma:
            start_master(bench, 1, 4096)
        bench.system.advance(1_000_000)

    packet(0x28, 0, 0, 0, 0, 2 * UNREADABLE, 0, 0, 1)
    assert bench.read(PORTS + 0x376, 1) & (ERR | DRQ | BSY) == ERR
    bench.write(PORTS + MASTER + 8, 1, 0)
    packet(0x03, 0, 0, 0, 18)
    if by_dma:
        sense = bench.system.dma_read(BUFFER, 18)
    else:
        sense = b"".join(bench.read(PORTS + 0x170, 2).to_bytes(2, "little") for _ in range(9))
    assert (sense[2], sense[12]) == (3, 0x11)


def test_memory_is_written_in_the_name_of_the_channel_and_the_sector(bench: BenchMachine) -> None:
    command(bench, 0xC8, {2: 8, 3: 40, 4: 0, 5: 0, 6: 0xE0})
    pieces = ((BUFFER, 1024), (BUFFER + 0x1000, 3072 | 1 << 31))
    table = b"".join(address.to_bytes(4, "little") + size.to_bytes(4, "little") for address, size in pieces)
    bench.system.dma_write(TABLE, table, "test")
    bench.write(PORTS + MASTER + 4, 4, TABLE)
    bench.write(PORTS + MASTER, 1, 9)
    bench.system.dma_writers.clear()
    bench.system.advance(1_000_000)
    assert bench.system.dma_writers == ["ide0 DMA, sector 40", "ide0 DMA, sector 42"]
    assert bench.system.dma_read(BUFFER + 0x1000, 3072) == b"\6" * 3072


def test_time_passes_before_data_come(bench: BenchMachine) -> None:
    command(bench, 0x20, {2: 1, 3: 0, 4: 0, 5: 0, 6: 0xE0})
    assert bench.read(PORTS + 0x3F6, 1) & BSY
    bench.system.advance(1_000)
    assert bench.read(PORTS + 0x3F6, 1) & BSY
    bench.system.advance(1_000_000)
    assert bench.read(PORTS + 0x3F6, 1) & (BSY | DRQ) == DRQ


def states(bench: BenchMachine) -> dict[str, State]:
    return {device.name: device.save() for device in bench.board.devices}


@pytest.mark.parametrize("code", [0x20, 0xC4, 0xC8, 0x30, 0xCA])
def test_a_transfer_goes_on_from_a_saved_state(code: int) -> None:
    def begin(bench: BenchMachine) -> None:
        bench.system.dma_write(BUFFER, bytes(range(256)) * 16, "test")
        command(bench, code, {2: 4, 3: 80, 4: 0, 5: 0, 6: 0xE0})
        if code & 0xC8 == 0xC8:
            start_master(bench, 0, 2048)
        else:
            bench.system.advance(100_000)
            for value in range(100):
                if code == 0x30:
                    bench.write(PORTS + 0x1F0, 2, value)
                else:
                    bench.read(PORTS + 0x1F0, 2)

    def end(bench: BenchMachine) -> list[int]:
        for value in range(924):
            if code == 0x30:
                bench.write(PORTS + 0x1F0, 2, value)
            elif code != 0xC8 and code != 0xCA:
                bench.read(PORTS + 0x1F0, 2)
            bench.system.advance(1_000_000)
        return registers(bench)

    whole, first, second = board(), board(), board()
    begin(whole)
    begin(first)
    saved = states(first)
    second.system.dma_write(BUFFER, first.system.dma_read(BUFFER, 4096), "test")
    second.system.dma_write(TABLE, first.system.dma_read(TABLE, 8), "test")
    second.system.now = first.system.now
    for device in second.board.devices:
        device.load(saved[device.name])
    for name, timer in first.system.timers.items():
        second.system.timers[name].deadline = timer.deadline
    second.bus.mapping_changed()
    assert states(second) == saved
    assert end(second) == end(whole)
    assert second.system.dma_read(BUFFER, 4096) == whole.system.dma_read(BUFFER, 4096)
    assert states(second) == states(whole)


def channels(bench: BenchMachine) -> list[IdeChannel]:
    return [device for device in bench.board.devices if isinstance(device, IdeChannel)]


def channel(bench: BenchMachine) -> Device:
    return channels(bench)[0]


def test_damaged_states_are_refused(bench: BenchMachine) -> None:
    good = channel(bench).save()
    drives = good["drives"]
    assert isinstance(drives, list) and isinstance(drives[0], dict)
    worse: list[State] = [{**good, "drives": []}, {**good, "drives": [1, 2]}, {**good, "work": 99}]
    for name in drives[0]:
        for value in (None, -1, "x", 1 << 70):
            worse.append({**good, "drives": [{**drives[0], name: value}, drives[1]]})
    for state in worse:
        with pytest.raises(RdbgError):
            channel(bench).load(state)


@pytest.mark.parametrize("feature", [0x02, 0x82])
def test_without_a_write_cache_each_write_is_made_to_last(feature: int) -> None:
    left: list[bytes] = []
    drives = (Drive("disk", "ide", 0, "disk", 64 * PAGE_SIZE),)
    disks = make_disks(drives, DiskOverlay(), [PartlyReadable()], lambda endpoint, data: left.append(data))
    code = Image("bios", "loop.bin", (0x1000FFFF).to_bytes(4, "little"))
    bench = BenchMachine(MachineSpec("malta", "24Kf", False, 16 << 20, 7, (code,), drives=drives), disks)
    command(bench, 0xEF, {1: feature, 6: 0xE0})
    bench.system.advance(1_000_000)
    left.clear()
    command(bench, 0x30, {2: 1, 3: 9, 4: 0, 5: 0, 6: 0xE0})
    for _ in range(256):
        bench.write(PORTS + 0x1F0, 2, 0x1234)
    bench.system.advance(1_000_000)
    assert len(left) == (2 if feature == 0x82 else 1)


@pytest.mark.parametrize("port", [0x170, 0x177, 0x376, MASTER + 8])
@pytest.mark.parametrize("word", [0x0808, 0x0400, 0x0101])
def test_a_drive_that_writes_to_its_own_ports_finds_nobody_there(port: int, word: int) -> None:
    """A reset, or another command, in the middle of a transfer left a state behind that could not be loaded."""
    made = board()
    disc = channels(made)[1].drives[0]
    assert disc.disk is not None
    disc.disk.read = lambda sector, count: word.to_bytes(2, "big") * (count * 256)  # type: ignore[method-assign]
    entries = ((PORTS + port, 2), (BUFFER, 2046 | 1 << 31))
    table = b"".join(address.to_bytes(4, "little") + size.to_bytes(4, "little") for address, size in entries)
    made.system.dma_write(TABLE, table, "test")
    made.write(PORTS + MASTER + 8 + 4, 4, TABLE)
    command(made, 0xA0, {1: 1, 6: 0}, 0x170)
    for part in (0x0028, 0, 0, 0, 0x0001, 0):
        made.write(PORTS + 0x170, 2, part)
    made.write(PORTS + MASTER + 8, 1, 9)
    made.system.advance(1_000_000)
    assert made.system.dma_read(BUFFER, 2046) == word.to_bytes(2, "big") * 1023
    assert made.read(PORTS + 0x376, 1) & (ERR | DRQ | BSY) == 0
    saved = channels(made)[1].save()
    channels(made)[1].load(saved)
