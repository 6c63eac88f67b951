"""The guests that the stub is tested with: one on MIPS, and the toy of another architecture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rdbg.emu.inputs import InputSource
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import MachineApi
from rdbg.emu.spec import Image, MachineSpec
from tests.timeline.toy import Op
from tests.timeline.toy64 import Toy64

ELF = Path(__file__).parents[1] / "gdb" / "guest" / "counter-el.elf"


@dataclass(frozen=True)
class Guest:
    """A guest that runs for ever.

    Args:
        name: of its architecture.
        start: makes its machine.
        code: address of an instruction that it runs again and again.
        memory: address of memory that it leaves alone.
        written: address of a word that it writes again and again.
        register: number of a register that it leaves alone for a while.
        register_bytes: how wide that is.
        unmapped: address where nothing is.
    """

    name: str
    start: Callable[[InputSource], MachineApi]
    code: int
    memory: int
    written: int
    register: int
    register_bytes: int
    unmapped: int = 0


def _counter(inputs: InputSource) -> MachineApi:
    image = Image("kernel", str(ELF), ELF.read_bytes())
    return Machine(MachineSpec("malta", "24Kf", False, 16 << 20, 0, (image,)), inputs)


#: Counts in a word, and goes on: a run has windows everywhere.
_TOY = [
    Op("store", 0, 0), Op("add", 1, 3), Op("branch", 1, 0), Op("add", 1, 1), Op("load", 0, 64), Op("add", 2, 7),
    Op("branch", 2, 0), Op("add", 1, 9),
]  # fmt: skip


def _toy64(inputs: InputSource) -> MachineApi:
    machine = Toy64(_TOY)
    machine.inputs = inputs
    return machine


COUNTER = Guest(
    "mips32", _counter, code=0x8010_0020, memory=0x8020_0000, written=0x8011_0120, register=3, register_bytes=4
)
TOY = Guest("toy64", _toy64, Toy64.lay_out(_TOY)[1], Toy64.data + 0x40000, Toy64.data, register=13, register_bytes=8)
