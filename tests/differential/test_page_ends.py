"""A branch in the last word of a mapped page, its slot in one that is not in the TLB: exceptions are as on QEMU."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest
from rdbg.emu.spec import Image, MachineSpec
from tests.differential.qemu import memory_from_qemu
from tests.differential.rdbg_side import memory_from_rdbg
from tests.differential.test_kernel_entry import RESULTS, build

#: Branches by 9 words back from the slot, to a break. $4 is -1, $5 is 0, $6 is 1; FCSR's condition is true.
_BRANCHES = (
    "beql $5,$5", "beql $5,$6", "bnel $5,$6", "bnel $5,$5", "blezl $4", "blezl $6", "bgtzl $6", "bgtzl $4",
    "bltzl $4", "bltzl $6", "bgezl $6", "bgezl $4", "bltzall $4", "bltzall $6", "bgezall $6", "bgezall $4",
    "bc1tl", "bc1fl", "beq $5,$5", "beq $5,$6", "bne $5,$6", "bltzal $6", "bgezal $6", "bc1t", "bc1f",
    "bgtzl $0", "bltzl $0", "bltzall $0", "bnel $0,$0", "beql $0,$0", "blezl $0", "bgezl $0", "bgezall $0", "beq $0,$0",
    "bne $4,$4", "bltz $0", "bgtz $0", "bltzal $0",
)  # fmt: skip
_ENTRY_WORDS = 4  #: EPC, Cause, BadVAddr, $9
_ENTRIES = 4
_STEPS = 12_000  #: of instructions: all cases
_SIZE = len(_BRANCHES) * 2 * _ENTRIES * _ENTRY_WORDS * 4

#: $16: where the next result goes; $17: exceptions of this case; $18: whether the handler maps the page or skips.
_SOURCE = """
        .set noreorder
        .set noat
        .text
        .globl  _start, finish
