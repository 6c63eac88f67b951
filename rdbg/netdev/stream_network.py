"""A network on a connection: frames one after another, each with its length before it (4 bytes, big endian)."""

from __future__ import annotations

import logging
import select
import socket
import time

from rdbg.emu.device import LONGEST_FRAME
from rdbg.errors import RdbgError
from rdbg.host.waiting import Watched
from rdbg.net.listener import Listener, send_at_once
from rdbg.net.unix_door import UnixDoor, unix_connection
from rdbg.netdev.exposure import tell_exposure
from rdbg.netdev.netdev_spec import StreamNet
from rdbg.netdev.network_backend import Deliver, NetworkBackend, is_frame

_log = logging.getLogger("rdbg.network")

_LENGTH_SIZE = 4
#: Frames that wait for a slow peer; with more than this the guest waits too, and with twice as many they are dropped.
_CONGESTION_BYTES = 256 << 10
#: So long the guest waits for a peer that takes nothing. It may never: it stands still in a debugger, or is a guest
#: that waits for this one.
_PATIENCE_SECONDS = 0.5
_CONNECT_SECONDS = 10


class StreamNetwork(NetworkBackend):
    """A `StreamNet`. While nobody is connected frames are dropped.

    Args:
        spec: what was asked for.
        option: as typed, for messages.
        deliver: gets what comes.

    Raises:
        RdbgError: the port is in use, or nobody listens there and no `reconnect` was asked for.
    """

    def __init__(self, spec: StreamNet, option: str, deliver: Deliver) -> None:
        super().__init__(deliver)
        self._spec = spec
        self._option = option
        self._where = spec.path or str(spec.address)
        self._door: Listener | UnixDoor | None = None
        self._peer: socket.socket | None = None
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self._took = 0.0  # when the peer last took something, or had nothing to take
        self._next_try = 0.0
        self._lost = ""
        if spec.descriptor is not None:
            self._welcome(adopted(spec.descriptor, option))
        elif spec.server:
            self._listen()
        else:
            try:
                self._welcome(self._connected())
            except OSError as error:
                if not spec.reconnect:
                    reason = error.strerror or str(error)
                    raise RdbgError(
                        f"{option}: cannot connect to {self._where}: {reason}; start the other end first"
                    ) from error
                self._next_try = time.monotonic() + spec.reconnect

    def send(self, frame: bytes) -> None:
        """Send a frame, or keep it until it goes."""
        if self._peer is None or len(self._outgoing) > 2 * _CONGESTION_BYTES:
            return
        if not self._outgoing:
            self._took = time.monotonic()
        self._outgoing += len(frame).to_bytes(_LENGTH_SIZE, "big") + frame
        self._flush()

    def watched(self) -> Watched:
        """The connection, or the listening socket."""
        if self._peer is not None:
            return [(self._peer.fileno(), select.POLLIN | (select.POLLOUT if self._outgoing else 0))]
        return [] if self._door is None else [(self._door.fileno(), select.POLLIN)]

    def patience(self, seconds: float) -> float:
        """Until the next try to connect."""
        if self._peer is None and self._spec.reconnect:
            return max(0.0, min(seconds, self._next_try - time.monotonic()))
        return seconds

    def poll(self) -> None:
        """Take a peer, or what it has sent."""
        if self._peer is None:
            self._look_for_peer()
        if self._peer is not None:
            self._flush()
            self._receive()

    @property
    def congested(self) -> bool:
        """Whether the peer is slow, but takes some."""
        return len(self._outgoing) > _CONGESTION_BYTES and time.monotonic() - self._took < _PATIENCE_SECONDS

    @property
    def failure(self) -> str:
        """That the connection has ended and is not made again."""
        return self._lost

    def close(self) -> None:
        """Hang up."""
        if self._peer is not None:
            self._peer.close()
            self._peer = None
        if self._door is not None:
            self._door.close()
            self._door = None

    def _listen(self) -> None:
        try:
            if self._spec.address is None:
                self._door = UnixDoor(self._spec.path)
                return
            self._door = Listener(self._spec.address)
            tell_exposure(self._option, self._door.address, _log)
            _log.info("%s: listening on %s", self._option, self._door.address)
        except OSError as error:
            reason = error.strerror or str(error)
            raise RdbgError(f"{self._option}: cannot listen at {self._where}: {reason}; choose another") from error

    def _connected(self) -> socket.socket:
        if self._spec.address is None:
            return unix_connection(self._spec.path)
        address = (self._spec.address.host, self._spec.address.port)
        # To connect again must not let the guest wait.
        return socket.create_connection(address, timeout=_CONNECT_SECONDS if not self._next_try else 0.2)

    def _look_for_peer(self) -> None:
        if self._door is not None:
            accepted = self._door.accept()
            if accepted is not None:
                self._welcome(accepted[0])
        elif self._spec.reconnect and time.monotonic() >= self._next_try:
            self._next_try = time.monotonic() + self._spec.reconnect
            try:
                self._welcome(self._connected())
            except OSError:
                return

    def _welcome(self, peer: socket.socket) -> None:
        peer.setblocking(False)
        if peer.family != socket.AF_UNIX:
            send_at_once(peer)
        self._peer = peer
        self._incoming.clear()
        self._outgoing.clear()

    def _receive(self) -> None:
        assert self._peer is not None
        try:
            data = self._peer.recv(LONGEST_FRAME)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._hang_up()
            return
        incoming = self._incoming
        incoming += data
        while len(incoming) >= _LENGTH_SIZE:
            length = int.from_bytes(incoming[:_LENGTH_SIZE], "big")
            if length > LONGEST_FRAME:
                _log.warning(
                    "%s: dropped a peer that announced a packet of %d bytes; %d are the most",
                    self._option, length, LONGEST_FRAME,
                )  # fmt: skip
                self._hang_up()
                return
            if len(incoming) < _LENGTH_SIZE + length:
                return
            frame = bytes(incoming[_LENGTH_SIZE : _LENGTH_SIZE + length])
            del incoming[: _LENGTH_SIZE + length]
            if is_frame(frame):
                self._deliver(frame)

    def _flush(self) -> None:
        if self._peer is None or not self._outgoing:
            return
        try:
            sent = self._peer.send(self._outgoing)
        except BlockingIOError:
            return
        except OSError:
            self._hang_up()
            return
        del self._outgoing[:sent]
        self._took = time.monotonic()

    def _hang_up(self) -> None:
        if self._peer is not None:
            self._peer.close()
            self._peer = None
        self._outgoing.clear()
        self._next_try = time.monotonic() + self._spec.reconnect
        if self._door is None and not self._spec.reconnect:
            self._lost = f"{self._option}: the other end has hung up; the guest's cable leads nowhere now"


def adopted(descriptor: int, option: str) -> socket.socket:
    """An open socket that whoever started rdbg has handed down.

    Raises:
        RdbgError: it is none.
    """
    try:
        return socket.socket(fileno=descriptor)
    except OSError as error:
        raise RdbgError(f"{option}: fd={descriptor}: no open socket ({error.strerror}); name one") from error
