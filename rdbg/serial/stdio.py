"""A serial port on the terminal, or on pipes in its place."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import termios

from rdbg.host.messages import tell
from rdbg.host.outlet import Outlet
from rdbg.serial.backend import SerialBackend
from rdbg.serial.monitor_console import MonitorConsole

ESCAPE = 0x01  # Ctrl-A, as in QEMU

_HELP = (
    "Ctrl-A h    print this help\n"
    "Ctrl-A x    end the run\n"
    "Ctrl-A c    go to the monitor, and back\n"
    "Ctrl-A b    send a break (Linux: magic SysRq)\n"
    "Ctrl-A Ctrl-A or Ctrl-A a    send Ctrl-A"
)
_TERMINATED = "rdbg: terminated"


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


class StdioSerial(SerialBackend):
    """Standard input and output.

    Args:
        escape: Ctrl-A begins a command to rdbg, and Ctrl-C goes to the guest.
    """

    def __init__(self, escape: bool) -> None:
        #: The monitor behind Ctrl-A c. It answers on standard error: see `_tell`.
        self._answers = Outlet(sys.stderr.fileno())
        self.console = MonitorConsole(self._answers.write, echo=os.isatty(sys.stdin.fileno())) if escape else None
        self._in_monitor = False
        self._input: int | None = sys.stdin.fileno()
        self._output = Outlet(sys.stdout.fileno())
        self._escape = escape
        self._escaped = False
        self._breaks = 0
        self._quit = False
        self._mode = TerminalMode(self._input)
        self._mode.make_raw(signals=not escape)

    def read_handles(self) -> list[int]:
        """Standard input, until its end."""
        return [] if self._input is None else [self._input]

    def write_handles(self) -> list[int]:
        """Standard output and, for the monitor, standard error, while something waits."""
        return [*self._output.handles(), *self._answers.handles()]

    def receive(self) -> bytes:
        """What was typed, without the commands to rdbg."""
        if self._input is None:
            return b""
        try:
            data = os.read(self._input, 4096)
        except OSError:
            data = b""
        if not data:
            self._input = None  # the end of a pipe: the guest runs on without input
            return b""
        return self._without_commands(data) if self._escape else data

    def take_breaks(self) -> int:
        """How often Ctrl-A b was typed."""
        breaks, self._breaks = self._breaks, 0
        return breaks

    def send(self, data: bytes) -> None:
        """Write it, as far as it goes at once."""
        self._output.write(data)

    def flush(self) -> None:
        """Write what waits."""
        self._output.flush()
        self._answers.flush()

    @property
    def failure(self) -> str:
        """Why the guest's output is lost. A closed pipe is nothing of the kind: it ends the run."""
        error = self._output.failure
        if error is None or error.errno == errno.EPIPE:
            return ""
        return f"-serial stdio: writing to standard output failed: {error.strerror}"

    @property
    def congested(self) -> bool:
        """Whether the terminal or the pipe takes nothing more."""
        return self._output.pending > 0

    @property
    def quit_requested(self) -> bool:
        """Whether Ctrl-A x was typed, or nobody reads any more."""
        error = self._output.failure
        return self._quit or (error is not None and error.errno == errno.EPIPE)

    def close(self) -> None:
        """Give the terminal its modes back."""
        self.flush()
        self._mode.restore()

    def _without_commands(self, data: bytes) -> bytes:
        kept = bytearray()
        for byte in data:
            if not self._escaped:
                self._escaped = byte == ESCAPE
                if not self._escaped:
                    self._take(byte, kept)
                continue
            self._escaped = False
            command = chr(byte).lower()
            if command == "x":
                _tell(_TERMINATED)
                self._quit = True
            elif command in ("h", "?"):
                _tell(_HELP)
            elif command == "b":
                self._breaks += 1
            elif command == "c" and self.console is not None:
                self._in_monitor = not self._in_monitor
                if self._in_monitor:
                    self.console.greet()
                else:
                    _tell("")
            elif byte == ESCAPE or command == "a":
                self._take(ESCAPE, kept)
        return bytes(kept)

    def _take(self, byte: int, kept: bytearray) -> None:
        if self._in_monitor and self.console is not None:
            self.console.typed(bytes([byte]))
        else:
            kept.append(byte)


def _tell(text: str) -> None:
    """Answer the user, on standard error: standard output is what the guest sent and nothing else, so that a recording
    and its replays print the same."""
    tell(f"\n{text}")
