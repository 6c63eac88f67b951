"""Generated programs for the harness: loops of arithmetic, accesses and branches of all kinds, with what reads the time
or a device in between.

They raise no exceptions and have no likely branch that is never taken and known to be (`bnel $2, $2`): QEMU's count of
instructions is another there (docs/cpu.md).
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from tests.differential.programs import make_program
from tests.races.layout import Source
from tests.races.openings import CU0, IE, IM2, PIC_ACKNOWLEDGE, PIC_FROM_START

BRANCHING = ("integer", "integer", "memory", "alu")
STRAIGHT = ("memory", "alu")

_SIZES = {"lh": 2, "lhu": 2, "sh": 2, "lw": 4, "sw": 4, "ll": 4, "sc": 4}
_RAISES = re.compile(r"(add|addi|sub|t(eq|ne|ge|lt)u?i?u?|syscall|break|\.word|[ml][ftw]c2|swc2|li \$24)\b")
_FOLDED = re.compile(r"bnel (\$\d+), \1,|b(ltz|gtz)(al)?l \$0,")
#: What sees the time or a device. $26 and $27 are the handler's.
_TIMED = (
    "mfc0 $8, $9",
    "rdhwr $9, $2",
    "lui $25, 0xb800\nlbu $10, 0x3fd($25)",
    "lui $25, 0xb800\nsb $0, 0x43($25)\nlbu $11, 0x40($25)\nlbu $12, 0x40($25)",
    "lui $25, 0xb800\nsb $14, 0x3ff($25)",
    "mfc0 $8, $12",
    "ehb",
)
#: The PIT counts from the program's start, freely; rdhwr may read Count.
_PIT_RUNS = """
        lui     $25, 0xb800
        li      $24, 0x34                       # mode 2
        sb      $24, 0x43($25)
        sb      $24, 0x40($25)
        sb      $24, 0x40($25)
        li      $24, 4
        mtc0    $24, $7
"""
#: The PIT interrupts once, so many of its ticks after the program's start as the table says.
_PIT_INTERRUPTS = (
    PIC_FROM_START
    + """
        li      $8, 0xfe
        sb      $8, 0x21($20)
        li      $8, 0x30                        # mode 0
        sb      $8, 0x43($20)
        la      $9, save
        lw      $9, NEXT_PERIOD($9)
        lw      $9, 0($9)
        sb      $9, 0x40($20)
        srl     $8, $9, 8
        sb      $8, 0x40($20)
        li      $8, 4
        mtc0    $8, $7
"""
)


def _lines(seed: int, kinds: Sequence[str]) -> tuple[str, tuple[int, ...]]:
    """Text, and registers to begin with."""
    dice = random.Random(f"races {seed}")
    parts = []
    for number in range(dice.randrange(3, 9)):
        program = make_program(dice.choice(kinds), dice.randrange(1 << 30))
        kept = [line for line in program.lines if not _is_left_out(line)]
        parts += ["\n".join(kept).replace("@", str(number)), dice.choice(_TIMED)]
    registers = (0, *(dice.choice([dice.getrandbits(32), dice.randrange(64)]) for _ in range(31)))
    return "\n".join(["again:", *parts, "        j       again", "        nop\n"]), registers


def _is_left_out(text: str) -> bool:
    for line in map(str.strip, text.splitlines()):
        place = re.match(r"(\w+) \S+ (\d+)\(\$28\)", line)
        if _RAISES.match(line) or _FOLDED.match(line) or place and int(place[2]) % _SIZES.get(place[1], 1):
            return True
    return False


def under_compare(seed: int, periods: Sequence[int]) -> Source:
    """The program that ``seed`` stands for, begun anew for each of ``periods``, in ticks of Count."""
    text, registers = _lines(seed, BRANCHING)
    return Source(_PIT_RUNS + text, periods, entries=1, restarts=True, registers=registers, sums_memory=True)


def under_pit(seed: int, periods: Sequence[int]) -> Source:
    """The same with the PIT's interrupt: ``periods`` are in its ticks, of 838 ns. All but its last line is straight."""
    text, registers = _lines(seed, STRAIGHT)
    return Source(_PIT_INTERRUPTS + text, periods, entries=1, restarts=True, registers=registers,
                  in_handler=PIC_ACKNOWLEDGE, status=CU0 | IM2 | IE, sums_memory=True)  # fmt: skip
