"""Probes: places at which a machine is looked at without stopping, and what is noted there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

import numpy as np
from numpy.typing import NDArray

from rdbg.emu.expression import Expression
from rdbg.emu.watch import Watch
from rdbg.quick_dataclass import dataclass

#: Registers that can be noted.
MOST_REGISTERS = 8
#: A row of what was noted, as the compiled core has it (`ProbeNote`).
NOTE = np.dtype([
    ("icount", "<u8"), ("end", "<u8"), ("pc", "<u4"), ("behind", "<u4"), ("return_address", "<u4"), ("stack", "<u4"),
    ("space", "<u4"), ("arrival", "u1"), ("exception", "u1"), ("kind", "u1"), ("ended", "u1"), ("values", "<u4", 8),
    ("results", "<u4", 2),
])  # fmt: skip
#: A row of accesses that instructions made, as the compiled core has it (`AccessNote`).
ACCESS = np.dtype([
    ("number", "<u8"), ("icount", "<u8"), ("value", "<u8"), ("before", "<u8"), ("pc", "<u4"), ("address", "<u4"),
    ("space", "<u4"), ("size", "u1"), ("is_write", "u1"), ("has_before", "u1"), ("spare", "u1"),
])  # fmt: skip
#: What conditions may say of an access, as numbers of registers.
ACCESS_REGISTERS = {"address": 0x1000, "size": 0x1001, "value": 0x1002, "before": 0x1003}
#: `kind`: a place, an exception that was asked for, or a return of a call that is not among the notes.
PLACE, EXCEPTION, RETURN = 0, 1, 2
#: `arrival`: not known; by a branch that links, by one to an address in the code, by one to an address in a register,
#: by a return from an exception.
UNKNOWN, CALL, BRANCH, REGISTER, FROM_EXCEPTION = 0, 2, 3, 4, 5
#: `exception`: the instruction raised none.
NO_EXCEPTION = 255
#: `ended`: not yet; the return came at `end`; its frame was used again; its first instruction ran again after an
#: exception, which is the same call.
OPEN, RETURNED, REPLACED, AGAIN = 0, 1, 2, 3
#: `space`: the code is in all address spaces.
SHARED_SPACE = 0xFFFF_FFFF
#: Where the columns `values` of exceptions are.
BAD_ADDRESS, LINES, IN_SLOT, NESTED = 0, 1, 2, 3


@dataclass(frozen=True)
class Probes:
    """Where to look.

    Args:
        places: addresses of instructions; with each, the last address of the function that begins there, or itself.
        exceptions: the architecture's codes of exceptions to note.
        follows: wait for the return: to the return address with the same stack pointer, in the same address space; of a
            system call, to the instruction behind it. How the instruction was come to then tells a call from a loop.
        registers: numbers of registers to note, at most 8.
        results: numbers of two registers to note at the return.
        condition: note only where it is not zero.
        returns: note returns to these addresses of calls that are not among the notes, too, and those of system calls;
            None: none of these.
        accesses: note accesses to these ranges, by whom ever, for ``take_accesses``.
        counts: of the one place that there is, nothing is noted but how often it is come to at positions from the first
            to before the second icount, for ``take_probe_count``; None: each time is noted.
    """

    places: Mapping[int, int] = field(default_factory=dict)
    exceptions: frozenset[int] = frozenset()
    follows: bool = False
    registers: tuple[int, ...] = ()
    results: tuple[int, int] = (0, 0)
    condition: Expression = ()
    returns: frozenset[int] | None = None
    accesses: tuple[Watch, ...] = ()
    counts: tuple[int, int] | None = None


@dataclass(frozen=True)
class OtherAccess:
    """An access that no instruction made: of a device, a reset, the host, or the debugger.

    Args:
        number: in the order of all that are noted.
        icount: of the instruction that a device answers with it; else the position at which it was made, between two.
        pc: of that instruction; None: there is none.
        is_write: whether it changes memory.
        address: first byte that was asked for, virtual.
        before, value: the bytes; before is empty where they are read.
        by: who, as users see it.
    """

    number: int
    icount: int
    pc: int | None
    is_write: bool
    address: int
    before: bytes
    value: bytes
    by: str


@dataclass(frozen=True)
class AccessNotes:
    """Accesses that were noted.

    Args:
        rows: of instructions, of type `ACCESS`, in order.
        others: by anything else, in order; the numbers say how the two go together.
        unevaluated: icounts where the condition could not be evaluated, ascending: nothing was noted there.
    """

    rows: NDArray[np.void]
    others: Sequence[OtherAccess]
    unevaluated: NDArray[np.uint64]


@dataclass(frozen=True)
class ProbeNotes:
    """What was noted.

    Args:
        rows: of type `NOTE`, in the order in which they were complete.
        waiting_from: icount of the first that is not among them, since its return is waited for; None: there is none.
        unevaluated: icounts where the condition could not be evaluated, ascending: nothing was noted there.
        doubtful_from: the first icount at which what was noted may hang on what was before anything was noted; None:
            there is none.
    """

    rows: NDArray[np.void]
    waiting_from: int | None
    unevaluated: NDArray[np.uint64]
    doubtful_from: int | None = None


@dataclass(frozen=True)
class ProbeCount:
    """What was counted.

    Args:
        times: how often.
        unevaluated: icounts where the condition could not be evaluated, ascending: they are not counted.
    """

    times: int
    unevaluated: NDArray[np.uint64]
