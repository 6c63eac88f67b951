"""Broken lines and broken clients: the next one is answered, and the run is what it was.

What clients say wrongly is generated in `tests/fuzz`; here is what happens to connections.
"""

from __future__ import annotations

import logging
import resource
import select
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from rdbg.gdbstub import GdbServer
from rdbg.monitor import interpreter
from rdbg.monitor.command import MonitorContext
from rdbg.rsp.framing import Packet, encode
from tests.stub.wire import RawClient, run_guest, serve


class Guest:
    """A finished run being served, with something that happens at a look during a movement.

    Args:
        instructions: its length.
    """

    def __init__(self, instructions: int = 1000) -> None:
        self.timeline = run_guest(instructions, finish=True)
        self.looks = 0
        self.at_look: dict[int, Callable[[], object]] = {}
        self.server: GdbServer = serve(self.timeline, self._look)
        self.timeline.goto(self.timeline.end - 200)
        self._place = (self.timeline.position, self.timeline.machine.digest())

    def client(self) -> RawClient:
        """A new client."""
        return RawClient(self.server)

    def let_go(self) -> None:
        """Let the server see that a client has gone."""
        for _ in range(100):
            if not self.server.attached:
                return
            self.server.poll(0.05)
        raise TimeoutError("the server still has its client")

    def is_sound(self) -> bool:
        """Whether the next client is answered, and the run is what it was."""
        client = self.client()
        answered = client.ask(b"qC") == b"QC01"
        client.close()
        self.let_go()
        self.timeline.goto(self._place[0])
        return answered and (self.timeline.position, self.timeline.machine.digest()) == self._place

    def _look(self) -> bool:
        self.looks += 1
        self.at_look.get(self.looks, lambda: None)()
        return False


@pytest.fixture
def guest() -> Iterator[Guest]:
    guest = Guest()
    yield guest
    guest.server.close()


@pytest.mark.parametrize("packet", [b"m80100000,40", b"Z2,80110124,4", b"X80200000,4:#$}*", b"bc", b"qRcmd,7768656e"])
def test_a_connection_cut_anywhere_in_a_packet(guest: Guest, packet: bytes) -> None:
    whole = encode(packet)
    for end in range(len(whole) + 1):
        client = guest.client()
        client.send(whole[:end])
        client.close()
        guest.let_go()
    assert guest.is_sound()


@pytest.mark.parametrize(
    "movement", [b"bc", b"bs", b"c", b"qCRC:80000000,1000000", b"qRcmd," + b"goto start".hex().encode()]
)
@pytest.mark.parametrize("look", [1, 2, 5])
def test_a_connection_cut_during_a_movement(movement: bytes, look: int) -> None:
    guest = Guest(2_000_000)
    try:
        client = guest.client()
        assert client.ask(b"Z2,80200000,4") == b"OK"
        guest.looks = 0
        guest.at_look[look] = client.close
        client.send(encode(movement))
        guest.server.poll(1)
        client.close()
        guest.let_go()
        assert guest.is_sound()
    finally:
        guest.server.close()


def test_a_reverse_run_that_is_cut_stands_where_it_began() -> None:
    guest = Guest(40_000_000)
    try:
        client = guest.client()
        never = b"X3,220027"  # in the hot loop: all of history is looked through
        assert client.ask(b"Z0,%x,4;%b" % (guest.timeline.machine.pc, never)) == b"OK"
        before = guest.timeline.position
        guest.looks = 0
        guest.at_look[1] = client.close
        client.send(encode(b"bc"))
        guest.server.poll(1)
        guest.let_go()
        assert guest.looks >= 1 and guest.timeline.position == before
        assert guest.is_sound()
    finally:
        guest.server.close()


_BODY = b"+" + encode(b"M80200000,4:deadbeef") + encode(b"qRcmd," + b"quit".hex().encode())


