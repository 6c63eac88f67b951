"""SPI, I2C and DMA controllers: bytes, times, interrupts, and chips in Python on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rdbg.emu.device import DeviceFailure
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest
from rdbg.emu.spec import Image
from rdbg.errors import RdbgError
from rdbg.session.images import board_sources
from tests.boards.python_boards import source
from tests.emu.bench_system import BenchMachine
from tests.emu.boards.test_bare import BASE, KERNEL, spec

AT = 0x1F00_0000
DATA, COMMAND, STATUS, CONTROL = 0x0, 0x4, 0x8, 0xC
SPI = f'[[spi]]\nbase = {AT:#x}\nirq = 1\n[[spi.chip]]\nselect = 2\npython = "d.py:Adder"\n'
I2C = f'[[i2c]]\nbase = {AT:#x}\nirq = 1\n[[i2c.chip]]\naddress = 0x50\npython = "d.py:Memory"\n'
DMA = f"[[dma]]\nbase = {AT:#x}\nirq = 1\n"
CHIPS = """
from rdbg.peripheral import SpiChip, I2cChip

class Adder(SpiChip):
    total = Word()
    def selected(self, level):
        if level: self.total = 0
    def transfer(self, byte):
        self.total += byte
        return self.total & 0xff

class Memory(I2cChip):
    cells = ByteBuffer(256, 256)
    at = Word()
    addressed = Switch()
    def start(self, reading):
        self.addressed = not reading
        return True
    def store(self, byte):
        if self.addressed:
            self.at, self.addressed = byte, False
        else:
            self.cells[self.at] = byte
            self.at = self.at + 1 & 0xff
        return True
    def fetch(self):
        value = self.cells[self.at]
        self.at = self.at + 1 & 0xff
        return value
