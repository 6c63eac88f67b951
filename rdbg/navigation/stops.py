"""What a movement stops at, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from enum import Enum

from rdbg.emu.machine_api import Conditions, Watch, WatchHit
from rdbg.quick_dataclass import dataclass

#: Asked during movements; True: the user wants to stop.
Interrupted = Callable[[], bool]


class StopReason(Enum):
    """Why the timeline stands where it stands after a movement."""

    STEP = "step"  #: a step or goto was done
    BREAKPOINT = "breakpoint"
    WATCHPOINT = "watchpoint"
    HISTORY_START = "history-start"  #: going back met the start of the recording
    HISTORY_END = "history-end"  #: going forward met the end of a finished recording
    INTERRUPTED = "interrupted"  #: the user asked to stop
    REPLAY_BREAK = "replay-break"  #: an instruction count to stop at was reached
    SHUTDOWN = "shutdown"  #: the guest ended the run (live)


@dataclass(frozen=True)
class Stop:
    """Where and why a movement ended.

    Args:
        reason: why.
        position: icount now.
        pc: address of the next instruction.
        watch: the watch hit, for WATCHPOINT. Forward, the machine stands *before* the accessing instruction;
            backward, *after* it (GDB steps over it, either way, and then shows old and new value).
        exit_code: for SHUTDOWN, and for HISTORY_END where the recorded guest had ended the run.
    """

    reason: StopReason
    position: int
    pc: int
    watch: WatchHit | None = None
    exit_code: int = 0


@dataclass(frozen=True)
class StopConditions:
    """What a movement stops at.

    Args:
        breakpoints: virtual addresses.
        watches: watched ranges.
        conditions: of breakpoints that stop only if they hold.
        position: an icount to stop at.
    """

    breakpoints: frozenset[int] = frozenset()
    watches: tuple[Watch, ...] = ()
    conditions: Conditions = field(default_factory=dict)
    position: int | None = None


def never() -> bool:
    """The Interrupted of a movement that cannot be interrupted."""
    return False
