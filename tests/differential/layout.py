"""Turns programs into an ELF file with the harness, and result slots into named values."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

from tests.differential.programs import Program

HARNESS = Path(__file__).with_name("harness.S")
SLOT_BYTES = 0x800
_LOGGED_EXCEPTIONS = 16

_CP0_NAMES = ("status", "epc", "badvaddr", "entryhi", "context", "index", "entrylo0", "entrylo1", "pagemask", "wired")
_LOG_NAMES = ("cause", "epc", "badvaddr", "status", "entryhi", "context", "vector")


@dataclass(frozen=True)
class Built:
    """An assembled batch.

    Args:
        path: the ELF file.
        finish: address where everything is done.
        slots: address of the first result slot.
        count: number of programs.
    """

    path: Path
    finish: int
    slots: int
    count: int


def toolchain(big_endian: bool) -> str:
    """Prefix of the assembler's and the linker's name."""
    return "mips-linux-gnu-" if big_endian else "mipsel-linux-gnu-"


def build(programs: Sequence[Program], big_endian: bool, folder: Path) -> Built:
    """Assemble a batch.

    Args:
        programs: the programs, run in this order.
        big_endian: byte order.
        folder: where the files go.
    """
    source, elf = folder / "batch.s", folder / "batch.elf"
    source.write_text(HARNESS.read_text() + _programs_text(programs))
    prefix = toolchain(big_endian)
    order = "-EB" if big_endian else "-EL"
    subprocess.run(
        [prefix + "as", order, "-march=24kf", "-mabi=32", "-mfp64", "-modd-spreg", "-mno-pdr", "-G0",
         "-no-pad-sections", "-o", folder / "batch.o", source],
        check=True,
    )  # fmt: skip
    subprocess.run(
        [prefix + "ld", order, "-T", HARNESS.with_name("batch.ld"), "-o", elf, folder / "batch.o"],
        check=True,
    )
    with elf.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        address = {name: table.get_symbol_by_name(name)[0]["st_value"] for name in ("finish", "slots")}
    return Built(elf, address["finish"], address["slots"], len(programs))


def _programs_text(programs: Sequence[Program]) -> str:
    parts = ["\n        .text\n"]
    for number, program in enumerate(programs):
        parts.append(f"\nP{number}:\n{program.text().replace('@', str(number))}\n        j program_end\n        nop\n")
    parts.append("\n        .data\n        .balign 8\ntable:\n")
    for number, program in enumerate(programs):
        parts.append(f"        .word P{number}, slots + {SLOT_BYTES} * {number}, {program.status:#x}, I{number}\n")
    parts.append("        .word 0, 0, 0, 0\n        .balign 8\n")
    for number, program in enumerate(programs):
        hi, lo, fcsr = program.hi_lo_fcsr
        words = [*program.registers, hi, lo, fcsr, *[0] * 29]
        doubles = "".join(f"        .8byte {value:#x}\n" for value in program.fpu)
        parts.append(f"I{number}:   .word {', '.join(map(hex, words))}\n{doubles}")
    parts.append("        .balign 4096\n        .globl slots\nslots:\n")
    for program in programs:
        scratch = ", ".join(map(hex, struct.unpack(f"<{len(program.scratch)}B", program.scratch)))
        parts.append(f"        .space 0x400\n        .byte {scratch}\n")
    return "".join(parts)


def _comparable_cause(cause: int) -> int:
    """Cause without what is a matter of devices (TI, hardware IP, DC), and CE only where it means something."""
    coprocessor_unusable = cause >> 2 & 0x1F == 11
    return cause & (0xB00003FF if coprocessor_unusable else 0x800003FF)


def name_slot(slot: bytes, big_endian: bool) -> dict[str, int]:
    """Everything that a program left behind, by name."""
    words = struct.unpack(f"{'>' if big_endian else '<'}{SLOT_BYTES // 4}I", slot)
    named = {f"${number}": words[number] for number in range(32) if number not in (26, 27)}
    named |= {"hi": words[0x20], "lo": words[0x21], "fcsr": words[0x22], "exceptions": words[0x23]}
    named |= {name: words[0x24 + index] for index, name in enumerate(_CP0_NAMES)}
    named |= {f"f-word{index}": words[0x40 + index] for index in range(64)}
    for entry in range(min(named["exceptions"], _LOGGED_EXCEPTIONS)):
        base = 0x80 + 8 * entry
        named |= {f"exception{entry}.{name}": words[base + index] for index, name in enumerate(_LOG_NAMES)}
        named[f"exception{entry}.cause"] = _comparable_cause(words[base])
    return named | {f"memory+{4 * index:#05x}": words[0x100 + index] for index in range(0x100)}


def split_slots(memory: bytes, big_endian: bool) -> list[dict[str, int]]:
    """The slots of a whole batch."""
    return [name_slot(memory[at : at + SLOT_BYTES], big_endian) for at in range(0, len(memory), SLOT_BYTES)]
