"""A serial port on FIFOs: ``PATH.in`` leads to the guest and ``PATH.out`` from it, or ``PATH`` both ways.

A FIFO that nobody has open forgets what it holds: what is lost so is said in the end."""

from __future__ import annotations

import array
import fcntl
import os
import stat
import termios

from rdbg.errors import RdbgError
from rdbg.host.messages import say
from rdbg.host.outlet import Outlet
from rdbg.serial.outlet_serial import OutletSerial

# For reading and writing: opening waits for nobody, and the end does not come when the last writer goes.
_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class PipeSerial(OutletSerial):
    """Reads and writes FIFOs that somebody has made. The guest waits for who reads, once a FIFO is full.

    Args:
        path: without ``.in`` and ``.out``; where one of these is not there, a FIFO for both ways.
        option: as typed up to the path, for messages.

    Raises:
        RdbgError: there are none, or they are something else.
    """

    def __init__(self, path: str, option: str = "-serial pipe:") -> None:
        self._said = f"{option}{path}"
        super().__init__(f"{self._said}: writing")
        both = [f"{path}.in", f"{path}.out"]
        there = [os.path.exists(name) for name in both]
        self._names = both if all(there) or (any(there) and not os.path.exists(path)) else [path]
        self._handles: list[int] = []
        try:
            for name in self._names:
                self._handles.append(self._opened(name))
        except RdbgError:
            self.close()
            raise
        self._outlet = Outlet(self._handles[-1])
        if len(self._handles) == 1:
            say(f"{self._said}: one FIFO for both ways: the guest may hear what it says itself; {self._cure}")

    def read_handles(self) -> list[int]:
        """What leads to the guest."""
        return self._handles[:1]

    def receive(self) -> bytes:
        """What was written there."""
        try:
            return os.read(self._handles[0], 4096)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        """Close them; the files stay. What nobody has read goes, and that is said."""
        if not self._handles:
            return
        lost = unread = 0
        if self._outlet is not None:  # else opening failed
            self._outlet.flush()
            lost, unread = self._outlet.pending, _unread(self._handles[-1])
        for handle in self._handles:
            os.close(handle)
        self._handles, self._outlet = [], None
        if unread and not _has_reader(self._names[-1]):
            lost += unread
        if lost:
            say(
                f"{self._said}: {lost} bytes of output are lost: nobody has read {self._names[-1]}; "
                "have it read before the run ends"
            )

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
        return "make two with mkfifo PATH.in PATH.out"


def _unread(handle: int) -> int:
    """Bytes that a FIFO holds."""
    count = array.array("i", [0])
    fcntl.ioctl(handle, termios.FIONREAD, count)
    return count[0]


def _has_reader(name: str) -> bool:
    """Whether somebody has a FIFO open for reading: what it holds stays for him."""
    try:
        os.close(os.open(name, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY))
    except OSError:
        return False
    return True
