"""Who else connects to a serial port's socket: a web page, through its reader's browser."""

from __future__ import annotations

import select
import socket
import time

import pytest

from rdbg.net.listener import foreign, may_become_foreign
from rdbg.net.tcp_address import TcpAddress
from rdbg.serial.tcp import TcpSerial, TelnetSerial

_STUN = b"\x00\x01\x00\x08\x21\x12\xa4\x42" + bytes(12)


@pytest.mark.parametrize(
    "first",
    [
        b"POST / HTTP/1.1\r\nHost: localhost:4444\r\n\r\nreboot -f\n",
        b"GET /;reboot;" + b"x" * 8000,
        b"OPTIONS * HTTP/1.1\r\n",
        b"\r\n\r\nPOST / HTTP/1.1\r\n\r\nquit\n",
        b"patch / HTTP/1.1\r\n",
        b"PURGE /x HTTP/2.0\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        _STUN,
        b"\x00\x14" + _STUN,
    ],
)
def test_a_web_page_cannot_type_to_the_guest(first: bytes, caplog: pytest.LogCaptureFixture) -> None:
    port = TcpSerial(TcpAddress("127.0.0.1", 0), server=True, wait=False)
    assert port.address is not None
    with socket.create_connection((port.address.host, port.address.port)) as stranger:
        assert port.receive() == b""  # accepts
        stranger.sendall(first)
        assert _received(port) == b""
        assert "dropped a client that sent" in caplog.text
        with socket.create_connection((port.address.host, port.address.port)) as friend:
            assert port.receive() == b""
            friend.sendall(b"root\n")
            assert _received(port) == b"root\n"
            friend.sendall(b"GET / HTTP/1.0\r\n\r\n")  # an HTTP server in the guest is tried by hand
            assert _received(port) == b"GET / HTTP/1.0\r\n\r\n"
    port.close()


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5])
def test_a_request_that_comes_in_pieces_types_nothing_either(cut: int, caplog: pytest.LogCaptureFixture) -> None:
    port = TelnetSerial(TcpAddress("127.0.0.1", 0), server=True, wait=False)
    assert port.address is not None
    with socket.create_connection((port.address.host, port.address.port)) as stranger:
        assert port.receive() == b""  # accepts
        stranger.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = b"POST / HTTP/1.1\r\n\r\nreboot -f\n"
        for piece in (request[:cut], request[cut:]):
            stranger.sendall(piece)
            while not select.select([port._peer], [], [], 1)[0]:
                pass
            assert port.receive() == b""
        assert "dropped a client that sent an HTTP request" in caplog.text and port.overdue() == b""
    port.close()


@pytest.mark.parametrize("typed", [b"G", b"POST", b"GET ", b"\x16", b"\0"])
@pytest.mark.parametrize("hangs_up", [False, True])
def test_what_a_person_types_first_is_held_for_a_moment_and_not_lost(
    typed: bytes, hangs_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = TcpSerial(TcpAddress("127.0.0.1", 0), server=True, wait=False)
    assert port.address is not None and may_become_foreign(typed)
    with socket.create_connection((port.address.host, port.address.port)) as person:
        assert port.receive() == b""
        person.sendall(typed)
        select.select([port._peer], [], [], 10)
        assert port.receive() == b"" and port.overdue() == b""
        if hangs_up:
            person.close()
            assert _received(port) == typed
        else:
            now = time.monotonic()
            monkeypatch.setattr(time, "monotonic", lambda: now + 1)
            assert port.overdue() == typed and port.overdue() == b""
            person.sendall(b" / HTTP/1.1")
            assert _received(port) == b" / HTTP/1.1"
    port.close()


@pytest.mark.parametrize("typed", [b"root\n", b"GO\n", b"\r", b"ls", b"\x03", b"GETTY", b"\x16x"])
def test_what_cannot_become_a_request_is_not_held(typed: bytes) -> None:
    assert not may_become_foreign(typed)


def test_a_web_page_is_not_the_client_that_is_waited_for() -> None:
    port = TcpSerial(TcpAddress("127.0.0.1", 0), server=True, wait=True)
    assert port.address is not None
    with socket.create_connection((port.address.host, port.address.port)) as stranger:
        assert port.receive() == b""
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert _received(port) == b""
        assert not port.ready
    with socket.create_connection((port.address.host, port.address.port)) as friend:
        assert port.receive() == b""
        friend.sendall(b"root\n")
        assert _received(port) == b"root\n"
        assert port.ready
    assert _received(port) == b""  # has gone
    assert port.ready
    port.close()


@pytest.mark.parametrize("typed", [b"G", b"GET", b"GET me a shell", b"root\n", b"\x16", b"\r", b"POST", b"get /", b""])
def test_what_people_type_first(typed: bytes) -> None:
    assert foreign(typed) is None


def _received(port: TcpSerial) -> bytes:
    data = b""
    for _ in range(1000):
        if not port.read_handles():
            break
        data += port.receive()
        if data or port._peer is None:
            break
    return data
