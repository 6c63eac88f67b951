"""Debian's kernel boots to a shell where one can type, ends as it should, and replays bit by bit."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.linux.conftest import LOOP, SYSRQ, WRITES, Recording
from tests.linux.console import CURSOR_QUESTION, Console
from tests.processes import RDBG

pytestmark = [pytest.mark.real("linux-image-4kc-malta:mipsel"), pytest.mark.timeout(900)]

#: Of one core, by an rdbg whose guest waits at a prompt.
IDLE_SHARE = 0.25


def test_the_shell_answers(recording: Recording) -> None:
    assert "cpuinfo" in recording.answers["ls /proc"] and "interrupts" in recording.answers["ls /proc"]
    assert "MIPS 24Kc V0.0  FPU V0.0" in recording.answers["cat /proc/cpuinfo"]
    assert f"counted to {WRITES}" in recording.answers[LOOP]


def test_a_break_and_a_key_reach_the_kernel(recording: Recording) -> None:
    assert SYSRQ in recording.answers[SYSRQ] and "reboot(b)" in recording.answers[SYSRQ]


def test_devices_are_found_as_on_qemu(recording: Recording) -> None:
    text = recording.console.decode("latin-1")
    for line in (
        "serio: i8042 KBD port at 0x60,0x64 irq 1",
        "serio: i8042 AUX port at 0x60,0x64 irq 12",
        "input: AT Raw Set 2 keyboard",
        "pci 0000:00:0a.2: [8086:7112] type 00 class 0x0c0300",
        "rtc_cmos 70.rtc: registered as rtc0",
        "CPU frequency 333.33 MHz",
    ):
        assert line in text
    assert "HCRESET" not in text


def test_a_panic_reboots_and_that_ends_the_run(recording: Recording) -> None:
    assert b"Kernel panic - not syncing: sysrq triggered crash" in recording.console
    assert b"Rebooting in 1 seconds" in recording.console


@pytest.mark.parametrize("time_", range(3))
def test_replay_sends_the_same_bytes(recording: Recording, tmp_path: Path, time_: int) -> None:
    """The journal's state digests are compared on the way: a difference would end the replay with exit code 1."""
    console = tmp_path / "console"
    command = [*RDBG, "replay", str(recording.path), "-serial", f"file:{console}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1 and "state digests agree" in done.stderr
    assert console.read_bytes() == recording.console


def test_the_journal_holds_digests(recording: Recording) -> None:
    done = subprocess.run([*RDBG, "dump", str(recording.path)], capture_output=True, text=True, timeout=60)
    assert done.stdout.count("digest") > 10


def test_reboot_boots_again_and_power_off_ends_the_run(machine: list[str]) -> None:
    with Console(["run", *machine, "-nographic"]) as console:
        console.wait_for(b"BOOTED")
        console.wait_for(CURSOR_QUESTION)
        used = _processor_seconds(console.process_id)
        time.sleep(3)
        assert _processor_seconds(console.process_id) - used < 3 * IDLE_SHARE
        console.type("reboot -f")
        console.wait_for(b"Restarting system")
        console.wait_for(b"BOOTED")
        console.wait_for(CURSOR_QUESTION)
        console.type("poweroff -f")
        assert console.finish() == 0
        assert console.seen.count(b"Linux version") == 2
        assert b"reboot: Power down" in console.seen


def test_reboot_ends_a_run_that_may_not_reboot(machine: list[str]) -> None:
    with Console(["run", *machine, "-nographic", "-no-reboot"]) as console:
        console.wait_for(CURSOR_QUESTION)
        console.type("reboot -f")
        assert console.finish() == 0
        assert console.seen.count(b"Linux version") == 1
        assert b"reboot: Restarting system" in console.seen


def _processor_seconds(process: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
