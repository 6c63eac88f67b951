"""Where a machine asks for what comes from outside."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol


class InputKind(IntEnum):
    """What came from outside. The numbers stand in journals: never reuse one."""

    SERIAL = 1  #: bytes received by serial port ``port``: ``data``
    WAKE = 2  #: the CPU idled until virtual time ``value`` in nanoseconds, when the events after this one came
    RESET = 3  #: the user resets the machine
    SHUTDOWN = 4  #: the user powers the machine off
    POKE_MEMORY = 5  #: the debugger writes ``data`` at guest-physical address ``value``
    POKE_REGISTER = 6  #: the debugger writes register ``port`` (GDB's number) = ``value``
    SERIAL_BREAK = 7  #: a break condition on the line of serial port ``port``


@dataclass(frozen=True)
class InputEvent:
    """One nondeterministic input at its place in the run.

    Args:
        icount: the position at which it enters: an interrupt window, or, for the debugger's
            writes, any position.
        kind: what it is.
        port: serial port or register number.
        value: see the kind.
        data: see the kind.
    """

    icount: int
    kind: InputKind
    port: int = 0
    value: int = 0
    data: bytes = b""


class InputSource(Protocol):
    """Live, recording and replaying runs differ only in this.

    The debugger's writes (POKE_*) are not asked for here: they are applied by whoever navigates.
    """

    def next_icount(self) -> int | None:
        """Position of the next input that is known to enter, or None.

        A live source with something waiting answers 0: it enters at the next window.
        """

    def take(self, icount: int) -> list[InputEvent]:
        """Inputs that enter at the window ``icount``, in order; called when next_icount() <= icount.

        A live source stamps them with ``icount`` here, and a recording one writes them down.
        """


class NoInputs:
    """An input source that nothing ever comes from."""

    def next_icount(self) -> int | None:
        """Nothing is known to come."""
        return None

    def take(self, icount: int) -> list[InputEvent]:
        """Nothing."""
        return []
