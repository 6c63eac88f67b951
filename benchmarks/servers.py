"""rdbg and QEMU as the benchmarks run them: a recording made, and replayed for a GDB."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from benchmarks.guests import Guest
from benchmarks.qcow2 import write_empty
from tests.processes import free_port

REPOSITORY = Path(__file__).parents[1]
MEMORY_MB = 128


@dataclass(frozen=True)
class Run:
    """A run from the command line to its end.

    Args:
        seconds: wall time.
        cpu_seconds: of the process, user and system.
        output: what it printed.
    """

    seconds: float
    cpu_seconds: float
    output: str


def run(command: list[str], timeout: float, tries: int = 3) -> Run:
    """Run a command to its end. It is tried again if it does not end: QEMU 7.2 sometimes hangs at power-off.

    Raises:
        TimeoutError: it took longer each time.
        RuntimeError: it failed.
    """
    while True:
        try:
            return _run_once(command, timeout)
        except TimeoutError as error:
            tries -= 1
            if not tries:
                raise
            print(f"benchmarks: {error}; again", file=sys.stderr)


def _run_once(command: list[str], timeout: float) -> Run:
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=REPOSITORY
    )
    assert process.stdout is not None
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        if time.monotonic() - began > timeout:
            process.kill()
            process.wait()
            raise TimeoutError(f"{command[0]} ... did not end within {timeout:.0f} s")
        time.sleep(0.002)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    output = process.stdout.read()
    process.stdout.close()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit code {process.returncode}: {output[-500:]}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, output)


class Served:
    """A server process that a GDB can connect to. A context manager: it ends with the block."""

    def __init__(self, command: list[str], port: int) -> None:
        self.port = port
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=REPOSITORY
        )
        deadline = time.monotonic() + 60
        while not _listening(port):
            if self.process.poll() is not None:
                raise RuntimeError(f"{' '.join(command)}: ended with exit code {self.process.returncode}")
            if time.monotonic() > deadline:
                self.process.kill()
                raise TimeoutError(f"{' '.join(command)}: does not listen on port {port}")
            time.sleep(0.005)

    def __enter__(self) -> Served:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()


class Rdbg:
    """This project.

    Args:
        folder: for recordings.
        shift: of ``-icount``.
        keep_states: whether sessions leave states for later ones, as they do by default; with these, a replay that
            nobody looks at leaps over what prints nothing.
    """

    name = "rdbg"

    def __init__(self, folder: Path, shift: int = 7, keep_states: bool = True) -> None:
        self._folder = folder
        self._shift = shift
        self._options = ["-serial", "null", *([] if keep_states else ["--snapshot-budget", "0"])]

    def record(self, guest: Guest, timeout: float = 600, options: Sequence[str] = ()) -> Run:
        """Record a guest's whole run, with more options if need be."""
        machine = ["-M", "malta", "-m", str(MEMORY_MB), "-kernel", str(guest.elf), "-icount", f"shift={self._shift}"]
        machine += ["-net", "none", *options]
        return run([*_RDBG, "record", "-o", str(self.journal(guest)), "--", *machine, *self._options], timeout)

    def replay(self, guest: Guest, timeout: float = 600) -> Run:
        """Replay it to its end."""
        return run([*_RDBG, "replay", str(self.journal(guest)), *self._options], timeout)

    def serve(self, guest: Guest) -> Served:
        """Replay it for GDB; it stands at the start."""
        port = free_port()
        gdb = f"tcp:127.0.0.1:{port}"
        return Served([*_RDBG, "replay", str(self.journal(guest)), "-serial", "null", "-S", "-gdb", gdb], port)

    def journal(self, guest: Guest) -> Path:
        """The recording's file."""
        return self._folder / f"{guest.elf.stem}-{self._shift}.rdbg"


class _QemuFiles:
    """Where QEMU's recordings are kept.

    Args:
        folder: for recordings.
        shift: of ``-icount``.
    """

    name = "QEMU"

    def __init__(self, folder: Path, shift: int = 7) -> None:
        self._folder = folder
        self._shift = shift

    def _file(self, guest: Guest, ending: str) -> Path:
        return self._folder / f"{guest.elf.stem}-{self._shift}.{ending}"


class Qemu(_QemuFiles):
    """QEMU's record and replay on the same machine, Malta: forward only, since QEMU 7.2 cannot go back on it."""

    def record(self, guest: Guest, timeout: float = 60) -> Run:
        """Record a guest's whole run."""
        return run(self._command(guest, "record"), timeout)

    def replay(self, guest: Guest, timeout: float = 60) -> Run:
        """Replay it to its end."""
        return run(self._command(guest, "replay"), timeout)

    def journal(self, guest: Guest) -> Path:
        """The recording's file."""
        return self._file(guest, "rr")

    def _command(self, guest: Guest, mode: str) -> list[str]:
        icount = f"shift={self._shift},rr={mode},rrfile={self.journal(guest)}"
        return [*_qemu("malta", guest), "-serial", "null", "-no-reboot", "-icount", icount]


class QemuBack(_QemuFiles):
    """QEMU going back. On Malta, QEMU 7.2 hangs after it has loaded a snapshot, so this is its machine mipssim, which
    has the same CPU. Needs a disk for the snapshot that it begins with.
    """

    def record(self, guest: Guest, timeout: float = 600) -> None:
        """Record until the guest's last round is over and something is left to come."""
        write_empty(self._file(guest, "qcow2"), 1 << 30)
        console = self._file(guest, "console")
        console.touch()
        began = time.monotonic()
        process = subprocess.Popen([*self._command(guest, "record"), "-serial", f"file:{console}"])
        try:
            while b"last round" not in console.read_bytes():
                if time.monotonic() - began > timeout or process.poll() is not None:
                    raise TimeoutError("QEMU's recording did not come to its end")
                time.sleep(0.02)
            time.sleep(0.5 + (time.monotonic() - began) / 20)
        finally:
            process.terminate()
            process.wait()

    def serve(self, guest: Guest) -> Served:
        """Replay it for GDB; it stands at the start."""
        port = free_port()
        gdb = f"tcp:127.0.0.1:{port}"
        return Served([*self._command(guest, "replay"), "-serial", "null", "-S", "-gdb", gdb], port)

    def _command(self, guest: Guest, mode: str) -> list[str]:
        icount = f"shift={self._shift},rr={mode},rrfile={self._file(guest, 'rr')},rrsnapshot=start"
        disk = f"file={self._file(guest, 'qcow2')},if=none,id=rr"
        return [*_qemu("mipssim", guest), "-drive", disk, "-icount", icount]


def _qemu(machine: str, guest: Guest) -> list[str]:
    return [
        "qemu-system-mipsel", "-M", machine, "-m", str(MEMORY_MB), "-kernel", str(guest.elf), "-net", "none",
        "-vga", "none", "-display", "none", "-monitor", "none",
    ]  # fmt: skip


_RDBG = [sys.executable, "-m", "rdbg"]


def _listening(port: int) -> bool:
    """Whether somebody listens, without connecting: a connection would be taken for GDB's."""
    wanted = f"0100007F:{port:04X}"
    with open("/proc/net/tcp") as file:
        return any(words[1] == wanted and words[3] == "0A" for words in map(str.split, file))
