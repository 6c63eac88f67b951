"""A TCP port that is listened on: GDB's, or a serial port's."""

from __future__ import annotations

import ipaddress
import select
import socket

from rdbg.address import Address

_BACKLOG = 4


def is_open_to_others(address: Address) -> bool:
    """Whether other hosts could connect to a port listened on at this address.

    Raises:
        OSError: the host's name is not known.
    """
    where = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][4]
    return not ipaddress.ip_address(str(where[0]).partition("%")[0]).is_loopback


class Listener:
    """An open port. Never blocks.

    Args:
        address: of this host; port 0 takes a free one.

    Raises:
        OSError: the port is in use, or the address is not this host's.
    """

    def __init__(self, address: Address) -> None:
        family, kind, protocol, _, where = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        self._socket = socket.socket(family, kind, protocol)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(where)
            self._socket.listen(_BACKLOG)
            self._socket.setblocking(False)
        except OSError:
            self._socket.close()
            raise

    @property
    def address(self) -> Address:
        """Host and port that are listened on."""
        host, port = self._socket.getsockname()[:2]
        return Address(str(host), int(port))

    def fileno(self) -> int:
        """The socket's descriptor, for select."""
        return self._socket.fileno()

    def knocked(self) -> bool:
        """Whether somebody wants in."""
        return bool(select.select([self], [], [], 0)[0])

    def accept(self) -> tuple[socket.socket, str] | None:
        """The next connection and its peer's address in words; None if there is none (any more)."""
        try:
            accepted, peer = self._socket.accept()
        except OSError:
            return None
        return accepted, f"{peer[0]}:{peer[1]}"

    def close(self) -> None:
        """Close the port."""
        self._socket.close()
