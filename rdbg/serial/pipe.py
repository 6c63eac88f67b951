"""A serial port on FIFOs: ``PATH.in`` leads to the guest and ``PATH.out`` from it, or ``PATH`` both ways."""

from __future__ import annotations

import os
import stat

from rdbg.errors import RdbgError
from rdbg.host.outlet import Outlet
from rdbg.serial.backend import SerialBackend

# For reading and writing: opening waits for nobody, and the end does not come when the last writer goes.
_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class PipeSerial(SerialBackend):
    """Reads and writes FIFOs that somebody has made. The guest waits for who reads, once a FIFO is full.

    Args:
        path: without ``.in`` and ``.out``; where one of these is not there, a FIFO for both ways.
        option: as typed up to the path, for messages.

    Raises:
        RdbgError: there are none, or they are something else.
    """

    def __init__(self, path: str, option: str = "-serial pipe:") -> None:
        self._said = f"{option}{path}"
        both = [f"{path}.in", f"{path}.out"]
        names = both if all(os.path.exists(name) for name in both) else [path]
        self._handles: list[int] = []
        try:
            for name in names:
                self._handles.append(self._opened(name))
        except RdbgError:
            self.close()
            raise
        self._outlet = Outlet(self._handles[-1])

    def read_handles(self) -> list[int]:
        """What leads to the guest."""
        return self._handles[:1]

    def write_handles(self) -> list[int]:
        """What leads from it, while something waits."""
        return self._outlet.handles() if self._handles else []

    def receive(self) -> bytes:
        """What was written there."""
        try:
            return os.read(self._handles[0], 4096)
        except BlockingIOError:
            return b""

    def send(self, data: bytes) -> None:
        """Write it."""
        if self._handles:
            self._outlet.write(data)

    def flush(self) -> None:
        """Write what waits."""
        if self._handles:
            self._outlet.flush()

    @property
    def congested(self) -> bool:
        """Whether the FIFO takes nothing more."""
        return bool(self._handles) and self._outlet.pending > 0

    @property
    def failure(self) -> str:
        """Why the guest's output is lost."""
        error = self._outlet.failure
        return "" if error is None else f"{self._said}: writing failed: {error.strerror}"

    def close(self) -> None:
        """Close them; the files stay."""
        for handle in self._handles:
            os.close(handle)
        self._handles = []

    def _opened(self, name: str) -> int:
        try:
            handle = os.open(name, _FLAGS)
        except (OSError, ValueError) as error:  # the latter: a name that no file can have
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise RdbgError(f"{self._said}: cannot open {name}: {reason}; {self._cure}") from error
        if stat.S_ISFIFO(os.fstat(handle).st_mode):
            return handle
        os.close(handle)
        raise RdbgError(f"{self._said}: {name} is no FIFO; {self._cure}")

    @property
    def _cure(self) -> str:
        return "make it with mkfifo PATH.in PATH.out"