"""


def bench(text: str) -> BenchMachine:
    return BenchMachine(spec(BASE + text, KERNEL, source(CHIPS)))


def test_spi() -> None:
    machine = bench(SPI)
    machine.write(AT + CONTROL, 4, 1)
    machine.write(AT + COMMAND, 4, 1 << 2)
    for byte, back in ((5, 5), (7, 12), (0xFF, 0x0B)):
        machine.write(AT + DATA, 4, byte)
        machine.system.advance(7_999)
        assert machine.read(AT + STATUS, 4) == 4 and not machine.system.cpu_lines[1]
        machine.write(AT + DATA, 4, 99)  # it is busy
        machine.system.advance(1)
        assert machine.read(AT + STATUS, 4) & 5 == 1 and machine.system.cpu_lines[1]
        assert machine.read(AT + DATA, 4) == back
        machine.write(AT + STATUS, 4, 3)
        assert not machine.system.cpu_lines[1]
    machine.write(AT + COMMAND, 4, 0)
    machine.write(AT + DATA, 4, 1)
    machine.system.advance(8_000)
    assert machine.read(AT + DATA, 4) == 0xFF  # nobody is selected
    machine.write(AT + COMMAND, 4, 4)
    machine.write(AT + DATA, 4, 1)
    machine.system.advance(8_000)
    assert machine.read(AT + DATA, 4) == 1


def command(machine: BenchMachine, value: int, data: int | None = None) -> bool:
    """Do one thing on the I2C bus; whether it was acknowledged."""
    if data is not None:
        machine.write(AT + DATA, 4, data)
    machine.write(AT + COMMAND, 4, value)
    machine.system.advance(90_000)
    status = machine.read(AT + STATUS, 4)
    assert status & 5 == 1
    machine.write(AT + STATUS, 4, 3)
    return bool(status & 2)


def test_i2c() -> None:
    machine = bench(I2C)
    assert not command(machine, 1, 0x51 << 1)
    assert command(machine, 1, 0x50 << 1)
    for byte in (0x10, 0xAA, 0xBB):
        assert command(machine, 2, byte)
    command(machine, 8)
    command(machine, 1, 0x50 << 1)
    command(machine, 2, 0x10)
    assert command(machine, 1, 0x50 << 1 | 1)
    assert command(machine, 4) and machine.read(AT + DATA, 4) == 0xAA
    assert command(machine, 4) and machine.read(AT + DATA, 4) == 0xBB
    command(machine, 8)
    assert not command(machine, 4)


def test_dma() -> None:
    machine = bench(DMA)
    machine.write(0x1000, 4, 0x11223344)
    machine.write(0x1004, 4, 0x55667788)
    for offset, value in ((0, 0x1000), (4, 0x2000), (8, 8)):
        machine.write(AT + offset, 4, value)
    machine.write(AT + 12, 4, 3)
    assert machine.read(AT + 16, 4) == 4 and machine.read(0x2000, 4) == 0
    machine.write(AT + 8, 4, 1)  # it is busy
    machine.system.advance(80)
    assert machine.read(AT + 16, 4) == 1 and machine.system.cpu_lines[1]
    assert (machine.read(0x2000, 4), machine.read(0x2004, 4)) == (0x11223344, 0x55667788)
    assert machine.system.dma_writers == ["dma0 DMA"]
    machine.write(AT + 16, 4, 1)
    assert not machine.system.cpu_lines[1]
    machine.write(AT + 12, 4, 1 | 4)  # the source stays
    machine.system.advance(80)
    assert (machine.read(0x2000, 4), machine.read(0x2004, 4)) == (0x11223344, 0x11223344)
    machine.write(AT, 4, 0x50000000)
    machine.write(AT + 16, 4, 1)
    machine.write(AT + 12, 4, 1)
    machine.system.advance(80)
    assert machine.read(AT + 16, 4) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SPI.replace("Adder", "Memory"), "chip 'spi0-chip0' is on an spi bus: derive its class from SpiChip"),
        (SPI.replace("select = 2", "select = 8"), r"spi\[0\].chip\[0\].select must be 0x0 to 0x7"),
        (SPI + '[[spi.chip]]\nselect = 2\npython = "d.py:Adder"\n', r"chip\[1\].select is 0x2 of two chips"),
        (I2C.replace("address = 0x50\n", ""), r"i2c\[0\].chip\[0\].address is missing"),
        (I2C + 'name = "i2c0"\n', "the name 'i2c0' is used twice"),
        (DMA + "bytes_per_us = 0\n", r"dma\[0\].bytes_per_us must be"),
        (SPI + DMA, "overlap"),
    ],
)
def test_mistakes_are_named(text: str, words: str) -> None:
    with pytest.raises(RdbgError, match=words) as info:
        bench(text)
    assert "\n" not in str(info.value)


def test_a_chip_that_gives_no_byte_fails_with_a_line() -> None:
    bad = CHIPS.replace("self.total & 0xff", "self.total + 256")
    machine = BenchMachine(spec(BASE + SPI, KERNEL, source(bad)))
    machine.write(AT + COMMAND, 4, 4)
    machine.write(AT + DATA, 4, 1)
    with pytest.raises(DeviceFailure, match="d.py: transfer gave 0x101 .device 'spi0-chip0'.: give a byte"):
        machine.system.advance(8_000)


@pytest.mark.parametrize(("text", "store"), [(SPI, (DATA, 7)), (I2C, (COMMAND, 1)), (DMA, (CONTROL, 3))])
def test_a_state_in_the_middle_of_a_transfer_goes_on_as_the_run_does(text: str, store: tuple[int, int]) -> None:
    """A loop of the CPU passes the time; the state is taken while the controller is busy."""
    machine = Machine(spec(BASE + text, KERNEL, source(CHIPS)))
    machine.bus.write(AT + COMMAND, 4, 0x10 if text is DMA else 4 if text is SPI else 0)
    machine.bus.write(AT + STATUS, 4, 64 if text is DMA else 0)
    machine.bus.write(AT + store[0], 4, store[1])
    machine.core.ask_for_events()
    status = 0xBF000000 + (0x10 if text is DMA else STATUS)
    state = machine.save_state()
    assert machine.read_memory(status, 4)[0] == 4
    machine.run(RunRequest(until=2_000))
    there = machine.digest()
    assert machine.read_memory(status, 4)[0] & 5 == 1
    fresh = Machine(spec(BASE + text, KERNEL, source(CHIPS)))
    fresh.load_state(state)
    fresh.core.ask_for_events()
    fresh.run(RunRequest(until=2_000))
    assert fresh.digest() == there


def test_the_sources_of_chips_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "d.py").write_text("x = 1\n")
    board = Image("board", str(tmp_path / "b.toml"), (BASE + SPI).encode())
    assert [image.data for image in board_sources(board)] == [b"x = 1\n"]
