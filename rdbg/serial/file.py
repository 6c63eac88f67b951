"""Serial output into a file, or into a FIFO."""

from __future__ import annotations

import errno
import os

from rdbg.errors import RdbgError
from rdbg.host.outlet import Outlet
from rdbg.serial.outlet_serial import OutletSerial

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK


class FileSerial(OutletSerial):
    """Writes what the guest sends to a file. The guest waits for who reads a FIFO, also to begin.

    Args:
        path: the file.
        append: it goes behind what is there; else that is removed.
        option: as typed up to the path, for messages.

    Raises:
        RdbgError: it cannot be opened.
    """

    def __init__(self, path: str, append: bool = False, option: str = "-serial file:") -> None:
        super().__init__(f"{option}{path}: writing")
        self._path = path
        self._flags = _FLAGS | (os.O_APPEND if append else os.O_TRUNC)
        self._option = option
        self._handle: int | None = None
        self._open()

    @property
    def ready(self) -> bool:
        """Whether somebody has opened the FIFO for reading."""
        if self._outlet is None:
            self._open()
        return self._outlet is not None

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
