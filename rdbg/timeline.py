"""Navigation: the object that knows 'now', 'start' and 'end' and moves between positions. Knows no GDB."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from rdbg.emu.machine_api import MachineApi, Watch, WatchHit


class StopReason(Enum):
    """Why the timeline stands where it stands after a movement."""

    STEP = "step"  #: a step or goto was done
    BREAKPOINT = "breakpoint"
    WATCHPOINT = "watchpoint"
    HISTORY_START = "history-start"  #: going back met the start of the recording
    HISTORY_END = "history-end"  #: going forward met the end of a finished recording
    INTERRUPTED = "interrupted"  #: the user asked to stop
    SHUTDOWN = "shutdown"  #: the guest powered off (live)


@dataclass(frozen=True)
class Stop:
    """Where and why a movement ended.

    Args:
        reason: why.
        position: icount now.
        pc: address of the next instruction.
        watch: the watch hit, for WATCHPOINT. Forward, the machine stands *before* the accessing instruction;
            backward, *after* it (GDB steps over it, either way, and then shows old and new value).
        exit_code: for SHUTDOWN.
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
        condition: asked with the machine standing at a breakpoint hit (its address given); False: not a stop. None: always.
    """

    breakpoints: frozenset[int] = frozenset()
    watches: tuple[Watch, ...] = ()
    condition: Callable[[int], bool] | None = None


class Timeline:
    """A run of a machine, past and present.

    ``interrupted`` callables are polled at least every few milliseconds during every movement; when one answers
    True the movement ends at a consistent position with INTERRUPTED.
    """

    machine: MachineApi

    @property
    def position(self) -> int:
        """Now."""
        raise NotImplementedError

    @property
    def start(self) -> int:
        """First position that can be reached."""
        raise NotImplementedError

    @property
    def end(self) -> int:
        """Last position of the known history (the present, in a live run)."""
        raise NotImplementedError

    @property
    def live(self) -> bool:
        """Whether the run goes on past ``end`` (False: a finished recording)."""
        raise NotImplementedError

    def goto(self, position: int, interrupted: Callable[[], bool] | None = None) -> Stop:
        """Stand at the last position <= ``position``."""
        raise NotImplementedError

    def step(self) -> Stop:
        """One instruction forward (a branch with its slot is one)."""
        raise NotImplementedError

    def reverse_step(self) -> Stop:
        """One instruction back; HISTORY_START if there is none."""
        raise NotImplementedError

    def run(self, conditions: StopConditions, interrupted: Callable[[], bool]) -> Stop:
        """Forward to a stop condition; through the known history, then live."""
        raise NotImplementedError

    def reverse_run(self, conditions: StopConditions, interrupted: Callable[[], bool]) -> Stop:
        """Backward to the latest stop condition before now."""
        raise NotImplementedError

    def write_memory(self, address: int, data: bytes) -> None:
        """Write at a virtual address at the live end, as an input of the run.

        Raises:
            RdbgError: in the past (where it would not be what happened), or the address is not mapped.
        """
        raise NotImplementedError

    def write_register(self, number: int, value: int) -> None:
        """Write a register (GDB's number) at the live end, as an input of the run."""
        raise NotImplementedError

    def save_snapshot(self, name: str) -> None:
        """Keep the state of this position under a name (on disk if the run is recorded). Overwrites one of the same name."""
        raise NotImplementedError

    def load_snapshot(self, name: str) -> Stop:
        """Roll execution back (or forward) to a named snapshot's moment."""
        raise NotImplementedError

    def delete_snapshot(self, name: str) -> None:
        raise NotImplementedError
