"""Standard error, as a place to print to."""

from __future__ import annotations

import errno
import sys

from rdbg.host.outlet import Outlet
from rdbg.serial.backend import SerialBackend


class StderrSerial(SerialBackend):
    """Output without input."""

    def __init__(self) -> None:
        self._outlet = Outlet(sys.stderr.fileno())

    def send(self, data: bytes) -> None:
        """Write it, as far as it goes at once."""
        self._outlet.write(data)

    def write_handles(self) -> list[int]:
        """Standard error, while something waits."""
        return self._outlet.handles()

    def flush(self) -> None:
        """Write what waits."""
        self._outlet.flush()

    @property
    def congested(self) -> bool:
        """Whether the terminal or the pipe takes nothing more."""
        return self._outlet.pending > 0

    @property
    def failure(self) -> str:
        """Why the guest's output is lost."""
        error = self._outlet.failure
        if error is None or error.errno == errno.EPIPE:
            return ""
        return f"-semihosting: writing to standard error failed: {error.strerror}"
