"""``-pidfile``: a file with rdbg's process number, for who wants to end it."""

from __future__ import annotations

import fcntl
import os

from rdbg.errors import RdbgError


class PidFile:
    """The file, there and locked as long as the process wants it.

    Args:
        path: its name; one that an ended process has left behind is used again.

    Raises:
        RdbgError: it cannot be written, or another process has it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise RdbgError(f"-pidfile {path}: cannot write it: {error.strerror}") from error
        try:
            fcntl.lockf(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._handle, 0)
            os.write(self._handle, b"%d\n" % os.getpid())
        except OSError as error:
            os.close(self._handle)
            reason = "another process has it" if isinstance(error, BlockingIOError) else error.strerror
            raise RdbgError(f"-pidfile {path}: cannot write it: {reason}; choose another file") from error

    def close(self) -> None:
        """Remove it, unless the name stands for another file by now."""
        try:
            if os.path.samestat(os.fstat(self._handle), os.lstat(self._path)):
                os.unlink(self._path)
        except OSError:
            pass
        os.close(self._handle)
