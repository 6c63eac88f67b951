"""A serial port on a TCP connection."""

from __future__ import annotations

import logging
import socket

from rdbg.address import Address
from rdbg.errors import RdbgError
from rdbg.listener import Listener, foreign, permitted_address
from rdbg.serial.backend import CONGESTION_BYTES, SerialBackend

_log = logging.getLogger("rdbg.serial")

_CONNECT_SECONDS = 10


class TcpSerial(SerialBackend):
    """A connection that was made, or one client at a time of a listening socket.

    While nobody is connected output is dropped, as a cable that leads nowhere would.

    Args:
        address: to listen at or to connect to.
        server: listen.
        wait: the guest may not start before somebody has connected.
        listen_any: other hosts may connect.

    Raises:
        RdbgError: the port is in use, or open to others and may not be, or nobody listens there.
    """

    def __init__(self, address: Address, server: bool, wait: bool, listen_any: bool = False) -> None:
        self._listener: Listener | None = None
        self._peer: socket.socket | None = None
        self._pending = bytearray()
        self._waiting = wait
        self._fresh = False  # a client of the listening socket has said nothing yet
        if server:
            address = permitted_address(address, listen_any, "-serial tcp")
        try:
            if server:
                self._listener = Listener(address)
                _log.info("serial port: listening on %s", self._listener.address)
            else:
                self._peer = socket.create_connection((address.host, address.port), timeout=_CONNECT_SECONDS)
                self._set_up(self._peer)
        except OSError as error:
            action = "listen" if server else "connect"
            reason = error.strerror or str(error)
            raise RdbgError(f"-serial tcp:{address}: cannot {action}: {reason}; choose another port") from error

    @property
    def address(self) -> Address | None:
        """Where it listens."""
        return None if self._listener is None else self._listener.address

    def read_handles(self) -> list[int]:
        """The connection, or the listening socket."""
        if self._peer is not None:
            return [self._peer.fileno()]
        return [] if self._listener is None else [self._listener.fileno()]

    def write_handles(self) -> list[int]:
        """The connection, while output waits."""
        return [self._peer.fileno()] if self._peer is not None and self._pending else []

    def receive(self) -> bytes:
        """Accept a client, or take what it sent."""
        if self._peer is None:
            self._accept()
            return b""
        try:
            data = self._peer.recv(4096)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if self._fresh and (stranger := foreign(data)) is not None:
            _log.warning("serial port: dropped a client that sent %s, as a web page can", stranger)
            data = b""
        self._fresh = False
        if not data:
            self._hang_up()
        return data

    def send(self, data: bytes) -> None:
        """Send it, or keep what does not go at once."""
        if self._peer is not None:
            self._pending += data
            self.flush()

    def flush(self) -> None:
        """Send what waits."""
        while self._peer is not None and self._pending:
            try:
                sent = self._peer.send(self._pending)
            except BlockingIOError:
                return
            except OSError:
                self._hang_up()
                return
            del self._pending[:sent]

    @property
    def congested(self) -> bool:
        """Whether the client reads more slowly than the guest sends."""
        return len(self._pending) > CONGESTION_BYTES

    @property
    def ready(self) -> bool:
        """Whether the client that was to be waited for has come."""
        return not self._waiting

    def close(self) -> None:
        """Close the connection and the listening socket."""
        self.flush()
        self._hang_up()
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _accept(self) -> None:
        came = self._listener.accept() if self._listener is not None else None
        if came is None:
            return
        self._peer, _ = came
        self._set_up(self._peer)
        self._waiting = False
        self._fresh = True

    @staticmethod
    def _set_up(peer: socket.socket) -> None:
        peer.setblocking(False)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _hang_up(self) -> None:
        if self._peer is not None:
            self._peer.close()
            self._peer = None
        self._pending.clear()
