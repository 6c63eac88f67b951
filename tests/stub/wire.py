"""A served guest and a raw client, in one process and one thread, for tests that say bytes GDB never would."""

from __future__ import annotations

import socket
from collections.abc import Callable

from rdbg.gdbstub import GdbOptions, GdbServer
from rdbg.history.history import History
from rdbg.rsp.framing import Acknowledge, Decoder, Event, Packet, encode
from rdbg.timeline import StopConditions, Timeline
from tests.stub.guests import COUNTER, Guest


def run_guest(instructions: int, finish: bool, guest: Guest = COUNTER) -> Timeline:
    """A guest, run for a while."""
    history = History.live_run()
    timeline = Timeline(guest.start(history), history)
    while timeline.position < instructions:
        timeline.run(StopConditions(), lambda: timeline.position >= instructions)
    if finish:
        timeline.close()
    return timeline


def serve(timeline: Timeline, stop_wanted: Callable[[], bool] = lambda: False) -> GdbServer:
    """A server on a free port."""
    server = GdbServer(timeline, GdbOptions(port=0, stop_wanted=stop_wanted))
    server.listen()
    return server


class RawClient:
    """Bytes to and from a server that runs in this thread."""

    def __init__(self, server: GdbServer) -> None:
        self._server = server
        self.socket = socket.create_connection(server.address, timeout=10)
        self._decoder = Decoder(1 << 24)
        server.poll(5)

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def receive(self) -> list[Event]:
        """Let the server work until it has nothing more to do, and give what it sent."""
        events: list[Event] = []
        self.socket.setblocking(False)
        for _ in range(3):
            self._server.poll(0.002)
            try:
                while data := self.socket.recv(1 << 20):
                    events += self._decoder.feed(data)
            except BlockingIOError:
                pass
            except ConnectionError:
                break
        self.socket.setblocking(True)
        return events

    def ask(self, packet: bytes) -> bytes:
        """Send a packet and give the last reply to it."""
        self.send(encode(packet))
        for _ in range(1000):
            replies = [event.data for event in self.receive() if isinstance(event, Packet)]
            if replies:
                return replies[-1]
        raise TimeoutError(packet)

    def acknowledgements(self) -> list[bool]:
        """Those among what the server sends now."""
        return [event.good for event in self.receive() if isinstance(event, Acknowledge)]

    def close(self) -> None:
        """Cut the connection."""
        self.socket.close()
