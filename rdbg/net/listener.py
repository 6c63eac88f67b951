"""A TCP port that is listened on: GDB's, or a serial port's."""

from __future__ import annotations

import ipaddress
import logging
import re
import select
import socket

from rdbg.errors import RdbgError
from rdbg.host.waiting import happened_within
from rdbg.net.tcp_address import LOOPBACK, TcpAddress

_BACKLOG = 4
_EVERY_ADDRESS = "0.0.0.0"
#: A request line, whatever its method.
_HTTP_REQUEST = re.compile(rb"[!-~]+ [!-~]+ HTTP/[0-9]")
#: RFC 9110 section 9, and RFC 5789.
_HTTP_METHODS = frozenset(b"GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH".split())
#: RFC 8489 section 5; over TCP a length of two bytes may stand before the request (RFC 4571).
_STUN_COOKIE = b"\x21\x12\xa4\x42"
_STUN_DECIDED = 10
#: A handshake record of TLS (RFC 8446 section 5.1).
_TLS = b"\x16\x03"

_log = logging.getLogger("rdbg.listener")


def permitted_address(address: TcpAddress, listen_any: bool, option: str) -> TcpAddress:
    """Where to listen for what an option asks for: on loopback, unless the user says in words that it may be more.

    Args:
        address: of the option; where it names no host, that is loopback's.
        listen_any: ``--listen-any`` was given: then no host is every address, as for QEMU.
        option: as typed up to the address, for messages; e.g. ``-serial tcp``.

    Raises:
        RdbgError: the address is open to others and may not be, or its host's name is not known.
    """
    if listen_any:
        where = TcpAddress(_EVERY_ADDRESS, address.port) if address.host == LOOPBACK else address
        _log.warning("%s:%s: whoever can connect there can change the guest", option, where)
        return where
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][4]
    except OSError as error:
        raise RdbgError(f"{option}:{address}: {error.strerror or error}") from error
    if not is_loopback(str(found[0])):
        raise RdbgError(
            f"{option}:{address} is open to other hosts, and whoever connects can change the guest; if that is meant, "
            f"add --listen-any, or else write {option}::{address.port}"
        )
    return address


def is_loopback(host: str) -> bool:
    """Whether an address, in numbers, is this computer's alone."""
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback


def foreign(first: bytes) -> str | None:
    """What a connection is that a web page may have made, told by the first bytes that came over it; None: it may be
    a person's, or a program's that the user has started.

    A page can make its reader's browser send requests to any port of the same computer, with a body of any text.
    """
    first = first.lstrip(b"\r\n")  # servers pass over line ends before a request (RFC 9112 section 2.2)
    method, _, target = first.partition(b" ")
    if (method in _HTTP_METHODS and target[:1] in (b"/", b"*")) or _HTTP_REQUEST.match(first):
        return "an HTTP request"
    if first.startswith(_TLS):
        return "a TLS handshake"
    if first[4:8] == _STUN_COOKIE or first[6:10] == _STUN_COOKIE:
        return "a STUN request"
    return None


def may_become_foreign(first: bytes) -> bool:
    """Whether so few bytes have come that more of them may make a web page's request of it: some bytes decide, and they
    come at once. What `foreign` names already is none."""
    if first[:1] == b"\0":
        return len(first) < _STUN_DECIDED
    return bool(first) and (first == _TLS[:1] or any((method + b" ").startswith(first) for method in _HTTP_METHODS))


def send_at_once(connection: socket.socket) -> None:
    """Let small messages leave a TCP connection as they are written, instead of waiting for more."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Listener:
    """An open port. Never blocks.

    Args:
        address: of this host; port 0 takes a free one.

    Raises:
        OSError: the port is in use, or the address is not this host's.
    """

    def __init__(self, address: TcpAddress) -> None:
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
    def address(self) -> TcpAddress:
        """Host and port that are listened on."""
        host, port = self._socket.getsockname()[:2]
        return TcpAddress(str(host), int(port))

    def fileno(self) -> int:
        """The socket's descriptor, for select."""
        return self._socket.fileno()

    def knocked(self) -> bool:
        """Whether somebody wants in."""
        return bool(happened_within(0, [(self.fileno(), select.POLLIN)]))

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
