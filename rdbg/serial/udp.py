"""A serial port on datagrams to and from one peer."""

from __future__ import annotations

import logging
import socket

from rdbg.errors import RdbgError
from rdbg.net.listener import is_loopback, permitted_address
from rdbg.net.tcp_address import LOOPBACK, TcpAddress
from rdbg.serial.backend import SerialBackend

_log = logging.getLogger("rdbg.serial")

_LONGEST = 65_507  #: bytes of a datagram
#: What goes in one: as much as a network passes on in one piece.
_MOST_SENT = 1400


class UdpSerial(SerialBackend):
    """Sends what the guest sends to a peer, and takes what comes from that peer alone. What nobody hears is lost.

    Args:
        peer: where it is sent.
        local: where it comes from, and where the peer sends to; None: any port.
        listen_any: ``local`` may be an address that other hosts reach.
        option: as typed up to the address, for messages.

    Raises:
        RdbgError: an address is not known, in use, or open to others and may not be.
    """

    def __init__(
        self, peer: TcpAddress, local: TcpAddress | None, listen_any: bool = False, option: str = "-serial udp"
    ) -> None:
        if local is not None:
            local = permitted_address(local, listen_any, option)
        try:
            family, kind, protocol, _, where = socket.getaddrinfo(peer.host, peer.port, type=socket.SOCK_DGRAM)[0]
            if local is None and is_loopback(str(where[0])):
                local = TcpAddress(LOOPBACK if family == socket.AF_INET else "::1", 0)
            self._socket = socket.socket(family, kind, protocol)
        except OSError as error:
            raise RdbgError(f"{option}:{peer}: {error.strerror or error}; name another host") from error
        try:
            if local is not None:
                self._socket.bind((local.host, local.port))
            self._socket.connect(where)  # what others send is dropped
            self._socket.setblocking(False)
        except OSError as error:
            self._socket.close()
            at = "" if local is None else f"@{local}"
            raise RdbgError(f"{option}:{peer}{at}: {error.strerror or error}; choose another address") from error
        _log.info("%s: from %s to %s", option, self.address, peer)

    @property
    def address(self) -> TcpAddress:
        """Where the peer sends to."""
        host, port = self._socket.getsockname()[:2]
        return TcpAddress(str(host), int(port))

    def read_handles(self) -> list[int]:
        """The socket."""
        return [self._socket.fileno()] if self._socket.fileno() >= 0 else []

    def receive(self) -> bytes:
        """What a datagram brought."""
        try:
            return self._socket.recv(_LONGEST)
        except OSError:
            return b""  # none, or that an earlier one reached nobody

    def send(self, data: bytes) -> None:
        """Send it."""
        for at in range(0, len(data), _MOST_SENT):
            try:
                self._socket.send(data[at : at + _MOST_SENT])
            except OSError:
                pass  # nobody is there, or too much is on its way: as on a wire

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
