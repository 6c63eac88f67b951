"""Programs that open a door to an interrupt which is already there, or make one with the door open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.races.layout import CU0, IE, IM7, Source

IM0, IM1, IM2 = 1 << 8, 1 << 9, 1 << 10
EXL = 2
FAR = 0x4000_0000  #: of Count: later than any of this

#: Malta's first serial port, its interrupt controllers and its PIT, through kseg1.
_PORTS = """
        .equ    PORTS, 0xb8000000
        .equ    COM1, 0x3f8
        .equ    PIC, 0x20
        .equ    PIC2, 0xa0
        .equ    PIT, 0x40
"""
#: Both controllers from the start, everything masked.
PIC_FROM_START = """
        lui     $20, 0xb800
        .irp    place, 0x20, 0xa0
        li      $8, 0x11
        sb      $8, \\place($20)
        li      $8, 0x20 + (\\place >> 4)
        sb      $8, \\place+1($20)
        li      $8, 4 - (\\place >> 6)
        sb      $8, \\place+1($20)
        li      $8, 1
        sb      $8, \\place+1($20)
        li      $8, 0xff
        sb      $8, \\place+1($20)
        .endr
"""
#: Acknowledges the controller's interrupt by a poll, and ends it.
PIC_ACKNOWLEDGE = """
        lui     $8, 0xb800
        li      $9, 0x0c
        sb      $9, 0x20($8)
        lbu     $10, 0x20($8)
        li      $9, 0x20
        sb      $9, 0x20($8)
"""
#: Only the slave's line 0, of the real-time clock.
_SLAVE = (
    PIC_FROM_START
    + """
        .equ    RTC, 0x70
        li      $8, 0xfb
        sb      $8, PIC+1($20)
        li      $8, 0xfe
        sb      $8, PIC2+1($20)
"""
)
#: The same of both controllers.
_BOTH_ACKNOWLEDGE = (
    PIC_ACKNOWLEDGE
    + """
        li      $9, 0x0c
        sb      $9, 0xa0($8)
        lbu     $10, 0xa0($8)
        li      $9, 0x20
        sb      $9, 0xa0($8)
"""
)
_RTC_ACKNOWLEDGE = (
    """
        lui     $8, 0xb800
        li      $9, 0x0c
        sb      $9, 0x70($8)
        lbu     $10, 0x71($8)
"""
    + _BOTH_ACKNOWLEDGE
)
_CLEAR_SOFTWARE = "        mtc0    $0, $13\n"


@dataclass(frozen=True)
class Opening:
    """A program, and where its interrupts must be taken.

    Args:
        source: the guest.
        taken: labels that EPC may have, and no others; none: it may be anywhere.
        waits: whether the CPU waits. On a busy host QEMU wakes it some instructions late, now and then.
    """

    source: Source
    taken: tuple[str, ...]
    waits: bool = False


def _timer(program: str, status: int = CU0 | IM7, periods: tuple[int, ...] = (40, 53, 71)) -> Source:
    return Source(program, periods, status=status)


def _waiting(program: str, periods: Sequence[int]) -> Source:
    return Source(program, periods, restarts=True, status=CU0 | IM7 | IE)


def _software(program: str, status: int) -> Source:
    return Source(program, (FAR, FAR), in_handler=_CLEAR_SOFTWARE, arm="", status=status)


def _device(set_up: str, program: str, in_handler: str, status: int = CU0 | IM2 | IE) -> Source:
    return Source(_PORTS + PIC_FROM_START + set_up + program, (FAR, FAR), in_handler=in_handler, arm="", status=status)


OPENINGS = {
    "ei with a timer due": Opening(_timer("""
1:      di
        ehb
        li      $8, 40
2:      bnez    $8, 2b                          # until it is due
        addiu   $8, $8, -1
        ei
taken:  ehb
        nop
        nop
        di
        ehb
        b       1b
        nop
"""), ("taken",)),
    "ei with a software interrupt": Opening(_software("""
1:      li      $8, 0x100
        mtc0    $8, $13
        ei
taken:  ehb
        nop
        di
        ehb
        b       1b
        nop
