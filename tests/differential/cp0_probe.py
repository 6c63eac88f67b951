"""A program that reads all of CP0, and all of it again after each write of a pattern to each of its registers."""

from __future__ import annotations

import random
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

from tests.differential.layout import HARNESS, toolchain

#: Where the program leaves its results; far behind its code.
RESULTS = 0x8180_0000
REGISTERS = tuple((register, select) for register in range(32) for select in range(8))
#: What the program leaves where reading, or writing, is a reserved instruction.
RESERVED = 0x0BAD_C0DE

_STATUS, _EBASE, _COUNT, _CAUSE, _DEBUG, _CONFIG3 = (12, 0), (15, 1), (9, 0), (13, 0), (23, 0), (16, 3)
_CU0 = 0x1000_0000
#: Bits of a pattern that must be or must not be written, or the program would not go on: kernel mode (EXL, ERL), Count
#: at rest (Cause.DC), no debug mode (Debug.DM) and no microMIPS
#: (Config3.ISAOnExc), which are not modelled.
_ALWAYS = {_STATUS: 0x6, _CAUSE: 1 << 27}
_NEVER = {_DEBUG: 1 << 30, _CONFIG3: 1 << 16}
#: What the program needs to go on is put right before all of CP0 is read.
_NEEDED = {_STATUS: _CU0, _EBASE: 0x8000_0000}

_PROLOGUE = """
        .set noreorder
        .set noat
        .text
        .globl  _start, finish
_start:
        lui     $16, {results:#x}
        mfc0    $8, $12
        sw      $8, 0($16)
        mfc0    $8, $17                         # an exception's eret will change it
        sw      $8, 4($16)
        addiu   $16, $16, 8
        lui     $8, {cu0:#x}
        mtc0    $8, $12
        ehb
        la      $9, 0xa0000180
        la      $10, vector
        .irp    n, 0,4,8,12,16,20
        lw      $8, \\n($10)
        sw      $8, \\n($9)
        .endr
        jal     read_all
        nop
        lui     $8, 0x0800                      # Cause.DC: Count stands still
        mtc0    $8, $13
        ehb
        mtc0    $0, $9
        ehb
        b       writes
        nop

vector: mfc0    $26, $14                        # skip what is reserved, and say so
        addiu   $26, $26, 4
        mtc0    $26, $14
        li      $27, 1
        ehb
        eret

finish: b       finish
        nop
"""


@dataclass(frozen=True)
class Write:
    """A pattern that is written to a register.

    Args:
        register: the register.
        select: its select.
        value: the pattern.
    """

    register: int
    select: int
    value: int


@dataclass(frozen=True)
class Probe:
    """The program, assembled.

    Args:
        path: the ELF file.
        finish: address where everything is done.
        writes: what it writes, in order.
    """

    path: Path
    finish: int
    writes: tuple[Write, ...]

    @property
    def size(self) -> int:
        """Bytes of results."""
        return 4 * (2 + len(REGISTERS) + len(self.writes) * (2 + len(REGISTERS)))


#: Registers of the MT extension. What is written to them can halt a CPU that has it.
MULTITHREADING = frozenset((register, select) for register in (0, 1, 2) for select in range(1, 8))


def build_probe(big_endian: bool, folder: Path, skipped: frozenset[tuple[int, int]] = frozenset()) -> Probe:
    """Assemble the program.

    Args:
        big_endian: byte order.
        folder: where the files go.
        skipped: registers that are not written.
    """
    rng = random.Random(0)
    writes = tuple(
        Write(register, select, (value | _ALWAYS.get((register, select), 0)) & ~_NEVER.get((register, select), 0))
        for register, select in REGISTERS
        if (register, select) not in skipped
        for value in (0xFFFF_FFFF, 0, rng.getrandbits(32), rng.getrandbits(32))
    )
    lines = [_PROLOGUE.format(results=RESULTS >> 16, cu0=_CU0 >> 16), "read_all:"]
    for register, select in REGISTERS:
        lines += _read(register, select)
    lines += ["        jr $31", "        nop", "writes:"]
    for write in writes:
        target = f"${write.register}, {write.select}"
        lines += [f"        li $8, {write.value:#x}", "        move $27, $0"]
        lines += [f"        mtc0 $8, {target}", "        ehb"]
        lines += _store("$27") + _read(write.register, write.select)
        if (needed := _NEEDED.get((write.register, write.select))) is not None:
            lines += [f"        lui $8, {needed >> 16:#x}", f"        mtc0 $8, {target}", "        ehb"]
        lines += ["        jal read_all", "        nop"]
    lines += ["        j finish", "        nop", ""]
    source, elf = folder / "probe.s", folder / "probe.elf"
    source.write_text("\n".join(lines))
    prefix, order = toolchain(big_endian), "-EB" if big_endian else "-EL"
    subprocess.run(
        [prefix + "as", order, "-march=24kf", "-mabi=32", "-mno-pdr", "-G0", "-o", folder / "probe.o", source],
        check=True,
    )
    subprocess.run(
        [prefix + "ld", order, "-T", HARNESS.with_name("batch.ld"), "-o", elf, folder / "probe.o"], check=True
    )
    with elf.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")  # type: ignore[no-untyped-call]
        finish = int(table.get_symbol_by_name("finish")[0]["st_value"])
    return Probe(elf, finish, writes)


def _store(register: str) -> list[str]:
    return [f"        sw {register}, 0($16)", "        addiu $16, $16, 4"]


def _read(register: int, select: int) -> list[str]:
    return [f"        li $8, {RESERVED:#x}", f"        mfc0 $8, ${register}, {select}", *_store("$8")]


def name_results(probe: Probe, memory: bytes, big_endian: bool) -> dict[str, int]:
    """What the program found, by name: ``reset: 12.0``, ``6.0 := ffffffff: 16.1`` and so on."""
    words = iter(struct.unpack(f"{'>' if big_endian else '<'}{len(memory) // 4}I", memory))
    named = {f"start: {register}.0": next(words) for register in (12, 17)}
    named |= {f"reset: {register}.{select}": next(words) for register, select in REGISTERS}
    for write in probe.writes:
        what = f"{write.register}.{write.select} := {write.value:08x}"
        named[f"{what}: reserved"] = next(words)
        named[f"{what}: itself"] = next(words)
        named |= {f"{what}: {register}.{select}": next(words) for register, select in REGISTERS}
    return named
