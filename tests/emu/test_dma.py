"""Direct memory access as the bus resolves it: every alias of RAM, flash, ROM, ignored ranges, registers, the void."""

from __future__ import annotations

import random
import struct

import pytest

from rdbg.emu.bus import BusError
from rdbg.emu.dma_name import DmaName
from rdbg.emu.endpoint import serial_port
from rdbg.emu.machine import Machine
from rdbg.emu.spec import Image, MachineSpec
from tests.emu.bench_system import BenchMachine
from tests.emu.guests import WAIT

MIB = 1 << 20
RAM, HIGH_RAM, FLASH, ROM, LEDS, IGNORED, VOID = (
    0x0, 0x80000000, 0x1E000000, 0x1FC00000, 0x1F000408, 0x1A000000, 0x40000000,
)  # fmt: skip


def machine(big_endian: bool = False) -> Machine:
    code = struct.pack(">I" if big_endian else "<I", WAIT) * 64
    return Machine(MachineSpec("malta", "24Kf", big_endian, 16 * MIB, 5, (Image("bios", "b.bin", code * 9),)))


def test_ram_is_the_same_by_each_of_its_addresses_and_across_pages() -> None:
    made, data = machine(), random.Random(1).randbytes(3 * 4096 + 5)
    made.dma.write(RAM + 0x10FFD, data, DmaName("card"))
    for base in (RAM, HIGH_RAM):
        assert made.dma.read(base + 0x10FFD, len(data)) == data
    assert made.read_memory(0x80010FFD, len(data)) == data
    assert made.read_memory(0xA0010FFC, 1) == b"\0"
    made.dma.write(HIGH_RAM + 0x10FFE, b"x", DmaName("card"))
    assert made.read_memory(0xA0010FFD, 3) == data[:1] + b"x" + data[2:3]
    made.dma.write(RAM, b"", DmaName("card"))
    assert made.dma.read(VOID, 0) == b""


def test_how_much_lies_in_memory_without_a_gap() -> None:
    direct = machine().dma.direct
    assert direct(RAM + 0x1000, 64, True) == 64
    assert direct(RAM + 16 * MIB - 5, 64, False) == 5 == direct(HIGH_RAM + 16 * MIB - 5, 64, True)
    assert direct(ROM, 64, False) == 64 and direct(ROM, 64, True) == 0
    assert [direct(place, 64, False) for place in (LEDS, IGNORED, VOID, 1 << 40)] == [0] * 4


def test_what_is_written_is_among_the_pages_touched_and_in_the_digest() -> None:
    made = machine()
    made.take_touched()
    before = made.digest()
    made.dma.write(RAM + 0x20FFF, b"ab", DmaName("card"))
    assert list(made.take_touched().written) == [0x20, 0x21]
    changed = made.digest()
    assert changed != before
    made.dma.write(RAM + 0x20FFF, bytes(2), DmaName("card"))
    assert made.digest() == before


def test_rom_and_ignored_ranges_swallow_what_is_written() -> None:
    made = machine()
    rom = made.dma.read(ROM, 64)
    assert rom[16] == 0x20  # the board's revision
    made.dma.write(ROM, b"x" * 64, DmaName("card"))
    assert made.dma.read(ROM, 64) == rom
    made.dma.write(IGNORED, b"x" * 0x2001, DmaName("card"))
    assert made.dma.read(IGNORED, 0x2001) == bytes(0x2001)


@pytest.mark.parametrize("big_endian", [False, True])
def test_flash_takes_commands_and_shows_its_array_again(big_endian: bool) -> None:
    made, order = machine(big_endian), "big" if big_endian else "little"

    def command(offset: int, word: int) -> None:
        made.dma.write(FLASH + offset, word.to_bytes(4, order), DmaName("card"))  # type: ignore[arg-type]

    word = made.dma.read(FLASH + 0x80000, 4)
    command(0x80000, 0x40)
    command(0x80000, 0x12345678)
    assert made.dma.read(FLASH + 0x80000, 4) != made.read_backing("flash", 0x80000, 4)  # the status
    command(0x80000, 0xFF)
    assert made.dma.read(FLASH + 0x80000, 4) == made.read_backing("flash", 0x80000, 4) != word


def test_registers_are_accessed_in_words_and_what_is_left() -> None:
    bench = BenchMachine(MachineSpec("malta", "24Kf", False, 16 * MIB, 5, ()))
    bench.system.dma_write(LEDS, b"\x5a\0\0\0", "card")
    assert bench.read(LEDS, 4) == 0x5A and bench.system.dma_read(LEDS, 4) == b"\x5a\0\0\0"
    bench.system.dma_write(0x100003F8, b"A", "card")  # a UART's data register, one byte wide
    assert bench.system.sent == [(serial_port(0), b"A")]


def test_into_the_void_it_fails_as_on_the_bus_and_what_came_before_is_written() -> None:
    made = machine()
    with pytest.raises(BusError) as read:
        made.dma.read(VOID, 16)
    assert (read.value.address, read.value.write) == (VOID, False)
    with pytest.raises(BusError) as write:
        made.dma.write(HIGH_RAM + 16 * MIB - 4, b"abcdefgh", DmaName("card"))
    assert (write.value.address, write.value.write) == (HIGH_RAM + 16 * MIB, True)
    assert made.dma.read(RAM + 16 * MIB - 4, 4) == b"abcd"
    for address in (1 << 32, 1 << 63, (1 << 32) - 2):
        with pytest.raises(BusError):
            made.dma.read(address, 8)
        with pytest.raises(BusError):
            made.dma.write(address, bytes(8), DmaName("card"))
