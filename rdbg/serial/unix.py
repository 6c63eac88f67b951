"""A serial port on a Unix socket."""

from __future__ import annotations

from rdbg.errors import RdbgError
from rdbg.net.unix_door import UnixDoor, unix_connection
from rdbg.serial.sockets import SocketSerial


class UnixSerial(SocketSerial):
    """A serial port on a Unix socket: a file that only those may connect to who may write to it.

    Args:
        path: the file.
        server: listen; the file is made, and goes again in the end.
        wait: the guest may not start before somebody has connected.
        option: as typed up to the path, for messages.

    Raises:
        RdbgError: something else has that name, or somebody else listens there, or nobody does.
    """

    def __init__(self, path: str, server: bool, wait: bool, option: str = "-serial unix:") -> None:
        try:
            door = UnixDoor(path) if server else None
            peer = None if server else unix_connection(path)
        except OSError as error:
            action = "listen" if server else "connect"
            reason = error.strerror or str(error)
            raise RdbgError(f"{option}{path}: cannot {action}: {reason}; choose another file") from error
        super().__init__(door, peer, wait)
