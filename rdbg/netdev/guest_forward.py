"""The host's end of a port of the guest's network."""

from __future__ import annotations

import select
from typing import Any

from rdbg.host.waiting import Watched
from rdbg.serial.ports import open_backend
from rdbg.serial.serial_spec import SerialSpec


class GuestForwardTarget:
    """Moves bytes between a back end as serial ports have it and a guest's connection.

    Args:
        spec: the back end; it is opened, and stays so for all connections.
        ffi, lib, slirp: libslirp and the network.
        address: a ``struct in_addr *``, which outlives this.
        port: of the guest's network.

    Raises:
        RdbgError: it cannot be opened.
    """

    def __init__(self, spec: SerialSpec, ffi: Any, lib: Any, slirp: Any, address: Any, port: int) -> None:
        self._ffi, self._lib, self._slirp, self._address, self._port = ffi, lib, slirp, address, port
        self._backend = open_backend(spec, label="guestfwd")
        self._pending = b""
        self.callback = ffi.callback("SlirpWriteCb", self._sent, error=-1)

    def watched(self) -> Watched:
        """What to wait for."""
        reads = self._backend.read_handles() if self._room() > len(self._pending) else []
        writes = self._backend.write_handles()
        return [(handle, select.POLLIN) for handle in reads] + [(handle, select.POLLOUT) for handle in writes]

    def poll(self, happened: dict[int, int]) -> None:
        """Pass on what has come.

        Args:
            happened: events by descriptor.
        """
        if any(happened.get(handle) for handle in self._backend.write_handles()):
            self._backend.flush()
        if not self._pending and any(happened.get(handle) for handle in self._backend.read_handles()):
            self._pending = self._backend.receive()
        self._pending += self._backend.overdue()
        if self._pending and (size := min(self._room(), len(self._pending))):
            taken, self._pending = self._pending[:size], self._pending[size:]
            data = self._ffi.from_buffer("uint8_t[]", taken)
            self._lib.slirp_socket_recv(self._slirp, self._address[0], self._port, data, size)

    def close(self) -> None:
        """Close the back end."""
        self._backend.close()

    def _room(self) -> int:
        return int(self._lib.slirp_socket_can_recv(self._slirp, self._address[0], self._port))

    def _sent(self, data: Any, length: int, opaque: Any) -> int:
        self._backend.send(bytes(self._ffi.buffer(data, length)))
        return length
