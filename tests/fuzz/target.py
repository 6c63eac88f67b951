"""The server under bad inputs: a guest with a history, one client after another, and what must hold after each."""

from __future__ import annotations

import logging
import select
import socket
import time
from collections.abc import Sequence

from rdbg.emu.machine import Machine
from rdbg.emu.spec import Image, MachineSpec
from rdbg.gdbstub import GdbOptions, GdbServer
from rdbg.history.history import History
from rdbg.rsp.framing import Decoder, Packet, encode
from rdbg.timeline import Pace, StopConditions, Timeline
from tests.stub.guests import ELF

#: Looks at the outside world after which a movement is ended from there: on a branch the guest runs for ever.
_LOOKS = 4
#: Sessions after which the guest begins anew: clients make branches, snapshots and bookmarks, which stay.
_SESSIONS_PER_RUN = 500
_LIVE_SESSIONS_PER_RUN = 25
#: A branch to itself, and the empty memory that gets it, where clients send the guest: a slide through megabytes of
#: zeros to the next branch takes seconds and teaches nothing.
_LOOP = bytes.fromhex("ffff001000000000")
_EMPTY = ((0x80000000, 0x80001000), (0x80100120, 0x80101000), (0x80110140, 0x80110200), (0x80200000, 0x80201000))
#: Seconds that bytes may be under way between two ends on this host, and that an answer may take.
_UNDER_WAY = 0.001
_PATIENCE = 20.0


class Failures(logging.Handler):
    """Keeps what was logged as an error: a mistake of the server's that it survived."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.records.append(record)


class Target:
    """A server, and the sessions held with it.

    Args:
        live: the run goes on (clients stand in its present and change it); False: it is finished.
    """

    def __init__(self, live: bool = False) -> None:
        self.messages = 0  #: sent
        self.sessions = 0  #: held
        self._live = live
        self._looks = 0
        self._failures = Failures()
        logging.getLogger("rdbg").addHandler(self._failures)
        self._begin()

    def close(self) -> None:
        """End the server."""
        self._server.close()
        logging.getLogger("rdbg").removeHandler(self._failures)

    def hold(self, messages: Sequence[bytes], waiting: bool) -> None:
        """One session, and the checks after it.

        Args:
            messages: what the client writes, in order.
            waiting: the client reads the answers to each before the next; False: it sends all, and reads then.

        Raises:
            AssertionError: the server is not as it should be.
        """
        limit = _LIVE_SESSIONS_PER_RUN if self._live else _SESSIONS_PER_RUN
        self.sessions += 1
        if self.sessions % limit == 0:
            self._server.close()
            self._begin()
        timeline = self._server.timeline
        timeline.goto(timeline.end if self._live else timeline.end - 200)
        before = timeline.machine.digest()
        place = timeline.position
        try:
            self._converse(messages, waiting)
            assert not self._failures.records, self._failures.records.pop().exc_info
            self._server.quit_wanted = False
            self._converse([encode(b"?")], True)
        except BaseException as error:
            error.add_note(f"after {messages!r}, {'waiting' if waiting else 'not waiting'} for answers")
            self._server.close()
            self._begin()
            raise
        assert not timeline.scratch.active
        timeline.switch("main")
        if self._live:
            self._same_again(timeline)
        else:
            timeline.goto(place)
            assert (timeline.position, timeline.machine.digest()) == (place, before), messages

    def _converse(self, messages: Sequence[bytes], waiting: bool) -> None:
        """A client comes, says all this, is answered, and leaves."""
        self._looks = 0
        client = _Client(self._server)
        try:
            for message in messages:
                self._looks = 0
                if not client.send(message):
                    break
                self.messages += 1
                if waiting:
                    client.receive()
            self._looks = 0
            client.receive()
            if self._server.attached:
                self._answers(client)
        finally:
            client.leave()
        assert not self._server.attached

    def _same_again(self, timeline: Timeline) -> None:
        """The run that the client has lengthened and changed is the same when it is run again."""
        timeline.goto(timeline.end)
        place, digest = timeline.position, timeline.machine.digest()
        timeline.goto(timeline.start)
        timeline.goto(place)
        assert (timeline.position, timeline.machine.digest()) == (place, digest)

    def _answers(self, client: _Client) -> None:
        """The server answers, whatever state the line is in."""
        client.send(b"#00")  # ends a packet that was begun
        client.receive()
        client.send(encode(b"qC"))
        replies = client.receive(until=b"QC01")
        gone = not self._server.attached  # a last word (k, D) was still under way
        assert gone or (replies and replies[-1] == b"QC01"), replies

    def _begin(self) -> None:
        image = Image("kernel", str(ELF), ELF.read_bytes())
        history = History.live_run()
        machine = Machine(MachineSpec("malta", "24Kf", False, 16 << 20, 0, (image,)), history)
        pace = Pace(slice=1000, spacing=4000, rung=200)
        timeline = Timeline(machine, history, pace=pace, sleep=False)
        for start, end in _EMPTY:
            timeline.live_end.write_memory(start, _LOOP * ((end - start) // len(_LOOP)))
        while timeline.position < 1000:
            timeline.run(StopConditions(), lambda: timeline.position >= 1000)
        if not self._live:
            timeline.close()
        self._server = GdbServer(timeline, GdbOptions(port=0, stop_wanted=self._stop_wanted))
        self._server.listen()

    def _stop_wanted(self) -> bool:
        self._looks += 1
        return self._looks >= _LOOKS


class _Client:
    """A client in the server's own thread."""

    def __init__(self, server: GdbServer) -> None:
        self._server = server
        self._decoder = Decoder(1 << 24)
        self._socket = socket.create_connection(server.address, timeout=10)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server.poll(1)
        assert server.attached

    def send(self, data: bytes) -> bool:
        """Send all of it, the server reading; False: the connection is closed."""
        try:
            while data:
                try:
                    data = data[self._socket.send(data) :]
                except BlockingIOError:
                    self._server.poll(0)
                    self._read()
        except OSError:
            return False
        return True

    def receive(self, until: bytes = b"") -> list[bytes]:
        """Let the server work until it has nothing more to say, or has said this; the packets that it sent."""
        replies: list[bytes] = []
        deadline = time.monotonic() + _PATIENCE
        self._server.poll(_UNDER_WAY)
        while True:
            packets = self._read()
            replies += packets
            if until:
                if until in replies or not self._server.attached or time.monotonic() > deadline:
                    return replies
            elif not packets and not self._server.knocking():
                return replies
            self._server.poll(_UNDER_WAY if until else 0)

    def leave(self) -> None:
        """Close the connection; the server learns of it."""
        self._socket.close()
        for _ in range(100):
            if not self._server.attached:
                return
            self._server.poll(0.01)

    def _read(self) -> list[bytes]:
        packets: list[bytes] = []
        while select.select([self._socket], [], [], 0)[0]:
            try:
                data = self._socket.recv(1 << 20)
            except OSError:
                break
            if not data:
                break
            packets += [event.data for event in self._decoder.feed(data) if isinstance(event, Packet)]
        return packets
