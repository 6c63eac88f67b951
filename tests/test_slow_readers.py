"""Somebody who should read what rdbg writes does not: the guest waits, and everything else is obeyed at once."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import signal
import socket
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.command import TANK, TANK_OUTPUT, rdbg
from tests.conftest import PYPI_GDB
from tests.emu.guests import NOP, addiu, beq, i_type, lui, lw
from tests.emu.images import elf
from tests.gdb.driver import Gdb
from tests.processes import RDBG, free_port, listens, spawn

PATIENCE = 60.0
READERS = ("stdout", "tcp", "fifo", "log", "log file")


def chatterbox(folder: Path) -> Path:
    """A guest that prints for ever, and reads where nothing answers."""
    code = [lui(9, 0xB800), lui(11, 0xBF60), addiu(8, 0, 0x78), i_type(0x28, 9, 8, 0x3F8), lw(10, 0, 11)]
    code += [beq(0, 0, -3), NOP]
    path = folder / "chatterbox.elf"
    path.write_bytes(elf(data=struct.pack(f"<{len(code)}I", *code)))
    return path


class Stalled:
    """rdbg with a guest whose output, or whose log, somebody has stopped reading.

    Args:
        folder: for files.
        reader: one of READERS.
    """

    def __init__(self, folder: Path, reader: str) -> None:
        self.port = free_port()
        self._fifo, console = folder / "fifo", free_port()
        self._socket: socket.socket | None = None
        self._reader: int | None = None
        words = ["run", "-m", "16", "-kernel", str(chatterbox(folder)), "-gdb", f"tcp:127.0.0.1:{self.port}"]
        if reader.startswith("log"):
            words += ["-d", "guest_errors", "-serial", "null"]
        elif reader == "tcp":
            words += ["-serial", f"tcp:127.0.0.1:{console},server=on,wait=on"]
        else:
            words += ["-serial", "stdio" if reader == "stdout" else f"file:{self._fifo}"]
        if reader == "log file":
            words += ["-D", str(self._fifo)]
        if reader in ("fifo", "log file"):
            os.mkfifo(self._fifo)
            self._reader = os.open(self._fifo, os.O_RDWR | os.O_NONBLOCK)
        full = os.open("/dev/null", os.O_WRONLY)
        if reader == "log":
            self._reader, full = os.pipe2(os.O_NONBLOCK)
        if reader.startswith("log"):  # it says little of this guest
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(full if reader == "log" else self._reader, bytes(4096))  # type: ignore[arg-type]
        os.set_blocking(full, True)
        self.process = spawn([*RDBG, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=full)
        os.close(full)
        self._wait(lambda: listens(self.port) and (reader != "tcp" or listens(console)))
        if reader == "tcp":
            self._socket = socket.create_connection(("127.0.0.1", console))
        assert self.process.stdout is not None
        stream = self.process.stdout.fileno() if reader == "stdout" else self._reader
        if stream is not None:  # a socket's buffers cannot be seen through; they fill while GDB connects
            capacity = fcntl.fcntl(stream, fcntl.F_GETPIPE_SZ)
            self._wait(lambda: waiting(stream) > capacity - 8192)

    def _wait(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not true():
            assert self.process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        if self._socket is not None:
            self._socket.close()
        if self._reader is not None:
            os.close(self._reader)


def waiting(handle: int) -> int:
    """Bytes in a pipe."""
    count = array.array("i", [0])
    fcntl.ioctl(handle, termios.FIONREAD, count)
    return count[0]


@contextlib.contextmanager
def stalled(folder: Path, reader: str) -> Iterator[Stalled]:
    it = Stalled(folder, reader)
    try:
        yield it
    finally:
        it.close()


@pytest.mark.parametrize("reader", READERS)
def test_gdb_is_obeyed(tmp_path: Path, reader: str) -> None:
    if not PYPI_GDB.is_file():
        pytest.skip("needs gdb-for-pwndbg (pip install rdbg[gdb])")
    with stalled(tmp_path, reader) as guest, Gdb(str(PYPI_GDB)) as gdb:
        assert not gdb.connect(guest.port).errors
        for _ in range(2):
            gdb.send("continue")
            gdb.wait(stop=False)
            gdb.interrupt()
            gdb.send("print 1")  # is answered when the guest stands
            assert "SIGINT" in gdb.wait(stop=True).text
        assert "icount" in gdb.run("monitor when")
        gdb.run("monitor quit")
        guest.process.wait(PATIENCE)


@pytest.mark.parametrize("reader", READERS)
def test_sigterm_ends_it(tmp_path: Path, reader: str) -> None:
    with stalled(tmp_path, reader) as guest:
        guest.process.send_signal(signal.SIGTERM)
        assert guest.process.wait(PATIENCE) == 0


def test_a_fifo_gets_all_and_the_guest_waits_for_its_reader(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    process = spawn([*RDBG, "run", "-kernel", str(TANK), "-serial", f"file:{fifo}"], stdin=subprocess.DEVNULL)
    assert fifo.read_bytes() == TANK_OUTPUT
    assert process.wait(PATIENCE) == 0


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "j"
    assert rdbg("record", "-o", path, "-kernel", TANK, "-serial", "null").returncode == 0
    return path


def test_output_that_cannot_be_written_is_no_divergence(recording: Path) -> None:
    """The replay goes on to its end; that its output is lost is said by the option that names it, and makes the exit
    code."""
    for words, said in {
        "-serial file:/dev/full": b"-serial file:/dev/full: writing failed: No space left on device",
        "-serial chardev:C -chardev file,id=C,path=/dev/full": b"-chardev file,id=C,path=/dev/full: writing failed:",
        "-serial chardev:C -chardev null,id=C,logfile=/dev/full": b"-chardev null,id=C,logfile=/dev/full: writing ",
    }.items():
        done = rdbg("replay", recording, *words.split())
        assert done.returncode == 1
        assert said in done.stderr and b"diverged" not in done.stderr


def test_standard_output_on_a_full_disk(recording: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*RDBG, "replay", recording], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert "standard output failed: No space left on device" in done.stderr and "diverged" not in done.stderr
