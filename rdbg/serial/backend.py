"""The host end of one serial port."""

from __future__ import annotations

from abc import ABC, abstractmethod

#: Output that waits for a slow reader; with more than this the guest waits too.
CONGESTION_BYTES = 64 << 10


class SerialBackend(ABC):
    """Takes what the guest sends, gives what it is sent. Never blocks."""

    def read_handles(self) -> list[int]:
        """File descriptors that announce input."""
        return []

    def write_handles(self) -> list[int]:
        """File descriptors that output waits for."""
        return []

    def receive(self) -> bytes:
        """What has come for the guest; called when a read handle announced something."""
        return b""

    def overdue(self) -> bytes:
        """What has come for the guest and was held back, and need not be any longer; asked often."""
        return b""

    def take_arrival(self) -> bool:
        """Whether somebody has come to this end since the last call."""
        return False

    def take_breaks(self) -> int:
        """How many break conditions the user has asked for since the last call."""
        return 0

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Take what the guest sent. Raises nothing: the machine is in the middle of a store."""

    def flush(self) -> None:
        """Pass on what waits, as far as it goes without blocking."""

    @property
    def congested(self) -> bool:
        """Whether the guest should wait until output has drained."""
        return False

    @property
    def failure(self) -> str:
        """Why output is lost that should not be (a file on a full disk), in a line; empty: it is not."""
        return ""

    @property
    def ready(self) -> bool:
        """Whether the guest may start (false: a server that was told to wait for its client)."""
        return True

    @property
    def quit_requested(self) -> bool:
        """Whether the user asked here to end the run."""
        return False

    def close(self) -> None:
        """Give back what was taken: terminal modes, sockets. May be called twice."""


class NullSerial(SerialBackend):
    """Drops everything."""

    def send(self, data: bytes) -> None:
        """Drop it."""
