"""What rdbg itself has to say: lines for the user, and the log. None of it waits for a reader that does not read."""

from __future__ import annotations

import logging
import select
import sys

from rdbg.host.outlet import Outlet
from rdbg.host.printable import printable
from rdbg.host.waiting import happened_within

#: Seconds that a line waits for somebody to read what came before it. Who ends rdbg must not wait for ever.
_PATIENCE = 1.0
#: Of the log, bytes that wait while the guest stands; what is more is left out, and that is said.
_MOST_PENDING = 4 << 20


def say(text: str) -> None:
    """A line on standard error, headed by rdbg's name. Names of files may hold line ends."""
    tell(f"rdbg: {printable(text)}")


def tell(text: str) -> None:
    """Lines on standard error, unless nobody has read there for a second."""
    try:
        ready = bool(happened_within(_PATIENCE, [(sys.stderr.fileno(), select.POLLOUT)]))
    except (OSError, ValueError):
        ready = True  # no file: a test's, in memory
    if ready:
        print(text, file=sys.stderr, flush=True)


class LogOutlet(logging.Handler):
    """Writes the log to a file descriptor without ever waiting.

    Args:
        outlet: where to.
    """

    def __init__(self, outlet: Outlet) -> None:
        super().__init__()
        self.outlet = outlet
        self._left_out = 0
        self.setFormatter(logging.Formatter("rdbg: %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or count it if too much waits already."""
        if self.outlet.pending > _MOST_PENDING:
            self._left_out += 1
            return
        text = self.format(record) + "\n"
        if self._left_out:
            text = f"rdbg: {self._left_out} lines are left out, since nobody read them\n{text}"
            self._left_out = 0
        self.outlet.write(text.encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Pass on what waits, unless nobody reads."""
        self.outlet.drain(_PATIENCE)
        super().close()
