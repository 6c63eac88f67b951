"""Somebody at the serial console of a guest that rdbg runs."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from types import TracebackType

from tests.processes import RDBG, spawn

BREAK = b"\x01b"  #: Ctrl-A b, a command to rdbg
PROMPT = b"/ # "
CURSOR_QUESTION = b"\x1b[6n"  #: the shell asks the terminal where its cursor is, after each prompt


class Console:
    """An rdbg process whose standard input and output are the guest's first serial port.

    Args:
        words: the command line after ``rdbg``.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._process = spawn([*RDBG, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.seen = b""

    def __enter__(self) -> Console:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def process_id(self) -> int:
        """Of rdbg."""
        return self._process.pid

    def wait_for(self, words: bytes, timeout: float = 240) -> bytes:
        """Read on until ``words`` come; gives what came before them and them."""
        assert self._process.stdout is not None
        start = len(self.seen)
        deadline = time.monotonic() + timeout
        while words not in self.seen[start:]:
            ready = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]
            data = os.read(self._process.stdout.fileno(), 65536) if ready else b""
            assert data, f"{words!r} did not come; the end of what did: {self.seen[-2000:].decode('latin-1')}"
            self.seen += data
        return self.seen[start:]

    def type(self, line: str) -> None:
        """Type a line and Return."""
        self.press(line.encode() + b"\r")

    def press(self, keys: bytes) -> None:
        """Press keys."""
        assert self._process.stdin is not None
        self._process.stdin.write(keys)
        self._process.stdin.flush()

    def command(self, line: str) -> str:
        """Type a line at the prompt; gives what the guest shows up to the next prompt."""
        self.type(line)
        return self.wait_for(CURSOR_QUESTION).decode("latin-1")

    def stop(self) -> None:
        """End the run from outside, as ``kill`` does: a recording is closed, and what it was is no failure."""
        self._process.terminate()
        assert self.finish() in (0, -signal.SIGTERM, 128 + signal.SIGTERM)

    def finish(self, timeout: float = 120) -> int:
        """Wait for the end; gives the exit code."""
        rest, errors = self._process.communicate(timeout=timeout)
        self.seen += rest
        assert b"Traceback" not in errors, errors.decode()
        return self._process.returncode
