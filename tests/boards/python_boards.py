"""Boards with a peripheral in Python, for tests of them."""

from __future__ import annotations

from pathlib import Path

from rdbg.emu.boards.python_toml import python_role
from rdbg.emu.spec import Image, MachineSpec
from tests.emu.bench_system import BenchMachine
from tests.emu.boards.test_bare import BASE, KERNEL, spec
from tests.emu.images import elf

EXAMPLE = Path(__file__).parents[2] / "examples" / "board"
ELF = EXAMPLE / "thermostat.elf"
AT = 0x1F00_0000
DEVICE = f'[[device]]\npython = "d.py:Device"\nbase = {AT:#x}\n'
HEAD = "from rdbg.peripheral import ByteBuffer, Countdown, NoAnswer, Numbers, Peripheral, Switch, Word\n"
QUIET = "    def read(self, offset, size):\n        return 0\n    def write(self, offset, size, value):\n        pass\n"


def source(text: str) -> Image:
    return Image(python_role("d.py"), "d.py", (HEAD + text).encode())


def bench(text: str, board: str = DEVICE) -> BenchMachine:
    return BenchMachine(spec(BASE + board, KERNEL, source(text)))


LOAD, STORE = "    def read(self, offset, size):\n", "    def write(self, offset, size, value):\n"


def failing_spec(method: str) -> MachineSpec:
    """A guest that counts for a while, stores to the device, loads from it, and counts on."""
    text = "class Device(Peripheral):\n    x = Word()\n    later = Countdown()\n    def on_later(self): pass\n" + method
    if "def read" not in method:
        text += "    def read(self, offset, size):\n        return self.x\n"
    if "def write" not in method:
        text += "    def write(self, offset, size, value):\n        self.x = value & 0xff\n"
    words = [0x3C08BF00, 0x24090064]  # lui t0,0xbf00; li t1,100
    words += [0x2529FFFF, 0x1520FFFE, 0x00000000]  # addiu t1,-1; bnez t1; nop
    words += [0x240A0007, 0xAD0A0000, 0x8D0B0000]  # li t2,7; sw t2,0(t0); lw t3,0(t0)
    words += [0x256B0001, 0x1000FFFE, 0x00000000]  # addiu t3,1; b; nop
    program = b"".join(word.to_bytes(4, "little") for word in words)
    kernel = Image("kernel", "k", elf(0x8000_1000, program))
    return spec(BASE + DEVICE, kernel, source(text))
