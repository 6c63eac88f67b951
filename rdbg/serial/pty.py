"""A serial port on a pseudo-terminal, for screen, minicom, cu."""

from __future__ import annotations

import os
import sys
import tty

from rdbg.errors import RdbgError
from rdbg.serial.backend import CONGESTION_BYTES, SerialBackend


class PtySerial(SerialBackend):
    """A new pseudo-terminal, whose name is said. Its other end is held open, so that programs may come and go.

    Nobody need read there: what is not read is kept up to a bound and then dropped, and the guest does not wait.

    Args:
        label: what it is for, as QEMU says it: ``serial0``.
        option: as typed, for messages.

    Raises:
        RdbgError: there is none left.
    """

    def __init__(self, label: str, option: str = "-serial pty") -> None:
        try:
            self._handle, self._other = os.openpty()
        except OSError as error:
            raise RdbgError(f"{option}: cannot open a pseudo-terminal: {error.strerror}") from error
        tty.setraw(self._other)
        os.set_blocking(self._handle, False)
        self._pending = bytearray()
        self.name = os.ttyname(self._other)  #: its file
        print(f"char device redirected to {self.name} (label {label})", file=sys.stderr, flush=True)

    def read_handles(self) -> list[int]:
        """This end."""
        return [self._handle] if self._handle >= 0 else []

    def write_handles(self) -> list[int]:
        """This end, while output waits."""
        return [self._handle] if self._handle >= 0 and self._pending else []

    def receive(self) -> bytes:
        """What was typed there."""
        try:
            data = os.read(self._handle, 4096)
        except OSError:
            data = b""
        return data

    def send(self, data: bytes) -> None:
        """Write it, or keep what does not go at once."""
        self._pending += data
        self.flush()
        del self._pending[: max(0, len(self._pending) - CONGESTION_BYTES)]

    def flush(self) -> None:
        """Write what waits."""
        while self._pending:
            try:
                written = os.write(self._handle, self._pending)
            except OSError:
                return
            del self._pending[:written]

    def close(self) -> None:
        """Give the terminal back."""
        if self._handle >= 0:
            self.flush()
            os.close(self._handle)
            os.close(self._other)
            self._handle = -1
