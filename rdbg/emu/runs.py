"""What a run of a machine is asked for, how it ended, and what it has noted on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import Enum, IntEnum
from typing import NamedTuple

import numpy as np

from rdbg.emu.counts import CountRequest
from rdbg.emu.expression import Expression
from rdbg.emu.probes import Probes
from rdbg.emu.watch import Watch, WatchHit
from rdbg.quick_dataclass import dataclass

#: Conditions of breakpoints: address -> expressions. The breakpoint stops only if one of them is not zero, or cannot be
#: evaluated.
Conditions = Mapping[int, tuple[Expression, ...]]


class StopKind(Enum):
    """Why Machine.run came back."""

    LIMIT = "limit"  #: at the last position <= ``until``
    PAUSED = "paused"  #: ``slice`` instructions or more were run, or they took long
    BREAKPOINT = "breakpoint"  #: PC is at a breakpoint; the instruction there has not run
    WATCHPOINT = "watchpoint"  #: the instruction at PC is about to make a watched access (see below)
    IDLE = "idle"  #: the CPU waits, and nothing but an input from outside can wake it
    SHUTDOWN = "shutdown"  #: the guest powered the machine off
    AMBIGUOUS = "ambiguous"  #: see RunStop.rerun_from: restore and run again with ``exact``


@dataclass(frozen=True)
class RunStop:
    """How a run ended.

    Args:
        kind: the reason.
        position: icount now. For WATCHPOINT: the position before the step with the accessing instruction, or before
            the one that led to where something else wrote; the machine is there, the access not yet made.
            For AMBIGUOUS: position of the start of the block to single-step.
        pc: virtual address of the next instruction; for AMBIGUOUS: address of that block.
        watch: the hit, for WATCHPOINT.
        exit_code: for SHUTDOWN.
        idle_ns: for IDLE: virtual nanoseconds until a timer of the machine would wake it; None: only an input can.
        skip_left_ns: for IDLE: what is left of RunRequest.skip_ns, waited for but not used up.
        rerun_from: for WATCHPOINT found by a fast scan and for AMBIGUOUS: the machine has gone *past* the place. The
            caller restores any earlier state and runs again to ``rerun_from`` (a position at or before the place), then
            runs on with ``exact=True``: slow (one instruction at a time) but precise. Of an exact run it is
            ``position``: only then was known that the step led to a write, and the caller goes back there. None: the
            machine already is at ``position``.
    """

    kind: StopKind
    position: int
    pc: int
    watch: WatchHit | None = None
    exit_code: int = 0
    rerun_from: int | None = None
    idle_ns: int | None = None
    skip_left_ns: int = 0


@dataclass(frozen=True)
class RunRequest:
    """What to run to.

    Args:
        until: never execute past this position: stop at the last position <= until (never inside a step). None: no
            limit.
        slice: pause after about this many instructions, or when these take long, so that the
            caller may look at the outside world. None: do not pause.
        breakpoints: virtual addresses to stop before, also at the start position, unless it ``passes`` that one.
        conditions: of breakpoints; the machine evaluates them where it stands.
        watches: watched ranges.
        last_hit: do not stop at hits: run to ``until`` and report those at positions < until in
            ``Machine.last_breakpoint_hit`` and ``watched_blocks``.
        exact: single-step, see RunStop.rerun_from. To leave a watched access behind, `step` over it first.
        wait_idle: come back with IDLE when the CPU waits, so that the caller lets host time pass
            (``-icount sleep=on``, live). False: idle virtual time is skipped at once.
        skip_ns: idle virtual time in nanoseconds that the caller has waited for already.
        passes: a breakpoint at the start position has been dealt with and does not count.
        trace: note each block that runs, for `MachineApi.take_trace`. It comes back PAUSED when many are noted.
        trace_register: debugger's number of a general register whose value on entry is noted with each; None: none.
        instructions: note each instruction that runs, for `MachineApi.take_instructions`; other stops and notes
            are not looked at then. It comes back PAUSED when many are noted.
        probes: where to look without stopping, for ``take_probe_notes``. Others than those of the last run that had any
            begin anew. The run pauses when many notes wait to be taken.
        count: what is counted, for ``take_counts``. The run pauses when it is much.
    """

    until: int | None = None
    slice: int | None = None
    breakpoints: frozenset[int] = frozenset()
    conditions: Conditions = field(default_factory=dict)
    watches: tuple[Watch, ...] = ()
    last_hit: bool = False
    exact: bool = False
    wait_idle: bool = False
    skip_ns: int = 0
    passes: bool = False
    trace: bool = False
    trace_register: int | None = None
    instructions: bool = False
    probes: Probes | None = None
    count: CountRequest | None = None


@dataclass(frozen=True)
class ScanHit:
    """A breakpoint's hit noted in a ``last_hit`` run: the position, and PC, where it is."""

    position: int
    pc: int


class Block(NamedTuple):
    """Positions of a run's basic block, or of a piece of it; the end is not included."""

    start: int
    end: int


@dataclass(frozen=True)
class WatchedBlocks:
    """Where a ``last_hit`` run may have made watched accesses, and nowhere else: an exact run through a block finds
    the instructions that do.

    Args:
        blocks: in the order in which they ran.
        complete: whether these are all; else the latest.
    """

    blocks: Sequence[Block] = ()
    complete: bool = True


class Entry(IntEnum):
    """What led to a block that was traced."""

    CODE = 0  #: the code before it
    EXCEPTION = 1  #: the instruction before it, which was counted, raised an exception and did nothing else
    INTERRUPT = 2
    RESET = 3


#: Rows of `MachineApi.take_trace`.
TRACE_ROW = np.dtype([(name, np.uint64) for name in ("icount", "pc", "value", "entry", "sum", "code")])
NO_CODE = (1 << 64) - 1


#: Rows of `InstructionRows`: the position before an instruction; registers, as bits by the debugger's number, that are
#: not what they were before the row above; what it has loaded or stored, as it stands in memory; its address; that
#: access: the first byte's virtual address, bytes (0: none), whether it is a store.
INSTRUCTION_ROW = np.dtype([
    ("icount", np.uint64), ("changed", np.uint64), ("data", np.uint8, 8), ("pc", np.uint32), ("address", np.uint32),
    ("size", np.uint32), ("store", np.uint32),
])  # fmt: skip


@dataclass(frozen=True)
class InstructionRows:
    """Instructions that ran.

    Args:
        rows: `INSTRUCTION_ROW` after `INSTRUCTION_ROW`.
        values: of the registers that changed, as each instruction is about to run: 32 bits each, those of a row by
            ascending number, row after row.
    """

    rows: bytes
    values: bytes
