"""The kernel finds the same machine as on QEMU: PCI, interrupt controllers, serial ports, clock, and nothing else."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.linux.conftest import Recording

pytestmark = [
    pytest.mark.real("linux-image-4kc-malta:mipsel", "qemu-system-mips"),
    pytest.mark.timeout(900),
]

QEMU = [
    "qemu-system-mipsel", "-icount", "shift=3", "-rtc", "clock=vm", "-net", "none", "-vga", "none", "-display", "none",
    "-monitor", "none",
]  # fmt: skip
LAST = b"Run /init as init process"
#: What is measured, or the time of day.
MEASURED = re.compile(r"clocksource|sched_clock|audit\(|setting system clock|BogoMIPS|CPU frequency|random:")


def _messages(console: bytes) -> list[str]:
    """The kernel's messages without their times."""
    lines = console.split(LAST)[0].decode("latin-1").splitlines()
    messages = [match.group(1) for line in lines if (match := re.match(r"\[ *\d+\.\d+\] (.*)", line))]
    return [message for message in messages if not MEASURED.search(message)]


def test_the_same_messages_as_on_qemu(recording: Recording, machine: list[str], tmp_path: Path) -> None:
    console = tmp_path / "console"
    console.touch()
    process = subprocess.Popen([*QEMU, *machine, "-serial", f"file:{console}"], stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 300
        while LAST not in console.read_bytes():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait()
    ours, theirs = _messages(recording.console), _messages(console.read_bytes())
    assert len(ours) > 100 and any(message.startswith("pci 0000:00:0a.3") for message in ours)
    assert ours == theirs