""", CU0 | IM0), ("taken",)),
    "mtc0 Status sets IE": Opening(_software(f"""
        li      $9, {CU0 | IM1 | IE:#x}
        li      $10, {CU0 | IM1:#x}
1:      li      $8, 0x200
        mtc0    $8, $13
        nop
        mtc0    $9, $12
taken:  addiu   $16, $16, 1
        addiu   $17, $17, 1
        mtc0    $10, $12
        b       1b
        nop
""", CU0 | IM1), ("taken",)),
    "mtc0 Status sets IM": Opening(_software(f"""
        li      $9, {CU0 | IM1 | IE:#x}
        li      $10, {CU0 | IE:#x}
1:      li      $8, 0x200
        mtc0    $8, $13
        nop
        mtc0    $9, $12
taken:  addiu   $16, $16, 1
        addiu   $17, $17, 1
        mtc0    $10, $12
        b       1b
        nop
""", CU0 | IE), ("taken",)),
    "mtc0 Status clears EXL": Opening(_software(f"""
        li      $9, {CU0 | IM1 | IE:#x}
        li      $10, {CU0 | IM1 | IE | EXL:#x}
1:      mtc0    $10, $12
        li      $8, 0x200
        mtc0    $8, $13
        nop
        mtc0    $9, $12
taken:  addiu   $16, $16, 1
        addiu   $17, $17, 1
        b       1b
        nop
""", CU0 | IM1 | IE | EXL), ("taken",)),
    "mtc0 Cause sets IP0": Opening(_software("""
1:      li      $8, 0x100
        addiu   $16, $16, 1
        mtc0    $8, $13
taken:  addiu   $17, $17, 1
        addiu   $18, $18, 1
        b       1b
        nop
""", CU0 | IM0 | IE), ("taken",)),
    "mtc0 Cause in a slot": Opening(_software("""
1:      li      $8, 0x100
        addiu   $16, $16, 1
        b       taken
        mtc0    $8, $13
        nop
taken:  addiu   $17, $17, 1
        addiu   $18, $18, 1
        b       1b
        nop
""", CU0 | IM0 | IE), ("taken",)),
    "ei in a slot": Opening(_software("""
1:      di
        li      $8, 0x100
        mtc0    $8, $13
        b       taken
        ei
        nop
taken:  addiu   $17, $17, 1
        addiu   $18, $18, 1
        b       1b
        nop
""", CU0 | IM0), ("taken",)),
    "ei in the slot of a likely branch that is not taken": Opening(_software("""
1:      di
        li      $8, 0x100
        move    $9, $8
        mtc0    $8, $13
        bnel    $8, $9, 1b
        ei
        addiu   $16, $16, 1
        beql    $8, $8, taken
        ei
        nop
taken:  addiu   $17, $17, 1
        addiu   $18, $18, 1
        b       1b
        nop
""", CU0 | IM0), ("taken",)),
    "eret": Opening(_software(f"""
        li      $10, {CU0 | IM1 | IE | EXL:#x}
        la      $11, taken
1:      mtc0    $10, $12
        li      $8, 0x200
        mtc0    $8, $13
        mtc0    $11, $14
        ehb
        eret
        nop
taken:  addiu   $17, $17, 1
        addiu   $18, $18, 1
        b       1b
        nop
""", CU0 | IM1 | IE | EXL), ("taken",)),
    "Compare written with a count near the one that is": Opening(Source("""
1:      addiu   $16, $16, 1
        andi    $9, $16, 7
        mfc0    $8, $9
        addu    $8, $8, $9
        mtc0    $8, $11
        addiu   $17, $17, 1
        addiu   $18, $18, 1
        addiu   $19, $19, 1
        addiu   $17, $17, 1
        addiu   $18, $18, 1
        addiu   $19, $19, 1
        mfc0    $10, $13
        b       1b
        addu    $21, $21, $10
""", (60, 61, 62, 63, 64, 65, 66, 67), arm="        mtc0    $0, $11\n"), ()),
    "serial port: THRE by IER": Opening(_device("""
        li      $8, 0xef                        # line 4
        sb      $8, PIC+1($20)
        li      $8, 0x08
        sb      $8, COM1+4($20)
""", """
1:      addiu   $16, $16, 1
        li      $8, 2
        sb      $8, COM1+1($20)
taken:  addiu   $17, $17, 1
        addiu   $18, $18, 1
        addiu   $19, $19, 1
        b       1b
        nop
""", PIC_ACKNOWLEDGE.replace("\n        li      $9, 0x20\n", """
        sb      $0, 0x3f9($8)
        lbu     $10, 0x3fa($8)
        li      $9, 0x20
""")), ("taken",)),
    "serial port: THRE by IER, in a slot": Opening(_device("""
        li      $8, 0xef
        sb      $8, PIC+1($20)
        li      $8, 0x08
        sb      $8, COM1+4($20)
""", """
1:      addiu   $16, $16, 1
        li      $8, 2
        b       taken
        sb      $8, COM1+1($20)
        nop
taken:  addiu   $17, $17, 1
        addiu   $18, $18, 1
        b       1b
        nop
""", PIC_ACKNOWLEDGE.replace("\n        li      $9, 0x20\n", """
        sb      $0, 0x3f9($8)
        lbu     $10, 0x3fa($8)
        li      $9, 0x20
""")), ("taken",)),
    "serial port: a byte sent with its interrupt on": Opening(_device("""
        li      $8, 0xef
        sb      $8, PIC+1($20)
        li      $8, 0x08
        sb      $8, COM1+4($20)
        li      $8, 2
        sb      $8, COM1+1($20)
""", """
first:  lbu     $9, COM1+2($20)
1:      addiu   $16, $16, 1
        li      $8, 0x41
        sb      $8, COM1($20)
taken:  addiu   $17, $17, 1
        addiu   $18, $18, 1
        addiu   $19, $19, 1
        b       1b
        nop
""", PIC_ACKNOWLEDGE.replace("\n        li      $9, 0x20\n", """
        lbu     $10, 0x3fa($8)
        li      $9, 0x20
""")), ("first", "taken")),
    "interrupt controller: unmasked with a line raised": Opening(_device("""
        li      $8, 0x08
        sb      $8, COM1+4($20)
        li      $8, 2
        sb      $8, COM1+1($20)
        li      $9, 0xef
        li      $10, 0xff
""", """
1:      addiu   $16, $16, 1
        sb      $9, PIC+1($20)
taken:  addiu   $17, $17, 1
        sb      $10, PIC+1($20)
        addiu   $18, $18, 1
        sb      $0, COM1+1($20)
        li      $8, 2
        sb      $8, COM1+1($20)
        b       1b
        nop
""", PIC_ACKNOWLEDGE), ("taken",)),
    "PIT: mode 0 loaded, counted down": Opening(Source(_PORTS + PIC_FROM_START + """
        li      $8, 0xfe                        # line 0
        sb      $8, PIC+1($20)
1:      li      $8, 0x30                        # counter 0, both bytes, mode 0
        sb      $8, PIT+3($20)
        li      $8, 2                           # of 1.193182 MHz: some 210 instructions
        sb      $8, PIT($20)
        sb      $0, PIT($20)
        .rept   150
        addiu   $17, $17, 3
        xor     $18, $18, $17
        .endr
        b       1b
        nop
""", (FAR, FAR, FAR, FAR), in_handler=PIC_ACKNOWLEDGE, arm="", status=CU0 | IM2 | IE), ()),
    "PIT: mode 2, its counter read": Opening(Source(_PORTS + PIC_FROM_START + """
        li      $8, 0xfe
        sb      $8, PIC+1($20)
        li      $8, 0x34                        # counter 0, both bytes, mode 2
        sb      $8, PIT+3($20)
        li      $8, 7
        sb      $8, PIT($20)
        sb      $0, PIT($20)
        .rept   2000
        sb      $0, PIT+3($20)                  # latch
        lbu     $17, PIT($20)
        addiu   $18, $18, 5
        lbu     $19, PIT($20)
        addu    $21, $21, $17
        rotr    $21, $21, 1
        .endr
1:      b       1b
        nop
""", (FAR, FAR, FAR), in_handler=PIC_ACKNOWLEDGE, arm="", status=CU0 | IM2 | IE), ()),
    "RTC: periodic interrupt": Opening(Source(_PORTS + _SLAVE + """
        li      $8, 0x0a
        sb      $8, RTC($20)
        li      $8, 0x23                        # 8,192 times a second
        sb      $8, RTC+1($20)
        li      $8, 0x0b
        sb      $8, RTC($20)
        li      $8, 0x42
        sb      $8, RTC+1($20)
1:      addiu   $16, $16, 1
        .rept   500
        addiu   $17, $17, 3
        xor     $18, $18, $17
        .endr
        b       1b
        addu    $19, $19, $18
""", (FAR, FAR, FAR), in_handler=_RTC_ACKNOWLEDGE, arm="", status=CU0 | IM2 | IE), ()),
    "RTC: update ended, in a wait": Opening(Source(_PORTS + _SLAVE + """
        li      $8, 0x0b
        sb      $8, RTC($20)
        li      $8, 0x12
        sb      $8, RTC+1($20)
1:      addiu   $16, $16, 1
        wait
taken:  addiu   $17, $17, 1
        b       1b
        nop
""", (FAR,), in_handler=_RTC_ACKNOWLEDGE, arm="", status=CU0 | IM2 | IE), ("taken",), waits=True),
    "wait with nothing pending": Opening(_waiting("""
1:      addiu   $16, $16, 1
        wait
taken:  addiu   $17, $17, 1
        b       1b
        nop
""", (60, 77, 500, 20000)), ("taken",), waits=True),
    "wait behind an instruction that lets an interrupt in": Opening(_waiting("""
1:      di
        ehb
        li      $8, 60
2:      bnez    $8, 2b
        addiu   $8, $8, -1
        addiu   $16, $16, 1
        ei
taken:  wait
waited: addiu   $17, $17, 1
        b       1b
        nop
""", (60, 100, *range(155, 185), 400)), ("taken", "waited"), waits=True),
    "a check, and then wait": Opening(_waiting("""
1:      lw      $8, 0($28)
        bnez    $8, 2f
        nop
        wait
        addiu   $17, $17, 1
2:      sw      $0, 0($28)
        addiu   $16, $16, 1
        addiu   $16, $16, 1
        b       1b
        nop
""", range(20, 90)), (), waits=True),
}  # fmt: skip
