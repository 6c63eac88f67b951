"""A network on datagrams: a frame in each, to one peer or to all that have joined a multicast group."""

from __future__ import annotations

import ipaddress
import logging
import os
import select
import socket
import struct

from rdbg.emu.device import LONGEST_FRAME
from rdbg.errors import RdbgError
from rdbg.host.waiting import Watched
from rdbg.net.tcp_address import TcpAddress
from rdbg.netdev.exposure import tell_exposure
from rdbg.netdev.netdev_spec import DatagramNet
from rdbg.netdev.network_backend import Deliver, NetworkBackend, is_frame
from rdbg.netdev.stream_network import adopted

_log = logging.getLogger("rdbg.network")

#: How many datagrams are taken at once, so that a flood lets the guest run too.
_AT_ONCE = 256


class DatagramNetwork(NetworkBackend):
    """A `DatagramNet`.

    Args:
        spec: what was asked for.
        option: as typed, for messages.
        deliver: gets what comes.

    Raises:
        RdbgError: the address is in use, or none of this host's.
    """

    def __init__(self, spec: DatagramNet, option: str, deliver: Deliver) -> None:
        super().__init__(deliver)
        self._option = option
        self._unlink = ""
        self._remote: str | tuple[str, int] | None = spec.remote_path or None
        self._own: object = None  # where what is sent here comes from, if that comes back
        self._receiver: socket.socket | None = None
        self._sender: socket.socket | None = None
        try:
            remote = None if spec.remote is None else _resolved(spec.remote)
            if remote is not None:
                self._remote = (remote.host, remote.port)
            if spec.descriptor is not None:
                self._receiver = self._sender = adopted(spec.descriptor, option)
            elif remote is not None and ipaddress.ip_address(remote.host).is_multicast:
                self._join(remote, spec.local)
            elif spec.local_path or spec.remote_path:
                self._receiver = self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                if spec.local_path:
                    self._receiver.bind(spec.local_path)
                    self._unlink = spec.local_path
            else:
                assert spec.local is not None
                self._receiver = self._sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                self._receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self._receiver.bind((spec.local.host, spec.local.port))
                tell_exposure(option, TcpAddress(*self._receiver.getsockname()[:2]), _log)
            for end in (self._receiver, self._sender):
                if end is not None:
                    end.setblocking(False)
        except OSError as error:
            self.close()
            reason = error.strerror or str(error)
            where = spec.local_path or spec.local or spec.remote_path or spec.remote
            raise RdbgError(f"{option}: cannot use {where}: {reason}; choose another address") from error

    def send(self, frame: bytes) -> None:
        """Send a frame, or drop it."""
        if self._sender is None:
            return
        try:
            if self._remote is None:
                self._sender.send(frame)
            else:
                self._sender.sendto(frame, self._remote)
        except OSError:
            return  # nobody is there, or too much is on its way: as on a wire

    def watched(self) -> Watched:
        """The socket."""
        return [] if self._receiver is None else [(self._receiver.fileno(), select.POLLIN)]

    def poll(self) -> None:
        """Take what has come."""
        for _ in range(_AT_ONCE):
            if self._receiver is None:
                return
            try:
                frame, sender = self._receiver.recvfrom(LONGEST_FRAME)
            except OSError:
                return
            if is_frame(frame) and (self._own is None or sender != self._own):
                self._deliver(frame)

    def close(self) -> None:
        """Close the socket; a Unix socket's file goes."""
        for end in (self._receiver, self._sender):
            if end is not None:
                end.close()
        self._receiver = self._sender = None
        if self._unlink:
            try:
                os.unlink(self._unlink)
            except OSError:
                pass  # somebody was quicker
            self._unlink = ""

    def _join(self, group: TcpAddress, local: TcpAddress | None) -> None:
        """Hear a group on a socket, and speak to it from another: what comes back is then known by its source."""
        interface = socket.inet_aton(local.host if local is not None else "0.0.0.0")
        self._receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._receiver.bind((group.host, group.port))
        member = struct.pack("4s4s", socket.inet_aton(group.host), interface)
        self._receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        self._sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
        if local is not None:
            self._sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
        self._sender.connect((group.host, group.port))  # for the address that it sends from
        self._own = self._sender.getsockname()
        self._remote = None


def _resolved(address: TcpAddress) -> TcpAddress:
    """The same with a name's number; asked once, so that no frame waits for a name server."""
    return TcpAddress(socket.gethostbyname(address.host), address.port)
