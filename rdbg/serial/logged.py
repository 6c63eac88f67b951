"""What leaves through a host end, written to a file too (``-chardev ...,logfile=F``)."""

from __future__ import annotations

from rdbg.serial.around import AroundSerial
from rdbg.serial.backend import SerialBackend
from rdbg.serial.file import FileSerial


class LoggedSerial(AroundSerial):
    """An end whose output goes to a file as well, also while nobody is connected to it.

    Args:
        end: the end.
        log: the file.
    """

    def __init__(self, end: SerialBackend, log: FileSerial) -> None:
        super().__init__(end)
        self._log = log

    def write_handles(self) -> list[int]:
        """The end's, and the file's where it is a FIFO."""
        return [*self._end.write_handles(), *self._log.write_handles()]

    def send(self, data: bytes) -> None:
        """Pass it on, and write it to the file."""
        self._log.send(data)
        self._end.send(data)

    def flush(self) -> None:
        """Let it go to both."""
        self._end.flush()
        self._log.flush()

    @property
    def congested(self) -> bool:
        """Whether the guest should wait for one of the two."""
        return self._end.congested or self._log.congested

    @property
    def failure(self) -> str:
        """Why output is lost at one of the two."""
        return self._end.failure or self._log.failure

    @property
    def ready(self) -> bool:
        """Whether both let the guest start."""
        return self._end.ready and self._log.ready

    def close(self) -> None:
        """Close both."""
        self._end.close()
        self._log.close()
