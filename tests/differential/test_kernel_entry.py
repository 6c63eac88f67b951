"""What a kernel finds at its entry, and what becomes of an exception before it has vectors, is as on QEMU."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest
from rdbg.emu.spec import Image, MachineSpec
from tests.differential.layout import HARNESS, toolchain
from tests.differential.qemu import memory_from_qemu
from tests.differential.rdbg_side import memory_from_rdbg

RESULTS = 0x8180_0000
#: Registers of entry, HI, LO, argv[0], and the words that YAMON's services are found by.
_NAME_BYTES, _VECTOR_BYTES = 256, 0x80
_SIZE = 33 * 4 + 4 + _NAME_BYTES + _VECTOR_BYTES
_ENTRY = f"""
        .set noreorder
        .set noat
        .text
        .globl  _start, finish
_start: lui     $26, {RESULTS >> 16:#x}         # k0 and k1 are lost; the boot code's leave nothing of use
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,27,28,29,30,31
        sw      $\\n, 4*\\n($26)
        .endr
        mfhi    $8
        sw      $8, 0x80($26)
        mflo    $8
        sw      $8, 0x84($26)
        lw      $8, 0($5)
        addiu   $9, $26, 0x88
        li      $10, {_NAME_BYTES}
1:      lbu     $11, 0($8)
        sb      $11, 0($9)
        beqz    $11, 2f
        addiu   $8, $8, 1
        b       1b
        addiu   $9, $9, 1
2:      addiu   $9, $26, 0x88 + {_NAME_BYTES}
        lui     $8, 0xbfc0
        li      $10, {_VECTOR_BYTES}
3:      lw      $11, 0x500($8)
        sw      $11, 0($9)
        addiu   $8, $8, 4
        addiu   $10, $10, -4
        bgtz    $10, 3b
        addiu   $9, $9, 4
finish: b       finish
        nop
"""
_EXCEPTION = f"""
        .set noreorder
        .set noat
        .text
        .globl  _start, finish
_start: lui     $8, {RESULTS >> 16:#x}
        lw      $9, 0($8)
        addiu   $9, $9, 1
        sw      $9, 0($8)
        mfc0    $10, $12
        sw      $10, 4($8)
        syscall
finish: b       finish
        nop
"""


def build(source: str, big_endian: bool, folder: Path) -> tuple[Path, int]:
    """Assemble and link a kernel; gives its file and the address of ``finish``."""
    text, made, elf = folder / "entry.s", folder / "entry.o", folder / "entry.elf"
    text.write_text(source)
    order = "-EB" if big_endian else "-EL"
    prefix = toolchain(big_endian)
    subprocess.run([prefix + "as", order, "-march=24kf", "-mno-pdr", "-o", made, text], check=True)
    subprocess.run([prefix + "ld", order, "-T", HARNESS.with_name("batch.ld"), "-o", elf, made], check=True)
    with elf.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")  # type: ignore[no-untyped-call]
        return elf, int(table.get_symbol_by_name("finish")[0]["st_value"])


@pytest.mark.real("qemu-system-mips", "gcc-mipsel-linux-gnu", "gcc-mips-linux-gnu")
@pytest.mark.parametrize("big_endian", [False, True], ids=["little", "big"])
def test_registers_arguments_and_services(big_endian: bool, tmp_path: Path) -> None:
    elf, finish = build(_ENTRY, big_endian, tmp_path)
    qemu = memory_from_qemu(elf, finish, RESULTS, _SIZE, big_endian)
    rdbg = memory_from_rdbg(elf, finish, RESULTS, _SIZE, big_endian)
    assert rdbg.hex(" ", 4) == qemu.hex(" ", 4)
    words = struct.unpack_from(">34I" if big_endian else "<34I", rdbg)
    assert words[31] == 0xBFC0_0644
    assert rdbg[0x88:].startswith(str(elf).encode() + b"\0")


@pytest.mark.real("gcc-mipsel-linux-gnu", "gcc-mips-linux-gnu")
@pytest.mark.parametrize("big_endian", [False, True], ids=["little", "big"])
def test_an_exception_without_vectors_hangs_in_the_rom(big_endian: bool, tmp_path: Path) -> None:
    """QEMU does so: seen with its GDB server, which says the same place again and again."""
    elf, _ = build(_EXCEPTION, big_endian, tmp_path)
    image = Image("kernel", str(elf), elf.read_bytes())
    machine = Machine(MachineSpec("malta", "24Kf", big_endian, 64 << 20, 3, (image,)))
    machine.run(RunRequest(until=100_000))
    count, status = struct.unpack(">2I" if big_endian else "<2I", machine.read_memory(RESULTS, 8))
    assert count == 1, "the kernel was started once"
    assert status & 0x0040_0000, "Status.BEV is set"
    assert 0xBFC0_0380 <= machine.pc <= 0xBFC0_0500
