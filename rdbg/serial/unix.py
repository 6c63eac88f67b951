"""A serial port on a Unix socket."""

from __future__ import annotations

import os
import socket
import stat

from rdbg.errors import RdbgError
from rdbg.serial.sockets import SocketSerial

_BACKLOG = 4


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

    def __init__(self, path: str, server: bool, wait: bool, option: str = "-serial unix") -> None:
        try:
            door = UnixDoor(path) if server else None
            peer = None if server else _connected(path)
        except OSError as error:
            action = "listen" if server else "connect"
            reason = error.strerror or str(error)
            raise RdbgError(f"{option}:{path}: cannot {action}: {reason}; choose another file") from error
        super().__init__(door, peer, wait)


class UnixDoor:
    """A Unix socket that is listened on.

    Args:
        path: the file. One that a process has left behind that is no more is replaced.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        if os.path.lexists(path) and stat.S_ISSOCK(os.lstat(path).st_mode) and not _is_answered(path):
            os.unlink(path)
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.bind(path)
            self._made = os.lstat(path).st_ino
            self._socket.listen(_BACKLOG)
            self._socket.setblocking(False)
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """The socket's descriptor, for select."""
        return self._socket.fileno()

    def accept(self) -> tuple[socket.socket, str] | None:
        """The next connection; None if there is none (any more)."""
        try:
            return self._socket.accept()[0], self._path
        except OSError:
            return None

    def close(self) -> None:
        """Close it. The file goes, if it is still this one's."""
        self._socket.close()
        try:
            if os.lstat(self._path).st_ino == self._made:
                os.unlink(self._path)
        except OSError:
            pass  # somebody was quicker


def _connected(path: str) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX)
    try:
        peer.connect(path)
    except OSError:
        peer.close()
        raise
    return peer


def _is_answered(path: str) -> bool:
    try:
        _connected(path).close()
    except OSError:
        return False
    return True
