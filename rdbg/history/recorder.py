"""The journal of a live run while it grows: flushed by time, its files watched, and what became of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from rdbg.errors import RdbgError
from rdbg.host.file_identity import file_identity
from rdbg.journal.records import EndOfRun, Record
from rdbg.journal.writer import JournalWriter

#: Seconds between two looks at what waits. With the age that `JournalWriter` lets a chunk have, kill -9 costs less than
#: a second of inputs, whatever guest and debugger do meanwhile.
_LOOK_SECONDS = 0.25


class Recorder:
    """Writes a run down, and knows whether that still works.

    A failure (a full disk, a file deleted) is a state, not an event: from then on nothing is written, the run can go
    on, and whoever asks is told why. Nothing is raised in the middle of a run: a machine must not stop within a step.

    Args:
        writer: of the journal.
    """

    def __init__(self, writer: JournalWriter) -> None:
        self._writer = writer
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._files: dict[str, tuple[int, int] | None] = {}
        self._failure: str | None = None

    @property
    def failure(self) -> str | None:
        """Why the recording broke off, in a line; None: all is written, or will be."""
        return self._failure

    def watch(self, *paths: str) -> None:
        """From now on write what waits when it is old enough, also while the guest stands, and notice when one of the
        recording's files goes.

        Args:
            paths: the files, in place.
        """
        self._files = {path: file_identity(path) for path in paths}
        # A daemon: a process that ends in an accident does not wait for it.
        watching = threading.Thread(target=self._look_regularly, name="journal", daemon=True)
        try:
            watching.start()
        except RuntimeError as error:  # the host has no room for one more
            self._failure = f"{self._writer.path}: recording failed: {error}"
            self._ended.set()
            self._writer.discard()

    def append(self, record: Record) -> None:
        """Add a record, not before the latest one."""
        self._write(lambda writer: writer.append(record))

    def advance(self, position: int) -> None:
        """Say that the run has come to ``position``."""
        self._write(lambda writer: writer.advance(position))

    def sync(self, position: int) -> None:
        """Let the disk have all up to ``position``, so that what refers to it can be confirmed.

        Raises:
            RdbgError: the recording broke off, now or before.
        """

        def write(writer: JournalWriter) -> None:
            self._check_files()
            writer.sync(position)

        self._write(write)
        if self._failure is not None:
            raise RdbgError(self._failure)

    def close(self, end: EndOfRun) -> None:
        """Write the end marker. Whether that worked, ``failure`` says."""

        def write(writer: JournalWriter) -> None:
            self._check_files()
            writer.close(end)

        self._ended.set()
        self._write(write)

    def _write(self, action: Callable[[JournalWriter], None]) -> None:
        with self._lock:
            if self._failure is not None or self._writer.closed:
                return
            try:
                action(self._writer)
            except (RdbgError, OSError) as error:
                self._failure = str(error)
                self._ended.set()
                self._writer.discard()

    def _look_regularly(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            self._write(self._look)

    def _look(self, writer: JournalWriter) -> None:
        self._check_files()
        writer.check()
        writer.flush_if_old()

    def _check_files(self) -> None:
        for path, identity in self._files.items():
            if file_identity(path) != identity:
                self._writer.flush()  # the journal itself may only have been moved
                raise RdbgError(
                    f"{path}: deleted or moved away while recording; the journal is kept up to icount "
                    f"{self._writer.covered_on_disk}"
                )
            # Its size alone: to open and close SQLite's file would let go of the locks that this process has on it.
            if identity is not None and os.path.getsize(path) == 0:
                self._writer.flush()
                raise RdbgError(
                    f"{path}: recording failed: another program has written to the file (it is empty); keep others "
                    "away from it, and record again"
                )
