"""Who else connects to a serial port's socket: a web page, through its reader's browser."""

from __future__ import annotations

import socket

import pytest

from rdbg.net.listener import foreign
from rdbg.net.tcp_address import TcpAddress
from rdbg.serial.tcp import TcpSerial

_STUN = b"\x00\x01\x00\x08\x21\x12\xa4\x42" + bytes(12)


@pytest.mark.parametrize(
    "first",
    [
        b"POST / HTTP/1.1\r\nHost: localhost:4444\r\n\r\nreboot -f\n",
        b"GET /;reboot;" + b"x" * 8000,
        b"OPTIONS * HTTP/1.1\r\n",
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
