"""Direct memory access as the bus resolves it: every alias of RAM, flash, ROM, ignored ranges, registers, the void."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest

from rdbg.emu.bus import BusError
from rdbg.emu.dma_name import DmaName
from rdbg.emu.endpoint import serial_port
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest
from rdbg.emu.spec import Image, MachineSpec
from tests.emu.bench_system import BenchMachine
from tests.emu.guests import WAIT
from tests.forgery import CPU_FIELDS

MIB = 1 << 20
RAM, HIGH_RAM, FLASH, ROM, LEDS, IGNORED, VOID, UART = (
    0x0, 0x80000000, 0x1E000000, 0x1FC00000, 0x1F000408, 0x1A000000, 0x40000000, 0x1F000900,
)  # fmt: skip


def machine(big_endian: bool = False) -> Machine:
    code = struct.pack(">I" if big_endian else "<I", WAIT) * 64
    return Machine(MachineSpec("malta", "24Kf", big_endian, 16 * MIB, 5, (Image("bios", "b.bin", code * 9),)))


def test_ram_is_the_same_by_each_of_its_addresses_and_across_pages() -> None:
    made, data = machine(), random.Random(1).randbytes(3 * 4096 + 5)
    made.system.dma.write(RAM + 0x10FFD, data, DmaName("card"))
    for base in (RAM, HIGH_RAM):
        assert made.system.dma.read(base + 0x10FFD, len(data)) == data
    assert made.read_memory(0x80010FFD, len(data)) == data
    assert made.read_memory(0xA0010FFC, 1) == b"\0"
    made.system.dma.write(HIGH_RAM + 0x10FFE, b"x", DmaName("card"))
    assert made.read_memory(0xA0010FFD, 3) == data[:1] + b"x" + data[2:3]
    made.system.dma.write(RAM, b"", DmaName("card"))
    assert made.system.dma.read(VOID, 0) == b""


def test_how_much_lies_in_memory_without_a_gap() -> None:
    direct = machine().system.dma.direct
    assert direct(RAM + 0x1000, 64, True) == 64
    assert direct(RAM + 16 * MIB - 5, 64, False) == 5 == direct(HIGH_RAM + 16 * MIB - 5, 64, True)
    assert direct(ROM, 64, False) == 64 and direct(ROM, 64, True) == 0
    assert [direct(place, 64, False) for place in (LEDS, IGNORED, VOID, 1 << 40)] == [0] * 4


def test_looking_finds_memory_and_reads_no_registers() -> None:
    made = machine()
    made.system.dma.write(RAM + 0x1FFE, b"abcd", DmaName("card"))
    made.board.endpoints[serial_port(2)].receive(b"x")  # type: ignore[union-attr]
    before, look = made.digest(), made.system.dma.look
    assert look(RAM + 0x1FFE, 4) == b"abcd" and look(RAM, 0) == b""
    assert look(UART, 8) == b"\xff" * 8  # whatever stands there
    assert look(IGNORED, 8) == look(VOID, 8) == look(1 << 40, 8) == bytes(8)
    assert look(RAM + 16 * MIB - 4, 8) == bytes(8)
    made.bus.write(FLASH, 4, 0x70707070)  # to show its status, whose reading clears nothing here but might
    assert look(FLASH, 4) == b"\xff" * 4
    made.bus.write(FLASH, 4, 0xFFFFFFFF)
    assert made.digest() == before


def test_what_is_written_is_among_the_pages_touched_and_in_the_digest() -> None:
    made = machine()
    made.take_touched()
    before = made.digest()
    made.system.dma.write(RAM + 0x20FFF, b"ab", DmaName("card"))
    assert list(made.take_touched().written) == [0x20, 0x21]
    changed = made.digest()
    assert changed != before
    made.system.dma.write(RAM + 0x20FFF, bytes(2), DmaName("card"))
    assert made.digest() == before


def test_rom_and_ignored_ranges_swallow_what_is_written() -> None:
    made = machine()
    rom = made.system.dma.read(ROM, 64)
    assert rom[16] == 0x20  # the board's revision
    made.system.dma.write(ROM, b"x" * 64, DmaName("card"))
    assert made.system.dma.read(ROM, 64) == rom
    made.system.dma.write(IGNORED, b"x" * 0x2001, DmaName("card"))
    assert made.system.dma.read(IGNORED, 0x2001) == bytes(0x2001)


@pytest.mark.parametrize("big_endian", [False, True])
def test_flash_takes_commands_and_shows_its_array_again(big_endian: bool) -> None:
    made, order = machine(big_endian), "big" if big_endian else "little"

    def command(offset: int, word: int) -> None:
        made.system.dma.write(FLASH + offset, word.to_bytes(4, order), DmaName("card"))  # type: ignore[arg-type]

    word = made.system.dma.read(FLASH + 0x80000, 4)
    command(0x80000, 0x40)
    command(0x80000, 0x12345678)
    assert made.system.dma.read(FLASH + 0x80000, 4) != made.system.read_backing("flash", 0x80000, 4)  # the status
    command(0x80000, 0xFF)
    assert made.system.dma.read(FLASH + 0x80000, 4) == made.system.read_backing("flash", 0x80000, 4) != word


def test_registers_are_accessed_in_words_and_what_is_left() -> None:
    bench = BenchMachine(MachineSpec("malta", "24Kf", False, 16 * MIB, 5, ()))
    bench.system.dma_write(LEDS, b"\x5a\0\0\0", "card")
    assert bench.read(LEDS, 4) == 0x5A and bench.system.dma_read(LEDS, 4) == b"\x5a\0\0\0"
    bench.system.dma_write(0x100003F8, b"A", "card")  # a UART's data register, one byte wide
    assert bench.system.sent == [(serial_port(0), b"A")]


def test_into_the_void_it_fails_as_on_the_bus_and_what_came_before_is_written() -> None:
    made = machine()
    with pytest.raises(BusError) as read:
        made.system.dma.read(VOID, 16)
    assert (read.value.address, read.value.write) == (VOID, False)
    with pytest.raises(BusError) as write:
        made.system.dma.write(HIGH_RAM + 16 * MIB - 4, b"abcdefgh", DmaName("card"))
    assert (write.value.address, write.value.write) == (HIGH_RAM + 16 * MIB, True)
    assert made.system.dma.read(RAM + 16 * MIB - 4, 4) == b"abcd"
    for address in (1 << 32, 1 << 63, (1 << 32) - 2):
        with pytest.raises(BusError):
            made.system.dma.read(address, 8)
        with pytest.raises(BusError):
            made.system.dma.write(address, bytes(8), DmaName("card"))


def with_tlb(made: Machine) -> None:
    """Let TLB entries show RAM at mapped addresses: small pages, large ones, one of another address space, one that is
    not valid."""
    icount, cpu = made.core.save()
    record = bytearray(cpu)
    entries = (
        (0x0000_2000, 0, False, 0x10 << 6 | 6, 0x11 << 6 | 2, 0),
        (0x0001_0000, 0x6000, True, 0x10 << 6 | 6, 0x20 << 6 | 6, 9),
        (0x0002_0000, 0, False, 0x10 << 6 | 6, 0x11 << 6 | 6, 5),
        (0xC000_0000, 0, True, 0x10 << 6 | 4, 0x80010 << 6 | 6, 0),
    )
    for number, (vpn2, mask, is_global, lo0, lo1, asid) in enumerate(entries):
        values = {"vpn2": vpn2, "mask": mask, "is_global": is_global, "lo0": lo0, "lo1": lo1, "asid": asid}
        for name, value in values.items():
            at = CPU_FIELDS[f"guest.tlb.{number}.{name}"]
            size = 1 if name in ("is_global", "asid") else 4
            record[at : at + size] = int(value).to_bytes(size, "little")
    made.core.load(icount, bytes(record))


def outcome(access: Callable[..., bytes | None], *words: object) -> object:
    """What an access gives, or how it fails."""
    try:
        return access(*words)
    except BusError as error:
        return error.address, error.size, error.write


def test_what_goes_to_memory_directly_does_what_the_bus_does() -> None:
    """Devices reach plain memory without Python; the result, what is touched and the digest are those of the bus."""
    chosen = random.Random(7)
    direct, by_bus = machine(), machine()
    name = DmaName("card")
    for made in (direct, by_bus):
        with_tlb(made)
        made.take_touched()
        made.step()
    shown = set()
    for _ in range(300):
        base = chosen.choice((RAM, RAM, HIGH_RAM, FLASH, ROM, IGNORED, VOID, RAM + 16 * MIB - 0x11000))
        address = base + 0x10000 + chosen.choice((0, 0xFF0, chosen.randrange(0x2000)))
        size = chosen.choice((0, 1, 16, 1514, 0x2345))
        data = chosen.randbytes(size)
        assert outcome(direct.system.dma_read, address, size) == outcome(by_bus.system.dma.read, address, size)
        written = outcome(direct.system.dma_write, address, data, "card")
        assert written == outcome(by_bus.system.dma.write, address, data, name)
        if chosen.random() < 0.2:
            touched = [
                [list(each) for each in (one.written, one.written_virtual, one.read_virtual)]
                for one in (direct.take_touched(), by_bus.take_touched())
            ]
            assert touched[0] == touched[1]
            shown.update(touched[0][1])
            assert direct.digest() == by_bus.digest()
            direct.step()
            by_bus.step()
    assert {0x2, 0x3, 0x10, 0xC0001, 0x80010, 0xA0010} <= shown and not shown & {0x20, 0x21, 0xC0000}


def touched(made: Machine) -> list[list[int]]:
    found = made.take_touched()
    return [list(found.written), list(found.written_virtual), list(found.read_virtual)]


@pytest.mark.parametrize("seed", range(6))
def test_several_places_are_written_as_one_after_another(seed: int) -> None:
    dice = random.Random(seed)
    at_once, in_turn = machine(), machine()
    places = [RAM + 0x3FF0, HIGH_RAM + 0x5000, RAM + 16 * MIB - 64, RAM + 0x6FFF, RAM + 0x3FF8]
    if seed > 3:
        places.append((FLASH, LEDS, VOID)[seed % 3])
    pieces = [(dice.choice(places), dice.randrange(1, 64)) for _ in range(8)] + [(places[-1], 7)]
    data = dice.randbytes(sum(size for _, size in pieces))
    for each in (at_once, in_turn):
        touched(each)
        each.run(RunRequest(until=100))
    assert at_once.system.dma_write_pieces(pieces, data) == (seed <= 3), (
        "where it is no plain memory nothing is written"
    )
    at = 0
    for address, size in pieces if seed <= 3 else []:
        in_turn.system.dma_write(address, data[at : at + size], "card")
        at += size
    assert at_once.digest() == in_turn.digest() and touched(at_once) == touched(in_turn)


@pytest.mark.parametrize(("entries", "most"), [(1, 512), (5, 512), (700, 512), (3, 2)])
def test_a_table_is_read_up_to_its_end_and_no_byte_further(entries: int, most: int) -> None:
    made = machine()
    start = RAM + 0x7FF4  # an entry lies across two pages
    words = [(0x1000 * number, 0x200 | (number == entries - 1) << 31) for number in range(entries)]
    table = b"".join(struct.pack("<II", *pair) for pair in words)
    made.system.dma.write(start, table + bytes(64), DmaName("test"))
    touched(made)
    made.run(RunRequest(until=100))
    read = made.system.dma_table(start, most, 1 << 31)
    assert read == table[: 8 * most]
    *_, virtual = touched(made)
    assert {page & 0xFFFF for page in virtual if page & 0xFFFF < 0x100} == {
        *range(0x7, (0x7FF4 + len(read) - 1 >> 12) + 1)
    }
    for place in (LEDS, VOID, RAM + 16 * MIB - 4, start + 2):
        assert made.system.dma_table(place, most, 1 << 31) is None
