"""A Unix socket that is listened on, or connected to."""

from __future__ import annotations

import os
import socket
import stat

_BACKLOG = 4


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


def unix_connection(path: str) -> socket.socket:
    """A connection to who listens at that file.

    Raises:
        OSError: nobody does.
    """
    peer = socket.socket(socket.AF_UNIX)
    try:
        peer.connect(path)
    except OSError:
        peer.close()
        raise
    return peer


def _is_answered(path: str) -> bool:
    try:
        unix_connection(path).close()
    except OSError:
        return False
    return True
