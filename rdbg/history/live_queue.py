"""What waits outside to enter a live run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from rdbg.emu.inputs import InputEvent, InputKind


class LiveInputs(Protocol):
    """The outside world, as a live `History` asks it. Must not block."""

    @property
    def holds_interrupts(self) -> bool:
        """Whether `hold_interrupt` is to be called."""

    def pending(self) -> bool:
        """Whether something can enter soon. Asked often: cheap, no system call."""

    def take(self) -> list[InputEvent]:
        """What enters now, in order; it waits no longer. The events' icount is not looked at."""

    def hold_interrupt(self, icount: int) -> list[InputEvent]:
        """What enters before the CPU takes an interrupt at ``icount``, such as a HOLD; asked once for each."""


class LiveQueue:
    """A LiveInputs that is filled by whoever reads terminals and sockets, between slices of the run.

    Args:
        room: how many bytes the serial port of that number can take now without loss; what is more waits here.
    """

    holds_interrupts = False

    def __init__(self, room: Callable[[int], int]) -> None:
        self._room = room
        self._serial: dict[int, bytearray] = {}
        self._events: deque[InputEvent] = deque()

    def send(self, port: int, data: bytes) -> None:
        """Bytes for a serial port."""
        self._serial.setdefault(port, bytearray()).extend(data)

    def forget(self) -> None:
        """Drop what waits."""
        self._serial.clear()
        self._events.clear()

    def put(self, event: InputEvent) -> None:
        """Any other input (RESET, SHUTDOWN, WAKE, SERIAL_BREAK): it enters before waiting bytes."""
        self._events.append(event)

    def waiting(self, port: int) -> int:
        """How many bytes wait for that port; a reader of a terminal stops reading when they are many."""
        return len(self._serial.get(port, b""))

    def has_room(self, port: int) -> bool:
        """Whether the guest takes bytes of that port now."""
        return self._room(port) > 0

    def pending(self) -> bool:
        """Whether something can enter."""
        return bool(self._events) or any(data and self._room(port) > 0 for port, data in self._serial.items())

    def take(self) -> list[InputEvent]:
        """What enters now: all other inputs, then for each port as many bytes as it has room for."""
        taken = list(self._events)
        self._events.clear()
        for port in sorted(self._serial):
            data = self._serial[port]
            size = min(len(data), max(self._room(port), 0)) if data else 0
            if size:
                taken.append(InputEvent(0, InputKind.SERIAL, port=port, data=bytes(data[:size])))
                del data[:size]
        return taken

    def hold_interrupt(self, icount: int) -> list[InputEvent]:
        """Nothing: interrupts come when they are due."""
        return []
