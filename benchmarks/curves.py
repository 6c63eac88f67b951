"""Cost of going back against the length of the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.effort import Effort
from benchmarks.gdb_session import Task, Timing, time_tasks
from benchmarks.guests import LONG, Guest, GuestMaker
from benchmarks.progress import tell
from benchmarks.rows import Curve, median
from benchmarks.servers import QemuBack, Rdbg
from benchmarks.tasks import breakpoint_tasks, watch_tasks

_PLOTTED = {
    "reverse-continue, breakpoint halfway, own page",
    "reverse-continue, breakpoint halfway, hot page",
    "reverse-continue, watch halfway",
}


def curves(folder: Path, server: Rdbg, guest: GuestMaker, effort: Effort, with_qemu: bool) -> Iterator[list[Curve]]:
    """All curves; each time with one length more. QEMU's end at 1e9: at 1e10 one of its commands takes over a minute.

    Args:
        folder: for recordings.
        server: rdbg.
        guest: makes guests.
        effort: how much to measure.
        with_qemu: whether QEMU is there.
    """
    mine: dict[str, Curve] = {}
    theirs: dict[str, Curve] = {}
    for length in (10**7, 10**8, 10**9, *([LONG] if effort.long else [])):
        tell(f"plot, {length:.0e} instructions")
        made = guest("alu", length)
        server.record(made)
        repeats = effort.repeats
        _add(mine, "rdbg", length, time_tasks(server.serve, made, _plotted(made), repeats, 40, 120))
        if with_qemu and length < LONG:
            back = guest("alu", length, back_in_qemu=True)
            qemu = QemuBack(folder)
            qemu.record(back)
            _add(
                theirs,
                "QEMU",
                length,
                time_tasks(qemu.serve, back, _plotted(back), repeats, min(effort.budget, 40), effort.timeout),
            )
        yield [*theirs.values(), *mine.values()]


def _plotted(guest: Guest) -> list[Task]:
    return [
        Task("reverse-stepi", "reverse-stepi", times=5),
        *(task for task in [*breakpoint_tasks(guest), *watch_tasks(guest)] if task.name in _PLOTTED),
    ]


def _add(lines: dict[str, Curve], who: str, length: int, timings: dict[str, Timing]) -> None:
    for name, timing in timings.items():
        if timing.seconds:
            curve = lines.setdefault(name, Curve(f"{who}: {name}", []))
            curve.points.append((length, median(timing)))
