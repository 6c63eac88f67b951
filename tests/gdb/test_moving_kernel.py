"""An image that copies itself upward and goes on there, as Linux does with KASLR: GDB and monitor know where."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rdbg.net.tcp_address import LOOPBACK, TcpAddress
from rdbg.serial.serial_spec import SerialKind, SerialSpec
from rdbg.session.options import ImageFile, RunOptions
from rdbg.session.session import Session
from rdbg.session.surroundings import Surroundings
from tests.gdb.driver import Gdb
from tests.processes import RDBG, served

pytestmark = pytest.mark.real("gcc-mipsel-linux-gnu")

MOVED = 0x13F_0000
LINKED = 0x8010_0000
_SOURCE = """
        .set noreorder
        .text
        .globl _start, work, stay
_start: la      $8, _start
        la      $9, _end
        li      $10, {moved}
1:      lw      $11, 0($8)
        addu    $12, $8, $10
        sw      $11, 0($12)
        addiu   $8, $8, 4
        bne     $8, $9, 1b
        nop
        la      $8, stay
        addu    $8, $8, $10
        jr      $8
        nop
stay:   li      $16, 20
2:      bal     work
        nop
        bnez    $16, 2b
        addiu   $16, $16, -1
        lui     $8, 0xbf00              # the board's reset
        li      $9, 0x42
        sw      $9, 0x500($8)
3:      b       3b
        nop
        .type   work, @function
work:   addiu   $17, $17, 1
        jr      $31
        nop
        .set    n, 1
        .rept   2000
        .word   n * 0x10001
        .set    n, n + 1
        .endr
        .globl  counter
        .data
counter: .word  1
        .section .data.reloc, "aw"
        .word   0
"""
#: As Linux has them: one segment, and the list of what is to be mended in a section of its own.
_LAYOUT = """
ENTRY(_start)
PHDRS {{ text PT_LOAD; }}
SECTIONS
{{
    . = {linked:#x};
    .text : {{ *(.text) }} :text
    .data : {{ *(.data) }}
    .data.reloc : {{ *(.data.reloc) }}
    _end = .;
    /DISCARD/ : {{ *(*) }}
}}
"""


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    source, made, elf = tmp_path / "moving.s", tmp_path / "moving.o", tmp_path / "moving.elf"
    layout = tmp_path / "moving.ld"
    layout.write_text(_LAYOUT.format(linked=LINKED))
    source.write_text(_SOURCE.format(moved=MOVED))
    subprocess.run(["mipsel-linux-gnu-as", "-EL", "-mips32r2", "-mno-pdr", "-o", made, source], check=True)
    subprocess.run(["mipsel-linux-gnu-ld", "-EL", "-T", layout, "-o", elf, made], check=True)
    return elf


def test_breakpoints_in_a_recording_are_where_the_kernel_has_moved(
    kernel: Path, gdb_program: str, tmp_path: Path
) -> None:
    journal = tmp_path / "moving.rr"
    subprocess.run(
        [*RDBG, "record", "-o", journal, "--", "-kernel", kernel, "-serial", "null", "-no-reboot"],
        check=True,
        timeout=60,
    )
    with served(["replay", str(journal), "-S", "-serial", "null"]) as port, Gdb(gdb_program, kernel) as gdb:
        gdb.connect(port)
        assert "icount 0" in gdb.run("monitor when")
        gdb.run("break work")
        for count in (1, 2):
            assert "Breakpoint 1" in gdb.run("continue")
            assert gdb.value("$r17") == count - 1
            assert gdb.value("$pc") >= LINKED + MOVED
        assert gdb.run("monitor lastexec work").text.startswith("icount ")


def test_a_live_kernel_that_will_move_is_told_of(kernel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for append, told in (("quiet", True), ("quiet nokaslr", False)):
        around = Surroundings(terminal=False)
        options = RunOptions(
            images=(ImageFile("kernel", str(kernel)),),
            serials=(SerialSpec(SerialKind.NULL),),
            append=append,
            gdb=TcpAddress(LOOPBACK, 0),
        )
        Session(options, around).close()
        assert ("the kernel moves itself when it boots (KASLR)" in capsys.readouterr().err) == told
