"""Serial output into a file."""

from __future__ import annotations

from rdbg.errors import RdbgError
from rdbg.serial.backend import SerialBackend


class FileSerial(SerialBackend):
    """Writes what the guest sends to a file, from its beginning, unbuffered.

    Args:
        path: the file; emptied if it exists.

    Raises:
        RdbgError: it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self._file = open(path, "wb", buffering=0)
        except OSError as error:
            raise RdbgError(f"-serial file:{path}: cannot write it: {error.strerror}") from error

    def send(self, data: bytes) -> None:
        """Write it."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise RdbgError(f"-serial file:{self._path}: writing failed: {error.strerror}") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()
