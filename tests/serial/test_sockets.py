"""Serial ports on Unix sockets, telnet connections and pseudo-terminals."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from rdbg.errors import RdbgError
from rdbg.net.tcp_address import TcpAddress
from rdbg.serial.backend import CONGESTION_BYTES, SerialBackend
from rdbg.serial.pty import PtySerial
from rdbg.serial.tcp import TelnetSerial
from rdbg.serial.unix import UnixSerial

LOOPBACK = TcpAddress("127.0.0.1", 0)


def _received(port: SerialBackend, wanted: int) -> bytes:
    data = b""
    while len(data) < wanted:
        data += port.receive()
    return data


def test_a_unix_socket_serves_one_client_after_another(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    port = UnixSerial(path, server=True, wait=True)
    assert not port.ready
    for _ in range(2):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            assert port.receive() == b"" and port.ready and port.take_arrival()
            client.sendall(b"root\n")
            assert _received(port, 5) == b"root\n"
            port.send(b"login: ")
            assert client.recv(100) == b"login: "
        assert port.receive() == b""  # it has hung up
    port.close()
    assert not os.path.exists(path)


def test_a_socket_file_that_was_left_behind_is_used_again_and_others_are_not(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(path)
    port = UnixSerial(path, server=True, wait=False)
    with pytest.raises(RdbgError, match="-serial unix:.*cannot listen"):
        UnixSerial(path, server=True, wait=False)
    port.close()
    Path(path).write_text("mine")
    with pytest.raises(RdbgError, match="cannot listen"):
        UnixSerial(path, server=True, wait=False)
    assert Path(path).read_text() == "mine"


def test_telnet_negotiation_does_not_reach_the_guest() -> None:
    port = TelnetSerial(LOOPBACK, server=True, wait=False)
    assert port.address is not None
    with socket.create_connection((port.address.host, port.address.port)) as client:
        port.receive()
        port.flush()
        assert client.recv(100)[:3] == b"\xff\xfb\x01"  # IAC WILL ECHO
        client.sendall(b"\xff\xfd\x01\xff\xfa\x18\x00xterm\xff\xf0ls\xff\xff\xff\xf3\r")
        assert _received(port, 4) == b"ls\xff\r"
        assert (port.take_breaks(), port.take_breaks()) == (1, 0)
    port.close()


def test_a_pseudo_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    port = PtySerial("serial0")
    assert capsys.readouterr().err == f"char device redirected to {port.name} (label serial0)\n"
    port.send(b"x" * (3 * CONGESTION_BYTES))
    assert not port.congested, "nobody need read there"
    other = os.open(port.name, os.O_RDWR | os.O_NOCTTY)
    assert os.read(other, 100) == b"x" * 100
    os.write(other, b"root\r")
    assert _received(port, 5) == b"root\r"
    os.close(other)
    port.close()
