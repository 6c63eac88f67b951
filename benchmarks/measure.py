"""The rows of the table and the curves of the plot."""

from __future__ import annotations

import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.direct import boot_seconds, checkpoint_cost, opening, speeds
from benchmarks.gdb_session import Task, Timing, time_tasks
from benchmarks.guests import Guest
from benchmarks.servers import Qemu, QemuBack, Rdbg
from benchmarks.tasks import anywhere_tasks, breakpoint_tasks, step_tasks, watch_tasks
from rdbg.emu.loaders.raw import swap_words

_UBOOT = Path("/usr/lib/u-boot/maltael/u-boot.bin")
_UBOOT_PROMPT = b"maltael #"

LENGTH = 1_150_000_000
LONG = 10_000_000_000


@dataclass(frozen=True)
class Effort:
    """How much to measure.

    Args:
        name: of the mode.
        repeats: of everything that is repeated.
        places: where single steps back are timed.
        budget: seconds after which a task of one server is not repeated.
        timeout: seconds after which a task of one server is given up.
        long: whether runs of 1e10 instructions are measured.
    """

    name: str
    repeats: int
    places: int
    budget: float
    timeout: float
    long: bool

    @classmethod
    def quick(cls) -> Effort:
        """About five minutes."""
        return cls("quick", 2, 10, 3.0, 12.0, False)

    @classmethod
    def full(cls) -> Effort:
        """For the record."""
        return cls("full", 5, 40, 20.0, 25.0, True)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        measure: what.
        qemu: QEMU's value, as text.
        rdbg: rdbg's, as text.
        ratio: how many times better rdbg is; None where there is nothing to compare.
        target: what is to be reached, as text.
        reached: whether it is; None: there is no target.
        note: what must be known of it.
    """

    measure: str
    qemu: str
    rdbg: str
    ratio: float | None
    target: str
    reached: bool | None
    note: str = ""


@dataclass(frozen=True)
class Curve:
    """Cost against length of run: (instructions, seconds)."""

    label: str
    points: list[tuple[int, float]]


class Measurements:
    """Takes all measurements.

    Args:
        folder: for recordings.
        guest: makes a guest: kind, instructions, whether for QEMU to go back on.
        effort: how much.
        with_qemu: whether QEMU is there.
    """

    def __init__(self, folder: Path, guest: Callable[..., Guest], effort: Effort, with_qemu: bool) -> None:
        self._folder = folder
        self._guest = guest
        self._effort = effort
        self._with_qemu = with_qemu
        self._rdbg = Rdbg(folder)

    # --- the table -----------------------------------------------------------------------------
    def rows(self) -> Iterator[list[Row]]:
        """All rows, as they are measured."""
        self._tell("going back")
        yield self._back_rows()
        self._tell("checkpoints, files, opening")
        yield self._checkpoint_rows() + self._file_rows()
        for kind in ("alu", "walk", "calls"):
            for shift in (7, 0) if self._effort.long and kind == "alu" else (7,):
                self._tell(f"speed of {kind}, shift={shift}")
                yield self._speed_rows(kind, shift)
        self._tell("U-Boot")
        yield self._boot_rows()
        if self._effort.long:
            for kind in ("alu", "walk"):
                self._tell(f"going back in 1e10 instructions, {kind}")
                yield self._long_rows(kind)

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
        options = ["-M", "malta", "-m", "256", "-icount", "shift=7", "-serial", f"file:{console}"]
        mine = [sys.executable, "-m", "rdbg", "run", *options, "-bios", str(_UBOOT)]
        theirs = ["qemu-system-mipsel", *options, "-bios", str(swapped), "-vga", "none", "-net", "none",
                  "-display", "none", "-monitor", "none"]  # fmt: skip
        took, other = Timing(), Timing()
        for _ in range(self._effort.repeats):
            took.seconds.append(boot_seconds(mine, console, _UBOOT_PROMPT))
            if self._with_qemu:
                other.seconds.append(boot_seconds(theirs, console, _UBOOT_PROMPT))
        name = "U-Boot from power-on to its prompt, shift=7, live, with the program's start"
        return [timing_row(name, took, other, None)]

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
                rows.append(timing_row(task.name, mine[task.name], theirs.get(task.name), _target(task.name)))
        return rows

    def _long_rows(self, kind: str) -> list[Row]:
        short, long = self._guest(kind, LENGTH), self._guest(kind, LONG)
        repeats = self._effort.repeats
        found = []
        for guest in (short, long):
            self._rdbg.record(guest)
            report = Task("memory", "monitor info checkpoints")
            steps = Task("reverse-stepi", "reverse-stepi", times=50)
            tasks = [*breakpoint_tasks(guest), *watch_tasks(guest)[:4], steps]
            found.append(time_tasks(self._rdbg.serve, guest, [*tasks, report], repeats, 30, 120))
        rows = []
        for name in found[1]:
            if name != "memory":
                before, after = found[0][name], found[1][name]
                row = timing_row(f"1e10, {kind}: {name}", after, None, None)
                cpu = [statistics.median(timing.cpu) if timing.cpu else float("inf") for timing in (before, after)]
                times = cpu[1] / cpu[0]
                note = f"CPU time {times:.2f} times that at 1.15e9 ({_milliseconds(before)}); {row.note}"
                good = not after.trouble and cpu[1] <= 2 * cpu[0]
                rows.append(Row(row.measure, "-", row.rdbg, None, "<= 2 times that at 1e9", good, note))
        memory = found[1]["memory"]
        sizes = re.findall(r"([\d.]+) ([KMG]i)?B", memory.output)
        units = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
        held = sum(float(value) * units[unit] for value, unit in (sizes[0], sizes[2])) if len(sizes) > 2 else 1e99
        first_line = memory.output.splitlines()[0] if memory.output else ""
        rows.append(
            Row(
                f"1e10, {kind}: memory for checkpoints and index",
                "-",
                f"{held / 2**20:.1f} MiB",
                None,
                "<= 256 MB",
                held <= 256e6,
                f"{first_line}; the process has {memory.memory_kb // 1024} MiB",
            )
        )
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

    # --- the plot ------------------------------------------------------------------------------
    def curves(self) -> Iterator[list[Curve]]:
        """Cost of going back against the length of the run; each time with one length more."""
        lengths = [10**7, 10**8, 10**9, *([LONG] if self._effort.long else [])]
        mine: dict[str, Curve] = {}
        theirs: dict[str, Curve] = {}
        for length in lengths:
            self._tell(f"plot, {length:.0e} instructions")
            guest = self._guest("alu", length)
            self._rdbg.record(guest)
            _add(mine, "rdbg", length, time_tasks(self._rdbg.serve, guest, _plotted(guest), 3, 10, 120))
            if self._with_qemu and length < LONG:
                back = self._guest("alu", length, back_in_qemu=True)
                qemu = QemuBack(self._folder)
                qemu.record(back)
                _add(theirs, "QEMU", length, time_tasks(qemu.serve, back, _plotted(back), 2, 10, self._effort.timeout))
            yield [*theirs.values(), *mine.values()]

    def _tell(self, what: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def _plotted(guest: Guest) -> list[Task]:
    wanted = {
        "reverse-continue, breakpoint halfway, own page",
        "reverse-continue, breakpoint halfway, hot page",
        "reverse-continue, watch halfway",
    }
    return [
        Task("reverse-stepi", "reverse-stepi", times=5),
        *(task for task in [*breakpoint_tasks(guest), *watch_tasks(guest)] if task.name in wanted),
    ]


def _add(curves: dict[str, Curve], who: str, length: int, timings: dict[str, Timing]) -> None:
    for name, timing in timings.items():
        if timing.seconds:
            curve = curves.setdefault(name, Curve(f"{who}: {name}", []))
            curve.points.append((length, _median(timing)))


def _target(name: str) -> float | None:
    if "reverse-next" in name:
        return 0.2
    if "thousand" in name or "hot loop" in name:
        return 0.05
    if "hot stores" in name:
        return None
    return 0.1 if "reverse-continue" in name else None


def _median(timing: Timing) -> float:
    return statistics.median(timing.seconds)


def _milliseconds(timing: Timing | None) -> str:
    if timing is None or not timing.seconds:
        return timing.trouble if timing is not None and timing.trouble else "-"
    return f"{_median(timing) * 1000:.3g} ms"


def timing_row(name: str, mine: Timing, theirs: Timing | None, target: float | None, note: str = "") -> Row:
    """A row of medians; ``target`` in seconds."""
    notes = [note] if note else []
    if mine.trouble:
        notes.append(f"rdbg: {mine.trouble}")
    if theirs is not None and theirs.trouble and theirs.seconds:
        notes.append(f"QEMU: {theirs.trouble}")
    if mine.cpu:
        notes.append(f"rdbg's CPU time: {statistics.median(mine.cpu) * 1000:.3g} ms")
    if mine.seconds and len(mine.seconds) > 1:
        notes.append(f"worst of {len(mine.seconds)}: {max(mine.seconds) * 1000:.3g} ms")
    ratio = _median(theirs) / _median(mine) if theirs is not None and theirs.seconds and mine.seconds else None
    reached = None
    if target is not None:
        reached = bool(mine.seconds) and not mine.trouble and _median(mine) <= target
    words = "" if target is None else f"<= {target * 1000:.0f} ms"
    return Row(name, _milliseconds(theirs), _milliseconds(mine), ratio, words, reached, "; ".join(notes))


def step_row(
    name: str, mine: Timing, theirs: Timing | None, middle_target: float = 0.002, high_target: float | None = 0.02
) -> Row:
    """A row of p50 and p99; their targets in seconds."""

    def both(seconds: Sequence[float]) -> tuple[float, float]:
        ordered = sorted(seconds)
        return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]

    target = f"<= {middle_target * 1000:.0f}" + (f" / <= {high_target * 1000:.0f} ms" if high_target else " ms p50")
    if not mine.seconds:
        return Row(name, _milliseconds(theirs), "-", None, target, False, mine.trouble)
    middle, high = both(mine.seconds)
    qemu, ratio = _milliseconds(theirs), None
    if theirs is not None and theirs.seconds:
        other = both(theirs.seconds)
        qemu, ratio = f"{other[0] * 1000:.3g} / {other[1] * 1000:.3g} ms", other[0] / middle
    return Row(
        name,
        qemu,
        f"{middle * 1000:.3g} / {high * 1000:.3g} ms",
        ratio,
        target,
        middle <= middle_target and (high_target is None or high <= high_target) and not mine.trouble,
        f"{len(mine.seconds)} steps, the slowest {max(mine.seconds) * 1000:.3g} ms",
    )