_start: lui     $8, 0x3000              # CU1, CU0
        mtc0    $8, $12
        ehb
        .irp    at, 0x000,0x180
        la      $9, 0xa0000000 + \\at
        la      $10, vector
        .irp    n, 0,4,8,12
        lw      $8, \\n($10)
        sw      $8, \\n($9)
        .endr
        .endr
        lui     $16, {results:#x}
        li      $4, -1
        li      $5, 0
        li      $6, 1
        lui     $8, 0x0080
        ctc1    $8, $31
        la      $19, cases
        li      $18, 0
next_case:
        lw      $20, 0($19)             # the branch
        beqz    $20, next_mode
        addiu   $19, $19, 4
        lui     $21, 0xa300             # the code page, uncached: frame 0x3001 behind 0x00401000
        sw      $20, 0x1ffc($21)
        li      $8, 0x0000000d          # break
        sw      $8, 0x1fdc($21)
        sw      $0, 0x1ff8($21)
        li      $8, 0x25290001          # addiu $9, $9, 1: the slot
        sw      $8, 0x2000($21)
        li      $8, 0x0000000d
        sw      $8, 0x2004($21)
        li      $9, 0
        li      $17, 0
        li      $22, {entries}
        lui     $8, 0x0040              # 0x00400000 is mapped, 0x00402000 is not
        mtc0    $8, $10
        li      $8, (0x3000 << 6) | 0x1f
        mtc0    $8, $2
        li      $8, (0x3001 << 6) | 0x1f
        mtc0    $8, $3
        mtc0    $0, $5
        mtc0    $0, $0
        ehb
        tlbwi
        lui     $8, 0x8001
        mtc0    $8, $10
        li      $8, 1
        mtc0    $8, $0
        mtc0    $0, $2
        mtc0    $0, $3
        ehb
        tlbwi
        ehb
        li      $8, 0x00401ff8
        jr.hb   $8
        nop
next_mode:
        bnez    $18, finish
        nop
        la      $19, cases
        b       next_case
        li      $18, 1
finish: b       finish
        nop

vector: la      $26, handler
        jr      $26
        nop
handler:
        beqz    $22, 1f
        addiu   $22, $22, -1
        mfc0    $26, $14
        sw      $26, 0($16)
        mfc0    $26, $13
        li      $27, 0x8000007c
        and     $26, $26, $27
        sw      $26, 4($16)
        mfc0    $27, $8
        sw      $27, 8($16)
        sw      $9, 12($16)
        addiu   $16, $16, 16
        addiu   $17, $17, 1
        andi    $26, $26, 0x7c
        li      $27, 9 << 2             # break: the case is over
        beq     $26, $27, 2f
        nop
        bnez    $18, 3f
        nop
        lui     $26, 0x0040             # map 0x00402000 and do it again
        ori     $26, $26, 0x2000
        mtc0    $26, $10
        li      $26, (0x3002 << 6) | 0x1f
        mtc0    $26, $2
        mtc0    $26, $3
        li      $26, 1
        mtc0    $26, $0
        ehb
        tlbwi
        ehb
        eret
3:      mfc0    $26, $14                # skip it, with its branch if it is in a slot
        mfc0    $27, $13
        bgez    $27, 4f
        addiu   $26, $26, 4
        addiu   $26, $26, 4
4:      mtc0    $26, $14
        ehb
        eret
1:
2:      li      $26, {entries}          # leave room for what did not happen
        subu    $26, $26, $17
        sll     $26, $26, 4
        addu    $16, $16, $26
        la      $26, next_case
        mtc0    $26, $14
        ehb
        eret

        .data
cases:
{cases}
        .word   0
"""


@pytest.mark.real("qemu-system-mips", "gcc-mipsel-linux-gnu", "gcc-mips-linux-gnu")
@pytest.mark.parametrize("big_endian", [False, True], ids=["little", "big"])
def test_exceptions(big_endian: bool, tmp_path: Path) -> None:
    elf, finish = build(_source(), big_endian, tmp_path)
    place = (elf, finish, RESULTS, _SIZE, big_endian)
    qemu, rdbg = memory_from_qemu(*place), memory_from_rdbg(*place)
    differences = []
    size = _ENTRIES * _ENTRY_WORDS * 4
    for number in range(2 * len(_BRANCHES)):
        branch = f"{_BRANCHES[number % len(_BRANCHES)]}, handler {'skips' if number >= len(_BRANCHES) else 'maps'}"
        left, right = (_entries(memory[number * size : (number + 1) * size], big_endian) for memory in (qemu, rdbg))
        if left != right:
            differences.append(f"{branch}:\n  qemu {left}\n  rdbg {right}")
    assert not differences, "EPC, Cause, BadVAddr, slots:\n" + "\n".join(differences)


@pytest.mark.real("gcc-mipsel-linux-gnu")
def test_a_step_and_a_run_come_to_the_same_places(tmp_path: Path) -> None:
    elf, _ = build(_source(), False, tmp_path)
    spec = MachineSpec("malta", "24Kf", False, 128 << 20, 3, (Image("kernel", str(elf), elf.read_bytes()),))
    stepped, ran, straight = (Machine(spec) for _ in range(3))
    while stepped.icount < _STEPS:
        stepped.step()
        ran.run(RunRequest(until=stepped.icount))
        assert (ran.icount, ran.pc) == (stepped.icount, stepped.pc)
    straight.run(RunRequest(until=stepped.icount))
    assert stepped.digest() == ran.digest() == straight.digest()


def _source() -> str:
    cases = "\n".join(f"        {branch}{',' if '$' in branch else ''} . + 4 - 4 * 9" for branch in _BRANCHES)
    return _SOURCE.format(results=RESULTS >> 16, entries=_ENTRIES, cases=cases)


def _entries(memory: bytes, big_endian: bool) -> list[str]:
    words = struct.unpack(f"{'>' if big_endian else '<'}{_ENTRIES * _ENTRY_WORDS}I", memory)
    return [
        " ".join(f"{word:x}" for word in words[at : at + _ENTRY_WORDS])
        for at in range(0, len(words), _ENTRY_WORDS)
        if any(words[at : at + _ENTRY_WORDS])
    ]
