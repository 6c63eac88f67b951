"""A serial port on a TCP connection, plain or with telnet's manners."""

from __future__ import annotations

import logging
import socket

from rdbg.errors import RdbgError
from rdbg.net.listener import Listener, permitted_address, send_at_once
from rdbg.net.tcp_address import TcpAddress
from rdbg.serial.sockets import SocketSerial

_log = logging.getLogger("rdbg.serial")

_CONNECT_SECONDS = 10
#: RFC 854, RFC 857 (echo), RFC 858 (suppress go ahead), RFC 856 (binary).
_IAC, _SB, _SE, _WILL, _DO, _BREAK = 255, 250, 240, 251, 253, 243
_ECHO, _SUPPRESS_GO_AHEAD, _BINARY = 1, 3, 0
#: A character goes as it is typed, and it is this end that echoes.
_MANNERS = bytes([_IAC, _WILL, _ECHO, _IAC, _WILL, _SUPPRESS_GO_AHEAD, _IAC, _WILL, _BINARY, _IAC, _DO, _BINARY])


class TcpSerial(SocketSerial):
    """A serial port on a TCP connection.

    Args:
        address: to listen at or to connect to.
        server: listen.
        wait: the guest may not start before somebody has connected.
        listen_any: other hosts may connect.
        option: as typed up to the address, for messages.

    Raises:
        RdbgError: the port is in use, or open to others and may not be, or nobody listens there.
    """

    def __init__(
        self, address: TcpAddress, server: bool, wait: bool, listen_any: bool = False, option: str = "-serial tcp"
    ) -> None:
        self._port: Listener | None = None
        peer = None
        if server:
            address = permitted_address(address, listen_any, option)
        try:
            if server:
                self._port = Listener(address)
                _log.info("%s: listening on %s", option, self._port.address)
            else:
                peer = socket.create_connection((address.host, address.port), timeout=_CONNECT_SECONDS)
        except OSError as error:
            action = "listen" if server else "connect"
            reason = error.strerror or str(error)
            raise RdbgError(f"{option}:{address}: cannot {action}: {reason}; choose another port") from error
        super().__init__(self._port, peer, wait)

    @property
    def address(self) -> TcpAddress | None:
        """Where it listens."""
        return None if self._port is None else self._port.address

    def _welcome(self, peer: socket.socket) -> None:
        super()._welcome(peer)
        send_at_once(peer)


class TelnetSerial(TcpSerial):
    """The same for telnet clients: their negotiation is answered and does not reach the guest. Its break is one."""

    _breaks = 0  # that the client has sent

    def _welcome(self, peer: socket.socket) -> None:
        super()._welcome(peer)
        self._command = bytearray()  # of the client's negotiation, as far as it has come
        self._breaks = 0
        self._pending += _MANNERS

    def receive(self) -> bytes:
        """Accept a client, or take what it sent, without its negotiation."""
        return bytes(byte for byte in super().receive() if self._is_data(byte))

    def overdue(self) -> bytes:
        """What was held back, without the client's negotiation."""
        return bytes(byte for byte in super().overdue() if self._is_data(byte))

    def take_breaks(self) -> int:
        """How often the client sent a break."""
        breaks, self._breaks = self._breaks, 0
        return breaks

    def _is_data(self, byte: int) -> bool:
        command = self._command
        if not command:
            if byte == _IAC:
                command.append(byte)
            return byte != _IAC
        command.append(byte)
        if len(command) == 2 and byte == _IAC:  # a byte 255 is sent twice
            command.clear()
            return True
        ends = len(command) == 3
        if command[1] == _SB:
            ends = command[-2:] == bytes([_IAC, _SE])
        elif command[1] < _SB:
            ends = True
            self._breaks += command[1] == _BREAK
        if ends:
            command.clear()
        return False
