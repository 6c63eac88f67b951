"""The rows of the table at the top: runs of 1.15e9 instructions."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.direct import boot_seconds, checkpoint_cost, opening, speeds
from benchmarks.effort import Effort
from benchmarks.gdb_session import Timing, time_tasks
from benchmarks.guests import LENGTH, GuestMaker
from benchmarks.progress import tell
from benchmarks.rows import Row, Section, step_row, target_of, timing_row
from benchmarks.servers import Qemu, QemuBack, Rdbg
from benchmarks.tasks import anywhere_tasks, breakpoint_tasks, step_tasks, watch_tasks
from rdbg.emu.loaders.raw import swap_words

_UBOOT = Path("/usr/lib/u-boot/maltael/u-boot.bin")
_UBOOT_PROMPT = b"maltael #"


class Measurements:
    """Takes all measurements.

    Args:
        folder: for recordings.
        guest: makes a guest: kind, instructions, whether for QEMU to go back on.
        effort: how much.
        with_qemu: whether QEMU is there.
    """

    def __init__(self, folder: Path, guest: GuestMaker, effort: Effort, with_qemu: bool) -> None:
        self._folder = folder
        self._guest = guest
        self._effort = effort
        self._with_qemu = with_qemu
        self._rdbg = Rdbg(folder)

    def sections(self) -> Iterator[Section]:
        """Rows of the table at the top, as they are measured."""
        for rows in self._rows():
            yield Section("", "", rows)

    def _rows(self) -> Iterator[list[Row]]:
        tell("going back")
        yield self._back_rows()
        tell("checkpoints, files, opening")
        yield self._checkpoint_rows() + self._file_rows()
        for kind in ("alu", "walk", "calls"):
            for shift in (7, 0) if self._effort.long and kind == "alu" else (7,):
                tell(f"speed of {kind}, shift={shift}")
                yield self._speed_rows(kind, shift)
        tell("U-Boot")
        yield self._boot_rows()

    def _speed_rows(self, kind: str, shift: int) -> list[Row]:
        guest = self._guest(kind, LENGTH)
        mine = speeds(Rdbg(self._folder, shift, keep_states=False), guest, self._folder, self._effort.repeats)
        theirs = speeds(Qemu(self._folder, shift), guest, self._folder, self._effort.repeats) if self._with_qemu else ()
        rows = []
        for n, what in enumerate(("record", "replay")):
            other = theirs[n].cpu if theirs else None
            aim = kind == "alu"  # the loop that the figure to reach is of
            rows.append(
                Row(
                    f"{what}, {kind}, shift={shift}, million instructions per CPU second",
                    f"{other:.0f}" if other else "-",
                    f"{mine[n].cpu:.0f}",
                    mine[n].cpu / other if other else None,
                    ">= 1130" if aim else "",
                    mine[n].cpu >= 1130 if aim else None,
                    f"by the clock {mine[n].wall:.0f}" + (f", QEMU {theirs[n].wall:.0f}" if theirs else ""),
                )
            )
        return rows

    def _boot_rows(self) -> list[Row]:
        if not _UBOOT.exists():
            return []
        console, swapped = self._folder / "console", self._folder / "u-boot.bin"
        # QEMU swaps the words of little-endian firmware, which Debian's image does not expect.
        swapped.write_bytes(swap_words(_UBOOT.read_bytes()))
        options = ["-M", "malta", "-m", "256", "-icount", "shift=7", "-net", "none", "-serial", f"file:{console}"]
        mine = [sys.executable, "-m", "rdbg", "run", *options, "-bios", str(_UBOOT)]
        theirs = ["qemu-system-mipsel", *options, "-bios", str(swapped), "-vga", "none", "-display", "none",
                  "-monitor", "none"]  # fmt: skip
        took, other = Timing(), Timing()
        for _ in range(self._effort.repeats):
            took.seconds.append(boot_seconds(mine, console, _UBOOT_PROMPT))
            if self._with_qemu:
                other.seconds.append(boot_seconds(theirs, console, _UBOOT_PROMPT))
        return [
            timing_row("U-Boot from power-on to its prompt, shift=7, live, with the program's start", took, other, None)
        ]

    def _back_rows(self) -> list[Row]:
        effort = self._effort
        guest = self._guest("alu", LENGTH)
        self._rdbg.record(guest)
        tasks = [*step_tasks(guest, 100, 1000), *breakpoint_tasks(guest), *watch_tasks(guest)]
        anywhere = anywhere_tasks(effort.places, 20)
        mine = time_tasks(self._rdbg.serve, guest, [*tasks, *anywhere], effort.repeats, effort.budget, effort.timeout)
        theirs: dict[str, Timing] = {}
        if self._with_qemu:
            back = self._guest("alu", LENGTH, back_in_qemu=True)
            qemu = QemuBack(self._folder)
            qemu.record(back)
            same = [*step_tasks(back, 5, 20), *breakpoint_tasks(back), *watch_tasks(back)]
            theirs = time_tasks(qemu.serve, back, same, effort.repeats, effort.budget, effort.timeout)
        pooled = Timing([one for task in anywhere for one in mine[task.name].seconds])
        few = theirs.get("reverse-stepi 20", Timing())
        many = Timing([one * 50 for one in few.seconds], trouble=few.trouble)
        step = theirs.get("reverse-stepi")
        rows = [
            step_row("reverse-stepi at the end, p50 / p99", mine["reverse-stepi"], step),
            step_row("reverse-stepi at places all over the run, p50 / p99", pooled, step),
            timing_row(
                "1,000 reverse-stepi", mine["reverse-stepi 1000"], many, 2.0, "QEMU: 50 times what 20 take" * bool(few)
            ),
        ]
        for task in tasks[1:]:
            if task.name != "reverse-stepi 1000":
                rows.append(timing_row(task.name, mine[task.name], theirs.get(task.name), target_of(task.name)))
        return rows

    def _checkpoint_rows(self) -> list[Row]:
        rows = []
        for pages, words, target in ((200, "200 dirty pages", 0.001), (8192, "32 MB dirty", 0.030)):
            seconds, cpu = checkpoint_cost(self._folder, pages, 5 * self._effort.repeats if pages < 999 else 7)
            timing = Timing(seconds, cpu)
            rows.append(timing_row(f"one checkpoint, 128 MB guest: {words}", timing, None, target))
        return rows

    def _file_rows(self) -> list[Row]:
        guest = self._guest("alu", LENGTH)
        size = self._rdbg.journal(guest).stat().st_size
        theirs = None
        if self._with_qemu:
            qemu = Qemu(self._folder)
            qemu.record(guest)
            theirs = qemu.journal(guest).stat().st_size
        opened = Timing([opening(self._rdbg, guest, "end") for _ in range(self._effort.repeats)])
        bare = statistics.median(opening(self._rdbg, guest, "start") for _ in range(self._effort.repeats))
        return [
            Row(
                "journal of 1.15e9 instructions without input",
                f"{theirs} bytes" if theirs else "-",
                f"{size} bytes",
                theirs / size if theirs else None,
                "<= 20 KB",
                size <= 20000,
            ),
            timing_row(
                "opening a recording of 1.15e9 and `goto end`", opened, None, 0.3, f"`goto start`: {bare * 1000:.0f} ms"
            ),
        ]
