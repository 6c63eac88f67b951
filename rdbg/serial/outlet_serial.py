"""Serial ends whose output goes into a descriptor of this process."""

from __future__ import annotations

from rdbg.host.outlet import Outlet
from rdbg.serial.backend import SerialBackend


class OutletSerial(SerialBackend):
    """Writes what the guest sends to an outlet, once there is one. The guest waits for who reads a pipe, a FIFO or a
    terminal.

    Args:
        writing: what failed where writing fails, for messages: ``-serial file:F: writing``.
    """

    def __init__(self, writing: str) -> None:
        self._writing = writing
        self._outlet: Outlet | None = None

    def send(self, data: bytes) -> None:
        """Write it, as far as it goes at once."""
        if self._outlet is not None:
            self._outlet.write(data)

    def write_handles(self) -> list[int]:
        """What it is written to, while something waits."""
        return [] if self._outlet is None else self._outlet.handles()

    def flush(self) -> None:
        """Write what waits."""
        if self._outlet is not None:
            self._outlet.flush()

    @property
    def congested(self) -> bool:
        """Whether the reader takes nothing more."""
        return self._outlet is not None and self._outlet.pending > 0

    @property
    def failure(self) -> str:
        """Why the guest's output is lost."""
        error = self._error
        return "" if error is None else f"{self._writing} failed: {error.strerror}"

    @property
    def _error(self) -> OSError | None:
        return None if self._outlet is None else self._outlet.failure
