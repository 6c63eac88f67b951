"""A monitor that is typed at without GDB: on a terminal, a socket or a pseudo-terminal (``-monitor``, ``Ctrl-A c``)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from rdbg import __version__

PROMPT = "(rdbg) "
_GREETING = f"rdbg {__version__} monitor - type 'help' for more information\n"
_BACKSPACES, _INTERRUPT, _KILL_LINE = (0x08, 0x7F), 0x03, 0x15
_LONGEST_LINE = 4096
#: Lines that wait; with more no more is read.
_MOST_LINES = 256


class MonitorConsole:
    """Makes lines of what is typed, and shows answers. Lines are obeyed by whoever asks for them with `next_line`.

    Args:
        write: shows bytes to who types.
        echo: whether what is typed is shown too: a terminal in raw mode and telnet want it.
    """

    def __init__(self, write: Callable[[bytes], None], echo: bool) -> None:
        self._write = write
        self._echo = echo
        self._line = bytearray()
        self._lines: deque[str] = deque()
        self._after_return = False
        self._typed = self._taken = self._cut = 0  # lines, as numbers from 1 on

    def greet(self) -> None:
        """Somebody has come."""
        self._line.clear()
        self._show(_GREETING + PROMPT)

    def typed(self, data: bytes) -> None:
        """Take bytes that were typed."""
        for byte in data:
            if byte in b"\r\n":
                # Return is one line end, whether a client sends CR, LF, CR LF or telnet's CR NUL.
                if not (byte == 0x0A and self._after_return):
                    self._end_line()
            elif byte in _BACKSPACES and self._line:
                self._line.pop()
                self._echoed(b"\b \b")
            elif byte in (_INTERRUPT, _KILL_LINE):
                if byte == _INTERRUPT:
                    self._cut = self._typed
                self._echoed(b"\b \b" * len(self._line))
                self._line.clear()
            elif 0x20 <= byte and byte != 0x7F and len(self._line) < _LONGEST_LINE:
                self._line.append(byte)
                self._echoed(bytes([byte]))
            self._after_return = byte == 0x0D

    @property
    def accepting(self) -> bool:
        """Whether more should be read. Ctrl-C must get through to a line that takes long."""
        return len(self._lines) < _MOST_LINES

    def next_line(self) -> str | None:
        """The next line that was typed and not yet obeyed."""
        if not self._lines:
            return None
        self._taken += 1
        return self._lines.popleft()

    @property
    def waiting(self) -> bool:
        """Whether there is one."""
        return bool(self._lines)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C was typed behind the line that was taken last."""
        return self._taken <= self._cut

    def say(self, text: str) -> None:
        """Show text while a line is obeyed."""
        self._show(text)

    def answer(self, text: str, last: bool = False) -> None:
        """Show what a line led to, and ask for the next, unless it was the ``last``."""
        self._show(text if last else text + PROMPT)

    def _end_line(self) -> None:
        self._echoed(b"\r\n")
        self._typed += 1
        self._lines.append(self._line.decode("utf-8", "replace"))
        self._line.clear()

    def _echoed(self, data: bytes) -> None:
        if self._echo:
            self._write(data)

    def _show(self, text: str) -> None:
        self._write(text.replace("\n", "\r\n").encode())
