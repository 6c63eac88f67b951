"""A serial port on the terminal, or on pipes in its place."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import termios

from rdbg.host.outlet import Outlet
from rdbg.serial.outlet_serial import OutletSerial


class TerminalMode:
    """The terminal's modes, changed and given back.

    Args:
        handle: file descriptor; if it is no terminal nothing is changed.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._saved: list[int | list[bytes | int]] | None = None

    def make_raw(self, signals: bool) -> None:
        """No line editing, no echo. Output keeps its newline translation, as QEMU leaves it.

        Args:
            signals: whether Ctrl-C still makes a signal.
        """
        if not os.isatty(self._handle):
            return
        try:
            self._saved = termios.tcgetattr(self._handle)
            mode = termios.tcgetattr(self._handle)
        except termios.error:  # its other end has just been closed
            self._saved = None
            return
        mode[0] &= ~(
            termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP | termios.INLCR | termios.IGNCR
            | termios.ICRNL | termios.IXON
        )  # fmt: skip
        mode[1] |= termios.OPOST
        mode[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.IEXTEN)
        if not signals:
            mode[3] &= ~termios.ISIG
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        with contextlib.suppress(termios.error):
            termios.tcsetattr(self._handle, termios.TCSANOW, mode)

    def restore(self) -> None:
        """As it was before."""
        if self._saved is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._handle, termios.TCSANOW, self._saved)
            self._saved = None


class StdioSerial(OutletSerial):
    """Standard input and output.

    Args:
        signals: Ctrl-C ends the run; else it goes to the guest.
    """

    def __init__(self, signals: bool) -> None:
        super().__init__("-serial stdio: writing to standard output")
        self._input: int | None = sys.stdin.fileno()
        self._outlet = Outlet(sys.stdout.fileno())
        self._mode = TerminalMode(self._input)
        self._mode.make_raw(signals)

    def read_handles(self) -> list[int]:
        """Standard input, until its end."""
        return [] if self._input is None else [self._input]

    def receive(self) -> bytes:
        """What was typed."""
        if self._input is None:
            return b""
        try:
            data = os.read(self._input, 4096)
        except OSError:
            data = b""
        if not data:
            self._input = None  # the end of a pipe: the guest runs on without input
        return data

    @property
    def quit_requested(self) -> bool:
        """Whether nobody reads any more."""
        return self._error is not None and self._error.errno == errno.EPIPE

    @property
    def failure(self) -> str:
        """Why the guest's output is lost. A closed pipe is nothing of the kind: it ends the run."""
        return "" if self.quit_requested else super().failure

    def close(self) -> None:
        """Give the terminal its modes back."""
        self.flush()
        self._mode.restore()
