"""A serial port on a stream socket."""

from __future__ import annotations

import logging
import socket
import time
from typing import Protocol

from rdbg.net.listener import foreign, may_become_foreign
from rdbg.serial.backend import CONGESTION_BYTES, SerialBackend

_log = logging.getLogger("rdbg.serial")

#: A client's first bytes wait so long, in seconds, for those that tell what it is; what a browser sends comes at once,
#: and a person hardly notices.
_PATIENCE = 0.2


class Door(Protocol):
    """Something that is listened on."""

    def fileno(self) -> int: ...
    def accept(self) -> tuple[socket.socket, str] | None: ...
    def close(self) -> None: ...


class SocketSerial(SerialBackend):
    """A connection that was made, or one client at a time of a listening socket.

    While nobody is connected output is dropped, as a cable that leads nowhere would.

    Args:
        door: what is listened on; None: the connection was made.
        peer: the connection; None: one is to come.
        wait: the guest may not start before somebody has connected.
    """

    def __init__(self, door: Door | None, peer: socket.socket | None, wait: bool) -> None:
        self._listener = door
        self._peer = peer
        self._pending = bytearray()
        self._waiting = wait
        self._was_waited_for = False  # the guest may not start without this client
        self._fresh = False  # it is not yet clear what a client of the listening socket is
        self._held = b""  # what it has said meanwhile
        self._held_since = 0.0
        self._arrived = False
        if peer is not None:
            self._welcome(peer)

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
        if not self._fresh:
            if not data:
                self._hang_up()
            return data
        first = self._held + data
        if (stranger := foreign(first)) is not None:
            _log.warning("serial port: dropped a client that sent %s, as a web page can", stranger)
            self._waiting = self._was_waited_for  # it was not the one
            self._hang_up()
            return b""
        if data and may_become_foreign(first):
            self._held_since = self._held_since if self._held else time.monotonic()
            self._held = first
            return b""
        self._fresh, self._held = False, b""
        if not data:
            self._hang_up()
        return first

    def overdue(self) -> bytes:
        """The first bytes of a client that has not sent what would make it a stranger."""
        if not self._held or time.monotonic() - self._held_since < _PATIENCE:
            return b""
        held, self._held, self._fresh = self._held, b"", False
        return held

    def take_arrival(self) -> bool:
        """Whether somebody has connected since the last call."""
        arrived, self._arrived = self._arrived, False
        return arrived

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
        self._was_waited_for, self._waiting = self._waiting, False
        self._fresh = True
        self._welcome(self._peer)

    def _welcome(self, peer: socket.socket) -> None:
        """A connection is there."""
        peer.setblocking(False)
        self._arrived = True

    def _hang_up(self) -> None:
        if self._peer is not None:
            self._peer.close()
            self._peer = None
        self._held = b""
        self._pending.clear()
