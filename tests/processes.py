"""Programs that tests start. They end with the tests, however those end: by a kill, too."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

RDBG = (sys.executable, "-m", "rdbg")

_SET_DEATH_SIGNAL = 1  #: PR_SET_PDEATHSIG, prctl(2)
_PATIENCE = 60.0


def spawn(command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    """Start a program that is killed when this process ends.

    It hears Ctrl-C also where this process does not: a shell lets what it starts in the background ignore it.

    Args:
        command: the program and its words.
        options: those of `subprocess.Popen`.
    """
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def before() -> None:
        libc.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:  # it has ended already
            os._exit(1)
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    return subprocess.Popen(command, preexec_fn=before, **options)


def free_port() -> int:
    """A TCP port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody listens there, without connecting: that would be taken for GDB's connection."""
    wanted = f"0100007F:{port:04X}"
    with open("/proc/net/tcp") as file:
        return any(fields[1] == wanted and fields[3] == "0A" for fields in map(str.split, file))


@contextlib.contextmanager
def served(words: Sequence[str], program: Sequence[str] = RDBG) -> Iterator[int]:
    """A program that listens for GDB, as long as the block lasts; gives the port.

    Args:
        words: its command line; ``-gdb`` with a free port is put behind it.
        program: rdbg or QEMU.
    """
    port = free_port()
    process = spawn(
        [*program, *words, "-gdb", f"tcp:127.0.0.1:{port}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + _PATIENCE
        while not listens(port):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline, f"{program[0]} does not listen"
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        try:
            errors = process.communicate(timeout=_PATIENCE)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert "Traceback" not in errors


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it is more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def terminal() -> tuple[int, int]:
    """Both ends of a pseudo-terminal of 24 lines of 100 characters: ours, and a program's."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    return ours, theirs


def all_of(ours: int) -> str:
    """What is written to a terminal until nobody has it open any more."""
    written = b""
    with contextlib.suppress(OSError):  # EIO at its end
        while data := os.read(ours, 1 << 16):
            written += data
    os.close(ours)
    return written.decode()
