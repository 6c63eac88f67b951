"""One boot of Debian's kernel with somebody at its shell, recorded once and used by all tests here."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import LINUX
from tests.linux.console import CURSOR_QUESTION, RDBG, Console
from tests.linux.fetch import BUSYBOX, KERNEL
from tests.linux.initramfs import initramfs

APPEND = "console=ttyS0 nokaslr rdinit=/init panic=1"
#: A system call made thousands of times.
WRITES = 2000
LOOP = f"i=0; while [ $i -lt {WRITES} ]; do i=$((i+1)); echo > /dev/null; done; echo counted to $i"
LISTING = r"grep -v '\[' /proc/kallsyms | md5sum"  #: without what was loaded later
CRASH = "echo c > /proc/sysrq-trigger"


@pytest.fixture(scope="session")
def initrd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The initial RAM disk."""
    path = tmp_path_factory.mktemp("linux") / "initrd.gz"
    path.write_bytes(initramfs(LINUX / BUSYBOX))
    return path


@pytest.fixture(scope="session")
def machine(initrd: Path) -> list[str]:
    """The machine, in QEMU's words."""
    return ["-M", "malta", "-m", "128", "-kernel", str(LINUX / KERNEL), "-initrd", str(initrd), "-append", APPEND]


@dataclass(frozen=True)
class Recording:
    """A recorded session at the shell that ends in a panic.

    Args:
        path: the journal.
        console: all that the guest sent.
        answers: what each command showed.
    """

    path: Path
    console: bytes
    answers: dict[str, str]


@pytest.fixture(scope="session")
def recording(machine: list[str], tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Boots, types, and makes the kernel panic; the reboot that follows ends the run."""
    path = tmp_path_factory.mktemp("recording") / "linux.rr"
    answers = {}
    with Console(["record", "-o", str(path), "--", *machine, "-nographic", "-no-reboot"]) as console:
        console.wait_for(b"BOOTED")
        console.wait_for(CURSOR_QUESTION)
        for line in ("ls /proc", "cat /proc/cpuinfo", LOOP, LISTING, "head -3 /proc/kallsyms"):
            answers[line] = console.command(line)
        console.type(CRASH)
        assert console.finish() == 0
        return Recording(path, console.seen, answers)


@pytest.fixture(scope="session")
def symbols(recording: Recording) -> Path:
    """The kernel's symbols, by ``rdbg symbols``."""
    path = recording.path.with_name("kernel.elf")
    subprocess.run([*RDBG, "symbols", str(recording.path), "-o", str(path)], check=True, timeout=300)
    return path


@contextlib.contextmanager
def served(words: Sequence[str], program: Sequence[str] = RDBG) -> Iterator[int]:
    """A program that listens for GDB, as long as the block lasts; gives the port.

    Args:
        words: its command line; ``-gdb`` with a free port is put behind it.
        program: rdbg or QEMU.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    process = subprocess.Popen(
        [*program, *words, "-gdb", f"tcp:127.0.0.1:{port}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for _ in range(400):
            if _listens(port):
                break
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        assert "Traceback" not in process.communicate(timeout=60)[1]


def _listens(port: int) -> bool:
    """Whether somebody listens there, without connecting: that would be taken for GDB's connection."""
    with open("/proc/net/tcp") as file:
        return any(fields[1] == f"0100007F:{port:04X}" and fields[3] == "0A" for fields in map(str.split, file))


@pytest.fixture(scope="session")
def replaying(recording: Recording) -> Iterator[int]:
    """The recording, served to any number of GDBs one after another; gives the port."""
    with served(["replay", str(recording.path), "-S", "-serial", "null"]) as port:
        yield port
