"""One boot of Debian's kernel with somebody at its shell, recorded once and used by all tests here."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import LINUX
from tests.linux.console import BREAK, CURSOR_QUESTION, Console
from tests.linux.fetch import BUSYBOX, KERNEL
from tests.linux.initramfs import initramfs
from tests.processes import RDBG, served

APPEND = "console=ttyS0 nokaslr rdinit=/init panic=1"
#: A system call made thousands of times.
WRITES = 2000
LOOP = f"i=0; while [ $i -lt {WRITES} ]; do i=$((i+1)); echo > /dev/null; done; echo counted to $i"
LISTING = r"grep -v '\[' /proc/kallsyms | md5sum"  #: without what was loaded later
SYSRQ = "sysrq: HELP"  #: the kernel's answer to a break and an h
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
    return [
        "-M",
        "malta",
        "-m",
        "128",
        "-kernel",
        str(LINUX / KERNEL),
        "-initrd",
        str(initrd),
        "-append",
        APPEND,
        "-net",
        "none",
    ]


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
        console.press(BREAK + b"h")
        answers[SYSRQ] = console.wait_for(b"show-task-states").decode("latin-1")
        console.command("")
        console.type(CRASH)
        assert console.finish() == 0
        return Recording(path, console.seen, answers)


@pytest.fixture(scope="session")
def symbols(recording: Recording) -> Path:
    """The kernel's symbols, by ``rdbg symbols``."""
    path = recording.path.with_name("kernel.elf")
    subprocess.run([*RDBG, "symbols", str(recording.path), "-o", str(path)], check=True, timeout=300)
    return path


@pytest.fixture(scope="session")
def replaying(recording: Recording) -> Iterator[int]:
    """The recording, served to any number of GDBs one after another; gives the port."""
    with served(["replay", str(recording.path), "-S", "-serial", "null"]) as port:
        yield port
