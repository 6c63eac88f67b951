"""What waits outside to enter a live run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from rdbg.emu.endpoint import Endpoint, EndpointKind, network_port
from rdbg.emu.inputs import InputEvent, InputKind

#: Packets that wait for one network card; what comes while there are so many is dropped, as by a switch whose buffer is
#: full.
MOST_PACKETS = 1000

_STREAMS = {EndpointKind.SERIAL: InputKind.SERIAL, EndpointKind.CONSOLE: InputKind.CONSOLE}


class LiveInputs(Protocol):
    """The outside world, as a live `History` asks it. Must not block."""

    @property
    def holds_interrupts(self) -> bool:
        """Whether `hold_interrupt` and `delay_work` are to be called."""

    def pending(self) -> bool:
        """Whether something can enter soon. Asked often: cheap, no system call."""

    def take(self) -> list[InputEvent]:
        """What enters now, in order; it waits no longer. The events' icount is not looked at."""

    def hold_interrupt(self, icount: int) -> list[InputEvent]:
        """What enters before the CPU takes an interrupt at ``icount``, such as a HOLD; asked once for each."""

    def delay_work(self, icount: int, timer: int) -> list[InputEvent]:
        """What enters before a device is done with a piece of work at ``icount``, such as a DELAY.

        Args:
            icount: where.
            timer: number of the device's timer.
        """


class LiveQueue:
    """A LiveInputs that is filled by whoever reads terminals and sockets, between slices of the run.

    Args:
        room: how much an endpoint can take now without loss, in bytes or packets; what is more waits here.
    """

    holds_interrupts = False

    def __init__(self, room: Callable[[Endpoint], int]) -> None:
        self._room = room
        self._streams: dict[Endpoint, bytearray] = {}
        self._packets: dict[Endpoint, deque[bytes]] = {}
        self._events: deque[InputEvent] = deque()
        self._sources: dict[Endpoint, Callable[[int], bytes]] = {}

    def feed(self, endpoint: Endpoint, source: Callable[[int], bytes]) -> None:
        """Have an endpoint get as many bytes as it has room for, whenever it has room.

        Args:
            endpoint: of the kind ENTROPY.
            source: gives as many bytes as it is asked for, at once.
        """
        self._sources[endpoint] = source

    def send(self, endpoint: Endpoint, data: bytes) -> None:
        """Bytes for a serial port or a console."""
        self._streams.setdefault(endpoint, bytearray()).extend(data)

    def send_packet(self, port: int, frame: bytes) -> bool:
        """A packet for a network card.

        Args:
            port: number of the card.
            frame: an Ethernet frame without its FCS.

        Returns:
            False: it was dropped, since `MOST_PACKETS` wait already.
        """
        waiting = self._packets.setdefault(network_port(port), deque())
        if len(waiting) >= MOST_PACKETS:
            return False
        waiting.append(frame)
        return True

    def forget(self) -> None:
        """Drop what waits."""
        self._streams.clear()
        self._packets.clear()
        self._events.clear()

    def put(self, event: InputEvent) -> None:
        """Any other input (RESET, SHUTDOWN, SERIAL_BREAK, LINK): it enters before waiting bytes and packets."""
        self._events.append(event)

    def waiting(self, endpoint: Endpoint) -> int:
        """How many bytes or packets wait for it; who reads a terminal or a socket stops when they are many."""
        return len(self._streams.get(endpoint) or self._packets.get(endpoint) or ())

    def has_room(self, endpoint: Endpoint) -> bool:
        """Whether the guest takes what comes for that endpoint now."""
        return self._room(endpoint) > 0

    def pending(self) -> bool:
        """Whether something can enter."""
        if self._events:
            return True
        for endpoint, packets in self._packets.items():
            if packets and self._room(endpoint) > 0:
                return True
        for endpoint, data in self._streams.items():
            if data and self._room(endpoint) > 0:
                return True
        for endpoint in self._sources:
            if self._room(endpoint) > 0:
                return True
        return False

    def take(self) -> list[InputEvent]:
        """What enters now: all other inputs, then for each endpoint as many bytes or packets as it has room for."""
        taken = list(self._events)
        self._events.clear()
        for endpoint, data in self._streams.items():
            if size := self._fits(endpoint, len(data)):
                taken.append(InputEvent(0, _STREAMS[endpoint.kind], endpoint.port, data=bytes(data[:size])))
                del data[:size]
        for endpoint, packets in self._packets.items():
            for _ in range(self._fits(endpoint, len(packets))):
                taken.append(InputEvent(0, InputKind.PACKET, endpoint.port, data=packets.popleft()))
        for endpoint, source in self._sources.items():
            if (size := self._room(endpoint)) > 0:
                taken.append(InputEvent(0, InputKind.ENTROPY, endpoint.port, data=source(size)))
        return taken

    def _fits(self, endpoint: Endpoint, waiting: int) -> int:
        return min(waiting, max(self._room(endpoint), 0)) if waiting else 0

    def hold_interrupt(self, icount: int) -> list[InputEvent]:
        """Nothing: interrupts come when they are due."""
        return []

    def delay_work(self, icount: int, timer: int) -> list[InputEvent]:
        """Nothing: work is done when it is due."""
        return []
