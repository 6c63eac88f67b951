"""The machine of a TOML file: what it builds, and how every mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from rdbg.emu.boards import build_board
from rdbg.emu.bus import BusError
from rdbg.emu.endpoint import Endpoint, EndpointKind, serial_port
from rdbg.emu.machine import Machine
from rdbg.emu.spec import Image, MachineSpec
from rdbg.errors import RdbgError
from tests.emu.bench_system import BenchMachine, BenchSystem
from tests.emu.images import code, elf

EXAMPLE = Path(__file__).parents[3] / "examples" / "bare.toml"
BASE = """
endian = "little"
[[ram]]
base = 0
size = "1M"
"""


def spec(text: str, *images: Image, big_endian: bool = False) -> MachineSpec:
    board = Image("board", "b.toml", text.encode())
    return MachineSpec("bare", "24Kf", big_endian, 1 << 20, 7, (board, *images))


KERNEL = Image("kernel", "k.elf", elf(0x8000_1000, code(False)))


def test_the_example() -> None:
    machine = BenchMachine(spec(EXAMPLE.read_text(), KERNEL))
    assert machine.board.reset_state.pc == 0x8000_1000
    assert machine.read(0x1000, 4) == 0x3C08_B800
    uart, timer = 0x1F00_0000, 0x1F00_1000
    machine.write(uart, 4, ord("A"))
    assert machine.system.sent == [(serial_port(0), b"A")]
    assert machine.read(uart + 5 * 4, 4) == 0x60
    machine.write(timer + 4, 4, 1000)
    machine.write(timer + 8, 4, 7)
    machine.system.advance(999_000)
    assert machine.read(timer, 4) == 999 and not machine.system.cpu_lines[1]
    machine.system.advance(1_000)
    assert machine.system.cpu_lines[1] and machine.read(timer + 12, 4) == 1
    machine.write(timer + 12, 4, 1)
    assert not machine.system.cpu_lines[1]
    machine.system.advance(1_500_000)
    assert machine.system.cpu_lines[1] and machine.read(timer, 4) == 500
    with pytest.raises(BusError):
        machine.read(0x1F00_2000, 4)
    assert "0x1f002000" in machine.system.lines[-1]


def test_a_periodic_timer_goes_on_when_it_is_looked_at_periods_late() -> None:
    """An instruction may last many periods, at a large shift."""
    machine = BenchMachine(spec(EXAMPLE.read_text(), KERNEL))
    timer = 0x1F00_1000
    machine.write(timer + 4, 4, 10)
    machine.write(timer + 8, 4, 7)
    machine.system.now += 35_500  # nobody has looked meanwhile
    machine.system.advance(0)
    assert machine.system.cpu_lines[1] and machine.read(timer, 4) == 5
    machine.write(timer + 12, 4, 1)
    for _ in range(3):
        machine.system.advance(4_400)
        assert not machine.system.cpu_lines[1]
        machine.system.advance(5_600)
        assert machine.system.cpu_lines[1]
        machine.write(timer + 12, 4, 1)


@pytest.mark.parametrize("block", [0x1000, 0x8000, 0x20000])
def test_a_debugger_is_told_the_flash_blocks_of_the_board_file(block: int) -> None:
    text = BASE + f'[[flash]]\nbase = 0x1e000000\nsize = "512K"\nblock = {block}\n'
    areas = Machine(spec(text, KERNEL)).memory_areas()
    assert [(area.start, area.block_size) for area in areas if area.kind == "flash"] == [
        (0x9E00_0000, block),
        (0xBE00_0000, block),
    ]
    assert all(area.block_size == 0 for area in areas if area.kind != "flash")


def test_the_documentation_s_example() -> None:
    page = (EXAMPLE.parents[1] / "docs" / "boards.md").read_text()
    text = page.partition("```toml\n")[2].partition("```")[0]
    machine = BenchMachine(spec(text, KERNEL))
    assert machine.read(0x1E00_0000, 4) == 0xFFFF_FFFF
    assert machine.read(0x1F80_0FFC, 4) == 0
    assert list(machine.board.endpoints) == [serial_port(0), Endpoint(EndpointKind.GPIO, 0)]


def test_rom_from_a_raw_image() -> None:
    text = "reset_pc = 0xbfc00000\n" + BASE + "[[rom]]\nbase = 0x1fc00000\nsize = 4096\n"
    machine = BenchMachine(spec(text, Image("bios", "rom.bin", code(False))))
    assert machine.board.reset_state.pc == 0xBFC0_0000
    assert machine.read(0x1FC0_0000, 4) == 0x3C08_B800


def test_elf_in_rom_and_ram() -> None:
    text = BASE + "[[rom]]\nbase = 0x1fc00000\nsize = 4096\n"
    machine = BenchMachine(spec(text, Image("bios", "rom.elf", elf(0xBFC0_0100, code(False)))))
    assert machine.board.reset_state.pc == 0xBFC0_0100
    assert machine.read(0x1FC0_0100, 4) == 0x3C08_B800


def test_flash_takes_commands() -> None:
    text = BASE + '[[flash]]\nbase = 0x1e000000\nsize = "128K"\nblock = "64K"\n'
    machine = BenchMachine(spec(text, KERNEL))
    assert machine.read(0x1E00_0000, 4) == 0xFFFF_FFFF
    machine.write(0x1E00_0000, 4, 0x40)
    machine.write(0x1E00_0000, 4, 0x1122_3344)
    machine.write(0x1E00_0000, 4, 0xFF)
    assert machine.read(0x1E00_0000, 4) == 0x1122_3344


def test_two_devices_share_a_line() -> None:
    uart = '[[uart]]\nname = "u{0}"\nbase = {1}\nirq = 3\nport = {0}\n'
    machine = BenchMachine(spec(BASE + uart.format(0, 0x1000_0000) + uart.format(1, 0x1000_0100), KERNEL))
    for base, port in ((0x1000_0000, 0), (0x1000_0100, 1)):
        machine.write(base + 1, 1, 1)
        machine.board.endpoints[serial_port(port)].receive(b"x")
    machine.read(0x1000_0000, 1)
    assert machine.system.cpu_lines[3]
    machine.read(0x1000_0100, 1)
    assert not machine.system.cpu_lines[3]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("endian = ", "is not TOML"),
        ("", "endian is missing"),
        ('endian = "middle"', "endian must be 'little' or 'big'"),
        ('endian = "little"', "ram is missing"),
        ('endian = "little"\n[ram]\nbase = 0\nsize = 4096', r"ram must be written as \[\[ram\]\]"),
        (BASE + "colour = 1", r"ram\[0\].colour is not a key"),
        ("speed = 1\n" + BASE, "speed is not a key"),
        (BASE.replace('"1M"', '"1X"'), r"ram\[0\].size must be a number of bytes"),
        (BASE.replace('"1M"', "1000"), r"ram\[0\].size must be a multiple"),
        (BASE.replace("base = 0", "base = 5"), r"ram\[0\].base must be a multiple"),
        (BASE.replace("base = 0", "base = true"), r"ram\[0\].base must be an integer"),
        (BASE.replace("base = 0", "base = 0xfff80000"), "goes past the end"),
        ("reset_pc = 2\n" + BASE, "reset_pc must be a multiple of 4"),
        (BASE + "[[uart]]\nirq = 6\nbase = 0x10000000", r"uart\[0\].irq must be 0x0 to 0x5"),
        (BASE + "[[uart]]\nbase = 0x1000", "overlap"),
        (BASE + "[[uart]]\nbase = 0x10000000\n[[uart]]\nbase = 0x10000100\nport = 0", "port 0"),
        (BASE + "[[timer]]\nbase = 0x10000002", r"timer\[0\].base must be a multiple of 4"),
        (BASE + '[[flash]]\nbase = 0x1e000000\nsize = "64K"\nblock = 1000', r"flash\[0\].block must be a power of two"),
        (BASE + '[[rom]]\nname = "ram"\nbase = 0x1fc00000\nsize = 4096', "used twice"),
    ],
)
def test_mistakes_are_named(text: str, words: str) -> None:
    with pytest.raises(RdbgError, match=words) as info:
        build_board(spec(text, KERNEL), BenchSystem())
    assert "'b.toml'" in str(info.value) and "\n" not in str(info.value)


def test_more_memory_than_there_is_room_for() -> None:
    with pytest.raises(RdbgError, match="has 3072 MiB of memory in all its parts, more than"):
        Machine(spec(BASE.replace('"1M"', '"3G"'), KERNEL))


def test_what_does_not_fit_together() -> None:
    for bad, words in (
        (spec(BASE, KERNEL, big_endian=True), "says little-endian, the machine is big-endian"),
        (spec(BASE, Image("bios", "r.bin", code(False))), "has no place"),
        (spec(BASE, Image("kernel", "k", elf(0x8020_0000))), "has no memory"),
        (spec(BASE, KERNEL, Image("initrd", "i", b"x")), "malta only"),
        (MachineSpec("bare", "24Kf", False, 1 << 20, 7, (KERNEL,)), "needs a board file"),
    ):
        with pytest.raises(RdbgError, match=words):
            build_board(bad, BenchSystem())


def test_a_board_without_an_image_waits_for_a_program() -> None:
    assert build_board(spec(BASE), BenchSystem()).reset_state.pc == 0xBFC0_0000
