"""Bytes on their way out of rdbg to a reader that may be slow, or have stopped reading."""

from __future__ import annotations

import errno
import os
import select
import stat
import time

from rdbg.errors import RdbgError
from rdbg.host.waiting import happened_within

#: poll() answers for a pipe that this many bytes go without blocking (POSIX's least PIPE_BUF).
_ATOMIC_BYTES = 512
_FILE_BYTES = 1 << 20


def open_outlet(path: str, what: str, flags: int = os.O_CREAT | os.O_TRUNC) -> int:
    """A descriptor for what is written to a file, or to a FIFO that somebody reads.

    Args:
        path: its name.
        what: names it, as typed, for messages.
        flags: beside that it is for writing.

    Raises:
        RdbgError: it cannot be written. A FIFO that nobody reads would be waited at for ever.
    """
    try:
        return os.open(path, flags | os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY, 0o666)
    except (OSError, ValueError) as error:  # the latter: a name that no file can have
        reason = error.strerror if isinstance(error, OSError) else str(error)
        if isinstance(error, OSError) and error.errno == errno.ENXIO:
            reason = "nobody reads it; start its reader before"
        raise RdbgError(f"{what}: cannot write it: {reason}") from error


class Outlet:
    """Takes all that is written to it and passes it on as far as that goes without waiting.

    Args:
        handle: file descriptor of a file, pipe, FIFO or terminal; it stays the caller's.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._most = _FILE_BYTES if stat.S_ISREG(os.fstat(handle).st_mode) else _ATOMIC_BYTES
        self._pending = bytearray()
        self.failure: OSError | None = None  #: why nothing is passed on any more

    @property
    def pending(self) -> int:
        """Bytes that wait for the reader."""
        return len(self._pending)

    def handles(self) -> list[int]:
        """What to wait for until something can be passed on."""
        return [self._handle] if self._pending else []

    def write(self, data: bytes) -> None:
        """Take ``data``. After a failure it is dropped."""
        if self.failure is None:
            self._pending += data
            self.flush()

    def flush(self) -> None:
        """Pass on what waits, as far as it goes."""
        while self._pending and happened_within(0, [(self._handle, select.POLLOUT)]):
            try:
                written = os.write(self._handle, self._pending[: self._most])
            except BlockingIOError:
                return
            except OSError as error:
                self.failure = error
                self._pending.clear()
                return
            del self._pending[:written]

    def drain(self, seconds: float) -> None:
        """Pass on what waits, for at most so long."""
        deadline = time.monotonic() + seconds
        while self._pending and (left := deadline - time.monotonic()) > 0:
            happened_within(left, [(self._handle, select.POLLOUT)])
            self.flush()