@pytest.mark.parametrize(
    "request_line",
    [
        b"POST / HTTP/1.1\r\nHost: localhost:1234\r\nContent-Type: text/plain\r\n\r\n" + _BODY,
        b"GET /" + _BODY + b" HTTP/1.1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n\r\n" + _BODY,
        b"P" + _BODY,
        b"\r\n" + _BODY,
        b"\x16\x03\x01\x02\x00" + _BODY,
        b"+++-\x03GET / HTTP/1.1\r\n\r\n" + _BODY,
        b"$qC#00POST / HTTP/1.1\r\n\r\n" + _BODY,
    ],
)
@pytest.mark.parametrize("pieces", [1, 3, 1000])
def test_a_web_page_cannot_drive_the_stub(
    guest: Guest, request_line: bytes, pieces: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A browser sends to any port what a page tells it to; packets stand in the request's body, or in its path."""
    memory = guest.timeline.machine.read_memory(0x80200000, 4)
    client = guest.client()
    size = max(1, -(-len(request_line) // pieces))
    with caplog.at_level(logging.WARNING, "rdbg.gdbstub"):
        for at in range(0, len(request_line), size):
            try:
                client.send(request_line[at : at + size])
            except ConnectionError:
                break
            guest.server.poll(0.001)
        guest.let_go()
    client.close()
    assert guest.timeline.machine.read_memory(0x80200000, 4) == memory
    assert not guest.server.quit_wanted
    assert caplog.text.count("which no debugger says") == 1
    assert guest.is_sound()


def test_requests_without_end_during_a_movement(caplog: pytest.LogCaptureFixture) -> None:
    """They wait for their answers in little memory: nobody but a broken client sends so many, and it is dropped."""
    guest = Guest(40_000_000)
    flood = encode(b"qC") * 3_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        client = guest.client()
        client.send(encode(b"Z0,%x,4;%b" % (guest.timeline.machine.pc, b"X3,220027")))
        client.receive()
        sender = threading.Thread(target=_pour, args=(client.socket, encode(b"bc") + flood))
        sender.start()
        while guest.server.attached:
            guest.server.poll(1)
        sender.join()
        assert "does not wait for their answers" in caplog.text
        assert guest.is_sound()
    finally:
        guest.server.close()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_many_requests_at_once_are_answered(guest: Guest) -> None:
    """While the guest stands, a client that sends ahead is read as fast as it is answered."""
    client = guest.client()
    client.ask(b"QStartNoAckMode")
    sender = threading.Thread(target=_pour, args=(client.socket, encode(b"qC") * 20_000))
    sender.start()
    replies = 0
    while replies < 20_000:
        replies += sum(isinstance(event, Packet) for event in client.receive())
    sender.join()
    assert replies == 20_000
    client.close()
    guest.let_go()
    assert guest.is_sound()


def _pour(into: socket.socket, data: bytes) -> None:
    """Send it from another thread; the other end may have had enough."""
    view = memoryview(data)
    while view:
        try:
            select.select([], [into], [], 10)
            view = view[into.send(view) :]
        except BlockingIOError:
            continue
        except OSError:
            return


def test_a_storm_of_interrupts(guest: Guest) -> None:
    client = guest.client()
    storm = b"\x03" * 100_000
    client.send(storm + encode(b"qC"))
    replies: list[bytes] = []
    while b"QC01" not in replies:
        replies += [event.data for event in client.receive() if isinstance(event, Packet)]
    assert replies == [b"QC01"]  # one that comes while the guest stands is no request
    client.send(encode(b"bc") + storm + encode(b"bc"))
    replies = []
    while len(replies) < 2:
        replies += [event.data for event in client.receive() if isinstance(event, Packet)]
    assert all(reply.startswith(b"T0") for reply in replies)
    assert client.ask(b"qC") == b"QC01"
    client.close()
    guest.let_go()
    assert guest.is_sound()


def test_lost_acknowledgements(guest: Guest) -> None:
    client = guest.client()
    first = client.ask(b"?")
    client.send(b"-" * 5)
    assert [event.data for event in client.receive() if isinstance(event, Packet)] == [first] * 5
    assert client.ask(b"QStartNoAckMode") == b"OK"
    client.send(b"-" * 5 + b"$qC#00")  # now the line is right by itself: sums are not looked at, nothing is repeated
    assert client.ask(b"qC") == b"QC01"
    client.close()
    guest.let_go()
    assert guest.is_sound()


@pytest.mark.parametrize(
    "packet",
    [
        b"m80000000,ffffffffffffffff",
        b"m-1,4",
        b"mffffffff,ffffffff",
        b"x80000000,7fffffff",
        b"M80200000,ffffffff:00",
        b"X80200000,-1:",
        b"Z2,80000000,ffffffffffffffff",
        b"Z2,ffffffff,2",
        b"qSearch:memory:80000000;ffffffffffffffff;abc",
        b"qCRC:ffffffff,ffffffff",
        b"vFlashErase:0,ffffffff",
        b"qXfer:features:read:target.xml:ffffffffffffffff,ffffffffffffffff",
        b"vFile:pread:1,ffffffffffffffff,ffffffffffffffff",
        b"p" + b"f" * 4000,
        b"Hg" + b"9" * 4000,
        b"vCont" + b";c:1" * 20_000,
        b"a" * 1_000_000,
    ],
)
def test_huge_and_negative_numbers(guest: Guest, packet: bytes) -> None:
    client = guest.client()
    guest.at_look = {at: lambda: client.send(b"\x03") for at in range(3, 50)}  # a search of 4 GB is ended
    reply = client.ask(packet)
    assert len(reply) <= 0x20000 + 1
    assert client.ask(b"qC") == b"QC01"
    client.close()
    guest.let_go()
    assert guest.is_sound()


def test_requests_that_overlap_are_answered_in_order(guest: Guest) -> None:
    client = guest.client()
    client.ask(b"QStartNoAckMode")
    asked = [b"m%x,4" % (0x80100000 + 4 * index) for index in range(500)]
    client.send(b"".join(encode(b"bs") + encode(packet) for packet in asked[:50]))
    client.send(b"".join(map(encode, asked)))
    replies: list[bytes] = []
    while len(replies) < 600:
        replies += [event.data for event in client.receive() if isinstance(event, Packet)]
    assert len(replies) == 600
    assert replies[100:] == [client.ask(packet) for packet in asked]
    client.close()
    guest.let_go()
    assert guest.is_sound()


@pytest.mark.parametrize("pipelined", [False, True])
def test_a_monitor_command_that_gdb_has_left_ends_without_an_answer(
    guest: Guest, monkeypatch: pytest.MonkeyPatch, pipelined: bool
) -> None:
    """GDB leaves one that has shown something at a Ctrl-C, and takes what comes for the answer to its next request. A
    client that does not wait for answers has left nothing."""
    client = guest.client()
    client.ask(b"QStartNoAckMode")
    register = client.ask(b"p1d")

    def run(context: MonitorContext, line: str) -> str:
        context.say("... half of it\n")
        if not pipelined:
            client.send(encode(b"p1d"))
        for _ in range(3 if pipelined else 1_000_000):
            if context.interrupted():
                return "interrupted\n"
        return "all of it\n"

    monkeypatch.setattr(interpreter, "run", run)
    client.send(encode(b"qRcmd,77") + (encode(b"p1d") if pipelined else b""))
    replies: list[bytes] = []
    while register not in replies:
        replies += [event.data for event in client.receive() if isinstance(event, Packet)]
    said = [b"O" + b"... half of it\n".hex().encode(), b"O" + b"all of it\n".hex().encode(), b"OK", register]
    assert replies == (said if pipelined else [said[0], register])
    client.close()
    guest.let_go()
    assert guest.is_sound()


def test_a_client_that_never_reads_is_dropped(guest: Guest) -> None:
    client = guest.client()
    requests = encode(b"qXfer:features:read:target.xml:0,20000") * 20
    client.socket.setblocking(False)
    for _ in range(2000):
        if not guest.server.attached:
            break
        try:
            client.socket.send(requests)
        except (BlockingIOError, ConnectionError):
            pass
        guest.server.poll(0)
    assert not guest.server.attached  # or it would fill the host's memory
    client.close()
    assert guest.is_sound()


def test_two_clients_at_once(guest: Guest, caplog: pytest.LogCaptureFixture) -> None:
    client = guest.client()
    others: list[socket.socket] = []
    guest.looks = 0
    guest.at_look[1] = lambda: others.append(socket.create_connection(guest.server.address, timeout=10))
    with caplog.at_level(logging.WARNING, "rdbg.gdbstub"):
        assert client.ask(b"qCRC:80000000,100000").startswith(b"C")  # one comes while a request takes its time
        assert len(others) == 1
        others.append(socket.create_connection(guest.server.address, timeout=10))
        guest.server.poll(1)
    for other in others:
        assert other.recv(1) == b""
        other.close()
    assert caplog.text.count("refused") == len(others) == 2
    assert client.ask(b"qC") == b"QC01"
    client.close()
    guest.let_go()
    assert guest.is_sound()


def test_a_client_that_only_half_closes_is_gone(guest: Guest) -> None:
    client = guest.client()
    client.send(encode(b"?"))
    client.socket.shutdown(socket.SHUT_WR)
    guest.let_go()
    assert guest.is_sound()


def test_a_client_whose_computer_vanished_is_noticed(guest: Guest) -> None:
    """No byte tells of a pulled cable: the host's TCP must ask now and then, or nobody else could ever connect."""
    client = guest.client()
    peer = client.socket.getsockname()
    accepted = _server_end(guest.server, peer)
    assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    idle = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
    between = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
    times = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
    assert idle + between * times <= 60
    assert 0 < accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 60_000
    accepted.close()


def _server_end(server: GdbServer, peer: object) -> socket.socket:
    """A duplicate of the server's end of the connection from `peer`."""
    client = server._client
    assert client is not None
    end = socket.fromfd(client.connection.fileno(), socket.AF_INET, socket.SOCK_STREAM)
    assert end.getpeername() == peer
    return end
