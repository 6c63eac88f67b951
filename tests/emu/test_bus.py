"""The bus: dispatch, byte order, splitting, page classification, windows that move."""

from __future__ import annotations

import pytest

from rdbg.emu.bus import Bus, BusError, Claim
from rdbg.emu.device import Device, State
from rdbg.emu.memory_map import Backing, Endian, IoRegion, MemoryMap, MemoryRegion
from tests.emu.bench_system import BenchSystem


class Scratch(Device):
    """Remembers accesses; loads give the offset in each byte, lowest first."""

    def __init__(self) -> None:
        super().__init__("scratch")
        self.seen: list[tuple[int, int, int]] = []

    def read(self, offset: int, size: int) -> int:
        return int.from_bytes(bytes((offset + index) & 0xFF for index in range(size)), "little")

    def write(self, offset: int, size: int, value: int) -> None:
        self.seen.append((offset, size, value))

    def reset(self) -> None: ...

    def save(self) -> State:
        return {}

    def load(self, state: State) -> None: ...


def one_device(endian: Endian, big_endian: bool) -> tuple[Bus, Scratch, BenchSystem]:
    device, system = Scratch(), BenchSystem()
    region = IoRegion(0x1000_0010, 0x20, device, offset=0x40, endian=endian)
    return Bus(MemoryMap((), (), (region,)), big_endian, system), device, system


@pytest.mark.parametrize(
    ("endian", "big_endian", "value"),
    [
        (Endian.NATIVE, False, 0x43424140),
        (Endian.NATIVE, True, 0x43424140),
        (Endian.LITTLE, False, 0x43424140),
        (Endian.LITTLE, True, 0x40414243),
        (Endian.BIG, False, 0x40414243),
        (Endian.BIG, True, 0x43424140),
    ],
)
def test_byte_order_of_the_region(endian: Endian, big_endian: bool, value: int) -> None:
    bus, device, _ = one_device(endian, big_endian)
    assert bus.read(0x1000_0010, 4) == value
    bus.write(0x1000_0014, 4, value)
    assert device.seen == [(0x44, 4, 0x43424140)]


def test_nothing_there_is_a_bus_error_with_a_line() -> None:
    bus, _, system = one_device(Endian.NATIVE, False)
    with pytest.raises(BusError) as info:
        bus.read(0x2000_0000, 4)
    assert (info.value.address, info.value.size, info.value.write) == (0x2000_0000, 4, False)
    with pytest.raises(BusError):
        bus.write(0x1000_0030, 2, 1)
    assert len(system.lines) == 2
    assert "store" in system.lines[1] and "0x10000030" in system.lines[1]


@pytest.mark.parametrize("big_endian", [False, True])
def test_an_access_across_two_devices_is_split(big_endian: bool) -> None:
    first, second = Scratch(), Scratch()
    regions = (IoRegion(0x1000, 2, first), IoRegion(0x1002, 0x10, second, offset=0x82))
    bus = Bus(MemoryMap((), (), regions), big_endian)
    bus.write(0x1000, 4, 0x11223344)
    assert first.seen == [(0, 2, 0x1122 if big_endian else 0x3344)]
    assert second.seen == [(0x82, 2, 0x3344 if big_endian else 0x1122)]
    low, high = bus.read(0x1000, 2), bus.read(0x1002, 2)
    assert bus.read(0x1000, 4) == (low << 16 | high if big_endian else high << 16 | low)


def test_the_first_window_wins_and_holes_are_seen() -> None:
    inner, outer = Scratch(), Scratch()
    regions = (IoRegion(0x1400, 0x100, inner), IoRegion(0x1000, 0x1000, outer))
    bus = Bus(MemoryMap((), (), regions, ignored=((0x3000, 0x800),), ignored_value=0xFFFF_FFFF), False)
    bus.write(0x1400, 1, 1)
    bus.write(0x1500, 1, 2)
    assert inner.seen == [(0, 1, 1)] and outer.seen == [(0x500, 1, 2)]
    assert bus.classify(0x1ABC).claim is Claim.WHOLE
    assert bus.classify(0x2000).claim is Claim.NONE
    assert bus.classify(0x3000).claim is Claim.PART
    assert bus.read(0x3000, 2) == 0xFFFF
    bus.write(0x37FF, 1, 7)
    with pytest.raises(BusError):
        bus.read(0x3800, 1)


def test_pages_of_backings_are_numbered_through() -> None:
    flash = Scratch()
    backings = (Backing("ram", 0x4000, True), Backing("flash", 0x2000, False), Backing("rom", 0x1000, False))
    memory = (
        MemoryRegion(0, 0x4000, "ram"),
        MemoryRegion(0x8000_0000, 0x2000, "ram", offset=0x2000),
        MemoryRegion(0x1E00_0000, 0x2000, "flash", device=flash),
        MemoryRegion(0x1FC0_0000, 0x1000, "rom"),
    )
    bus = Bus(MemoryMap(backings, memory, ()), False)
    assert bus.page_count == 7
    assert bus.classify(0x3FFF).backing_page == 3 and bus.classify(0x3FFF).writable
    assert bus.classify(0x8000_0000).backing_page == 2
    assert bus.classify(0x1FC0_0000).backing_page == 6 and not bus.classify(0x1FC0_0000).writable
    shown = bus.classify(0x1E00_1000)
    assert (shown.backing_page, shown.readable, shown.writable) == (5, True, False)
    flash.direct_reads = False
    bus.mapping_changed()
    assert not bus.classify(0x1E00_1000).readable
    bus.write(0x1E00_1004, 4, 0x70)
    assert flash.seen == [(0x1004, 4, 0x70)]
    bus.write(0x1FC0_0000, 4, 1)  # stores to ROM vanish


def test_a_window_moves() -> None:
    device = Scratch()
    place = [0x1000]
    bus = Bus(MemoryMap((), (), (), moving=lambda: (IoRegion(place[0], 0x1000, device),)), False)
    assert bus.read(0x1001, 1) == 1
    place[0] = 0x5000
    bus.mapping_changed()
    assert bus.classify(0x1000).claim is Claim.NONE
    assert bus.read(0x5002, 1) == 2
