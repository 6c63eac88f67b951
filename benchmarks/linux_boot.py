"""Debian's kernel: from power-on to power-off recorded and replayed, and going back from its shell prompt."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.effort import Effort
from benchmarks.gdb_session import Task, time_tasks
from benchmarks.guests import Guest
from benchmarks.progress import tell
from benchmarks.rows import Row, Section, step_row, timing_row
from benchmarks.servers import MEMORY_MB, REPOSITORY, Run, Served, run
from tests.linux.console import CURSOR_QUESTION, RDBG, Console
from tests.linux.fetch import BUSYBOX, KERNEL
from tests.linux.initramfs import SHELL, initramfs
from tests.processes import free_port

FILES = REPOSITORY / ".make" / "linux"  #: where `make real-deps` puts kernel and busybox
APPEND = "console=ttyS0 nokaslr rdinit=/init panic=1"
THEN_POWER_OFF = "poweroff -f"
TYPED = ("ls /proc", "cat /proc/cpuinfo", "i=0; while [ $i -lt 200 ]; do i=$((i+1)); done; echo counted to $i")
#: The handler that every system call of an o32 program enters the kernel by.
SYSTEM_CALL = "handle_sys"
#: Of the steps' time in the middle, and at the 99th percentile, in seconds.
STEP_TARGETS = (0.005, None)
BACK_TARGETS = {SYSTEM_CALL: 0.1, "start_kernel": 0.3}


class LinuxBoot:
    """The boot on rdbg and on QEMU.

    Args:
        folder: for the images and recordings.
        repeats: of each measurement, at least 3.
    """

    def __init__(self, folder: Path, repeats: int) -> None:
        self._folder = folder
        self._repeats = max(3, repeats)

    def sections(self, with_qemu: bool) -> Iterator[Section]:
        """Rows of the table at the top, as they are measured; none without the kernel."""
        if not all((FILES / name).is_file() for name in (KERNEL, BUSYBOX)):
            print("benchmarks: no Linux kernel found (make real-deps): its rows are left out", file=sys.stderr)
            return
        tell("Linux from power-on to power-off")
        yield Section("", "", self._speed_rows(with_qemu))
        tell("Linux, going back from its prompt")
        yield Section("", "", self._back_rows())

    # --- from power-on to power-off ------------------------------------------------------------
    def _speed_rows(self, with_qemu: bool) -> list[Row]:
        machine = self.machine(THEN_POWER_OFF, "off.gz")
        ours, theirs = self._folder / "linux.rdbg", self._folder / "linux.rr"
        plain = ["-serial", "null"]
        # QEMU keeps no states for later sessions.
        no_states = [*plain, "--snapshot-budget", "0"]
        record = [*RDBG, "record", "-o", str(ours), "--", *machine, "-icount", "shift=7", "-no-reboot"]
        record += ["-net", "none"]
        icount = f"shift=7,rrfile={theirs},rr="
        qemu = ["qemu-system-mipsel", *machine, *_QEMU_ALONE, "-icount"]
        commands = {
            "record, no states": [*record, *no_states],
            "replay": [*RDBG, "replay", str(ours), *no_states],
            "record": [*record, *plain],
        }
        if with_qemu:
            commands |= {
                "QEMU record": [*qemu, icount + "record"],
                "QEMU replay": [*qemu, icount + "replay"],
                "QEMU record, clock=vm": [*qemu, icount.replace("linux.rr", "vm.rr") + "record", "-rtc", "clock=vm"],
            }
        runs: dict[str, list[Run]] = {what: [] for what in commands}
        for _ in range(self._repeats):
            for what, command in commands.items():
                runs[what].append(run(command, 90))
        virtual = runs.get("QEMU record, clock=vm")
        extra = f"QEMU with -rtc clock=vm {_both(virtual)}" if virtual else ""
        return [
            _speed_row("record", runs["record"], runs.get("QEMU record"), extra),
            _speed_row("record without keeping states", runs["record, no states"], runs.get("QEMU record"), extra),
            _speed_row("replay", runs["replay"], runs.get("QEMU replay"), ""),
        ]

    # --- at the shell --------------------------------------------------------------------------
    def _back_rows(self) -> list[Row]:
        journal, symbols = self._folder / "shell.rdbg", self._folder / "kernel.elf"
        machine = self.machine(SHELL, "shell.gz")
        command = ["record", "-o", str(journal), "--", *machine, "-icount", "shift=7", "-nographic"]
        with Console(command) as console:
            console.wait_for(CURSOR_QUESTION)
            for line in TYPED:
                console.command(line)
            console.stop()
        subprocess.run([*RDBG, "symbols", str(journal), "-o", str(symbols)], check=True, stdout=subprocess.DEVNULL)

        def serve(guest: Guest) -> Served:
            port = free_port()
            gdb = f"tcp:127.0.0.1:{port}"
            return Served([*RDBG, "replay", str(journal), "-serial", "null", "-S", "-gdb", gdb], port)

        steps = Task("reverse-stepi", "reverse-stepi", times=50)
        back = {
            name: Task(f"to {name}", "reverse-continue", (f"break *{name}",), expect="Breakpoint", finish=("delete",))
            for name in BACK_TARGETS
        }
        guest = Guest("linux", 0, symbols, {}, "")
        timings = time_tasks(serve, guest, [steps, *back.values()], self._repeats, 60, 60)
        at = "Linux at its shell prompt"
        places = {SYSTEM_CALL: f"the last system call ({SYSTEM_CALL})", "start_kernel": "start_kernel"}
        return [
            step_row(f"{at}: reverse-stepi, p50 / p99", timings["reverse-stepi"], None, *STEP_TARGETS),
            *(
                timing_row(f"{at}: reverse-continue to {places[name]}", timings[task.name], None, BACK_TARGETS[name])
                for name, task in back.items()
            ),
        ]

    def machine(self, last_line: str, name: str) -> list[str]:
        disk = self._folder / name
        disk.write_bytes(initramfs(FILES / BUSYBOX, last_line))
        return ["-M", "malta", "-m", str(MEMORY_MB), "-kernel", str(FILES / KERNEL), "-initrd", str(disk), "-append",
                APPEND]  # fmt: skip


#: Nothing but the board, its output thrown away as rdbg's is.
_QEMU_ALONE = ["-no-reboot", "-net", "none", "-vga", "none", "-display", "none", "-monitor", "none", "-serial", "null"]


def _both(runs: Sequence[Run]) -> str:
    wall, cpu = (statistics.median(one) for one in zip(*((r.seconds, r.cpu_seconds) for r in runs), strict=True))
    return f"{wall:.2f} s, CPU {cpu:.2f} s"


def _speed_row(what: str, mine: Sequence[Run], theirs: Sequence[Run] | None, extra: str) -> Row:
    """Wall time, since a boot is what somebody waits for; CPU time beside it, which a busy machine does not spoil."""
    seconds = statistics.median(one.seconds for one in mine)
    cpu = statistics.median(one.cpu_seconds for one in mine)
    ratio = reached = None
    if theirs is not None:
        ratio = statistics.median(one.seconds for one in theirs) / seconds
        by_cpu = statistics.median(one.cpu_seconds for one in theirs) / cpu
        extra = "; ".join(part for part in (f"by CPU time {by_cpu:.3g}x", extra) if part)
        reached = ratio >= 1 if what.startswith("record") else None
    return Row(
        f"{what}, Linux from power-on to power-off, shift=7",
        _both(theirs) if theirs else "-",
        _both(mine),
        ratio,
        "<= QEMU's" if what.startswith("record") else "",
        reached,
        extra,
    )


def main() -> None:
    """Measure the boot alone and print its rows."""
    effort = Effort.quick() if "--quick" in sys.argv[1:] else Effort.full()
    with tempfile.TemporaryDirectory(prefix="rdbg-bench-") as folder:
        for section in LinuxBoot(Path(folder), effort.repeats).sections(with_qemu=True):
            for row in section.rows:
                print(row, flush=True)
    print(f"load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
