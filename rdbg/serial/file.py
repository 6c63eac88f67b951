"""Serial output into a file, or into a FIFO."""

from __future__ import annotations

import errno
import os

from rdbg.errors import RdbgError
from rdbg.host.outlet import Outlet
from rdbg.serial.backend import SerialBackend

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK


class FileSerial(SerialBackend):
    """Writes what the guest sends to a file. The guest waits for who reads a FIFO, also to begin.

    Args:
        path: the file.
        append: it goes behind what is there; else that is removed.
        option: as typed up to the path, for messages.

    Raises:
        RdbgError: it cannot be opened.
    """

    def __init__(self, path: str, append: bool = False, option: str = "-serial file:") -> None:
        self._path = path
        self._flags = _FLAGS | (os.O_APPEND if append else os.O_TRUNC)
        self._option = option
        self._handle: int | None = None
        self._outlet: Outlet | None = None
        self._open()

    @property
    def ready(self) -> bool:
        """Whether somebody has opened the FIFO for reading."""
        if self._outlet is None:
            self._open()
        return self._outlet is not None

    def send(self, data: bytes) -> None:
        """Write it."""
        if self._outlet is not None:
            self._outlet.write(data)

    def write_handles(self) -> list[int]:
        """The FIFO, while something waits."""
        return [] if self._outlet is None else self._outlet.handles()

    def flush(self) -> None:
        """Write what waits."""
        if self._outlet is not None:
            self._outlet.flush()

    @property
    def congested(self) -> bool:
        """Whether the FIFO takes nothing more."""
        return self._outlet is not None and self._outlet.pending > 0

    @property
    def failure(self) -> str:
        """Why the guest's output is lost."""
        error = None if self._outlet is None else self._outlet.failure
        return "" if error is None else f"{self._option}{self._path}: writing failed: {error.strerror}"

    def close(self) -> None:
        """Close the file."""
        if self._handle is not None:
            self.flush()
            os.close(self._handle)
            self._handle = self._outlet = None

    def _open(self) -> None:
        try:
            self._handle = os.open(self._path, self._flags, 0o666)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return  # a FIFO that nobody reads yet
            raise RdbgError(f"{self._option}{self._path}: cannot write it: {error.strerror}") from error
        self._outlet = Outlet(self._handle)
