"""A host end of a serial port with something between it and the port."""

from __future__ import annotations

from rdbg.serial.backend import SerialBackend


class AroundSerial(SerialBackend):
    """Passes all on to another end, and back.

    Args:
        end: the other; closed with this.
    """

    def __init__(self, end: SerialBackend) -> None:
        self._end = end

    def read_handles(self) -> list[int]:
        """The end's."""
        return self._end.read_handles()

    def write_handles(self) -> list[int]:
        """The end's."""
        return self._end.write_handles()

    def receive(self) -> bytes:
        """What has come there."""
        return self._end.receive()

    def overdue(self) -> bytes:
        """What was held back there."""
        return self._end.overdue()

    def take_arrival(self) -> bool:
        """Whether somebody has come there."""
        return self._end.take_arrival()

    def take_breaks(self) -> int:
        """How many breaks were asked for there."""
        return self._end.take_breaks()

    def send(self, data: bytes) -> None:
        """Pass it on."""
        self._end.send(data)

    def flush(self) -> None:
        """Let it go there."""
        self._end.flush()

    @property
    def congested(self) -> bool:
        """Whether the guest should wait for that end."""
        return self._end.congested

    @property
    def failure(self) -> str:
        """Why output is lost there."""
        return self._end.failure

    @property
    def ready(self) -> bool:
        """Whether that end lets the guest start."""
        return self._end.ready

    @property
    def quit_requested(self) -> bool:
        """Whether the run is to end, as was asked there."""
        return self._end.quit_requested

    def close(self) -> None:
        """Close it."""
        self._end.close()
