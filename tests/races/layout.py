"""Builds a guest of programs that run under a timer's interrupt, and reads what its handler logged."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

from tests.differential.layout import HARNESS as BATCH
from tests.differential.layout import toolchain
from tests.differential.programs import SCRATCH_BYTES

HARNESS = Path(__file__).with_name("harness.S")
#: Macros for guests that are compared with QEMU.
MACROS = Path(__file__).with_name("count_phase.S")
ENTRY_BYTES = 36
IE, IM7 = 1, 1 << 15
CU0 = 1 << 28

#: What the handler does before it returns: the timer's next interrupt, relative to Count.
ARM_FROM_NOW = """
        mfc0    $26, $9
        addu    $26, $26, $27
        mtc0    $26, $11
"""


@dataclass(frozen=True)
class Source:
    """A guest's program.

    Args:
        program: its text, in assembler; an endless loop.
        periods: ticks of Count until each next interrupt.
        entries: how often each of them.
        in_handler: what the handler does besides, with $8 to $13; $26 points at ``save``.
        arm: how the handler sets the timer for the next time, k1 ($27) being the period, with k0.
        restarts: whether the program begins anew after each interrupt.
        status: CP0 Status of the program.
        registers: general registers to begin with.
        sums_memory: whether the handler looks at the program's memory, too.
    """

    program: str
    periods: Sequence[int]
    entries: int = 8
    in_handler: str = ""
    arm: str = ARM_FROM_NOW
    restarts: bool = False
    status: int = CU0 | IM7 | IE
    registers: Sequence[int] = tuple(0x01010101 * n for n in range(32))
    sums_memory: bool = False

    def text(self) -> str:
        """The whole of it, with the harness."""
        size = ENTRY_BYTES * self.entries * len(self.periods)
        return "\n".join([
            f"        .equ ENTRIES, {self.entries}",
            f"        .equ RESTARTS, {int(self.restarts)}",
            f"        .equ SUMS_MEMORY, {int(self.sums_memory)}",
            f"        .equ SCRATCH_BYTES, {SCRATCH_BYTES}",
            f"        .equ PROGRAM_STATUS, {self.status:#x}",
            f"        .macro IN_HANDLER\n{self.in_handler}\n        .endm",
            f"        .macro ARM\n{self.arm}\n        .endm",
            HARNESS.read_text(),
            f"periods: .word {', '.join(map(str, [*self.periods, 0]))}",
            f"initial: .word {', '.join(map(hex, self.registers))}",
            f"        .balign 4096\nscratch: .space 4096\nlog:    .space {size}\nlog_bound:",
            f"        .text\n        .balign 4096\nprogram:\n{self.program}\n",
        ])  # fmt: skip


@dataclass(frozen=True)
class Guest:
    """An assembled guest.

    Args:
        path: the ELF file.
        big_endian: byte order.
        symbols: address of each label.
    """

    path: Path
    big_endian: bool
    symbols: dict[str, int]


@dataclass(frozen=True)
class Entry:
    """What the handler found when it was entered."""

    cause: int
    epc: int
    count: int
    status: int
    counter: int
    checksum: int
    compare: int
    exceptions: int
    memory: int

    @property
    def in_slot(self) -> bool:
        """Cause.BD: EPC is of a branch, whose slot has not run."""
        return bool(self.cause >> 31)

    def __str__(self) -> str:
        return (
            f"epc {self.epc:#x}{' (slot)' if self.in_slot else ''} cause {self.cause:#x} count {self.count:#x} "
            f"counter {self.counter} checksum {self.checksum:#x} compare {self.compare:#x} memory {self.memory:#x}"
        )


def build(source: Source, big_endian: bool, folder: Path, name: str = "races") -> Guest:
    """Assemble the guest of a program; see `assemble`."""
    return assemble(source.text(), big_endian, folder, name)


def assemble(source: str, big_endian: bool, folder: Path, name: str) -> Guest:
    """Assemble a guest.

    Args:
        source: all of its text, which may use `MACROS`.
        big_endian: byte order.
        folder: where the files go.
        name: of the files.
    """
    text, made, elf = (folder / f"{name}{suffix}" for suffix in (".s", ".o", ".elf"))
    text.write_text(MACROS.read_text() + source)
    order = "-EB" if big_endian else "-EL"
    prefix = toolchain(big_endian)
    subprocess.run([prefix + "as", order, "-march=24kf", "-mabi=32", "-mno-pdr", "-G0", "-o", made, text], check=True)
    subprocess.run([prefix + "ld", order, "-T", BATCH.with_name("batch.ld"), "-o", elf, made], check=True)
    with elf.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        return Guest(elf, big_endian, {symbol.name: symbol["st_value"] for symbol in table.iter_symbols()})


def entries_of(memory: bytes, big_endian: bool) -> list[Entry]:
    """The log, from the memory that holds it."""
    layout = struct.Struct(">9I" if big_endian else "<9I")
    return [Entry(*fields) for fields in layout.iter_unpack(memory)]
