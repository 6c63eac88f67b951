"""A serial port that a debugger shows, since the terminal is its own."""

from __future__ import annotations

from typing import Protocol

from rdbg.serial.backend import SerialBackend
from rdbg.serial.plain_text import PlainText


class Screen(Protocol):
    """What shows the text."""

    def write(self, text: str) -> None:
        """Show it, at once or later."""

    @property
    def congested(self) -> bool:
        """Whether more than enough waits to be read."""

    def handles(self) -> list[int]:
        """File descriptors that what waits is waiting for."""

    def drain(self) -> None:
        """Pass on what waits, as far as it goes without blocking."""


class ScreenSerial(SerialBackend):
    """Output without input.

    Args:
        screen: gets the guest's output as plain text: what a terminal would answer, the debugger's prompt would get.
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._text = PlainText()

    def send(self, data: bytes) -> None:
        """Show it."""
        self._screen.write(self._text.feed(data))

    def write_handles(self) -> list[int]:
        """The debugger's connection, while something waits."""
        return self._screen.handles()

    def flush(self) -> None:
        """Pass on what waits."""
        self._screen.drain()

    @property
    def congested(self) -> bool:
        """Whether the debugger is slow."""
        return self._screen.congested
