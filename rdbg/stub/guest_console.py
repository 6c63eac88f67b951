"""The guest's console in GDB, for a user whose terminal GDB has."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rdbg.rsp import replies
from rdbg.stub.connection import Connection

#: Characters per ``O`` packet, and seconds that they are gathered for it: a guest prints them one by one.
_PIECE = 1000
_LONGEST_HELD = 0.05
#: What is kept while GDB shows nothing, in characters. The end of it counts.
_MOST_HELD = 64 << 10


class GuestConsole:
    """Gives GDB what the guest prints. GDB shows it while the guest runs or a ``monitor`` command does; what comes
    meanwhile waits."""

    def __init__(self) -> None:
        self._held = ""
        self._since = 0.0
        self._connection: Connection | None = None

    def write(self, text: str) -> None:
        """Take what the guest printed."""
        if not self._held:
            self._since = time.monotonic()
        self._held = (self._held + text)[-_MOST_HELD:]
        if len(self._held) >= _PIECE:
            self.flush()

    @contextmanager
    def shown_by(self, connection: Connection) -> Iterator[None]:
        """Meanwhile GDB at the other end shows what comes."""
        self._connection = connection
        self.flush()
        try:
            yield
        finally:
            self.flush()
            self._connection = None

    def look(self) -> None:
        """To be called often: passes on what has waited long enough for more to come."""
        if self._held and time.monotonic() - self._since > _LONGEST_HELD:
            self.flush()

    def flush(self) -> None:
        """Pass on what is held, if it can be shown now."""
        if self._connection is None:
            return
        text, self._held = self._held, ""
        for start in range(0, len(text), _PIECE):
            self._connection.send(replies.console(text[start : start + _PIECE]))

    @property
    def congested(self) -> bool:
        """Whether GDB is slow to read."""
        return self._connection is not None and self._connection.unsent > _MOST_HELD

    def handles(self) -> list[int]:
        """GDB's connection, while something waits there."""
        return [self._connection.fileno()] if self._connection is not None and self._connection.unsent else []

    def drain(self) -> None:
        """Send what GDB takes now."""
        if self._connection is not None:
            self._connection.pump()
