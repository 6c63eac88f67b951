"""Going back in runs of 1e10 instructions, compared with those of 1.15e9."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.effort import Effort
from benchmarks.gdb_session import Task, Timing, time_tasks
from benchmarks.guests import LENGTH, LONG, GuestMaker
from benchmarks.progress import tell
from benchmarks.rows import Row, Section, milliseconds, timing_row
from benchmarks.servers import Rdbg
from benchmarks.tasks import breakpoint_tasks, watch_tasks

_HEADING = "The same at 1e10 instructions"
_TEXT = """rdbg alone, measured right after runs of 1.15e9 and compared with these by the CPU time of the server.
A longer run has more rounds, not longer ones. `alu` writes few pages; `walk` writes 32 MB again and again, so
that nearly all of these differ from one checkpoint to the next."""
_UNITS = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def long_sections(server: Rdbg, guest: GuestMaker, effort: Effort) -> Iterator[Section]:
    """The rows at 1e10 instructions, as they are measured."""
    for kind in ("alu", "walk"):
        tell(f"going back in 1e10 instructions, {kind}")
        yield Section(_HEADING, _TEXT, _rows(server, guest, kind, effort.repeats))


def _rows(server: Rdbg, guest: GuestMaker, kind: str, repeats: int) -> list[Row]:
    found: list[dict[str, Timing]] = []
    for instructions in (LENGTH, LONG):
        made = guest(kind, instructions)
        server.record(made)
        report = Task("memory", "monitor info checkpoints")
        steps = Task("reverse-stepi", "reverse-stepi", times=50)
        tasks = [*breakpoint_tasks(made), *watch_tasks(made)[:4], steps]
        found.append(time_tasks(server.serve, made, [*tasks, report], repeats, 30, 120))
    short, long = found
    memory = long.pop("memory")
    return [*(_compared(f"1e10, {kind}: {name}", short[name], long[name]) for name in long), _memory_row(kind, memory)]


def _compared(name: str, short: Timing, long: Timing) -> Row:
    row = timing_row(name, long, None, None)
    cpu = [statistics.median(timing.cpu) if timing.cpu else float("inf") for timing in (short, long)]
    note = f"CPU time {cpu[1] / cpu[0]:.2f} times that at 1.15e9 ({milliseconds(short)}); {row.note}"
    good = not long.trouble and cpu[1] <= 2 * cpu[0]
    return replace(row, target="<= 2 times that at 1e9", reached=good, note=note)


def _memory_row(kind: str, memory: Timing) -> Row:
    sizes = re.findall(r"([\d.]+) ([KMG]i)?B", memory.output)
    held = sum(float(value) * _UNITS[unit] for value, unit in (sizes[0], sizes[2])) if len(sizes) > 2 else 1e99
    first_line = memory.output.splitlines()[0] if memory.output else ""
    return Row(
        f"1e10, {kind}: memory for checkpoints and index",
        "-",
        f"{held / 2**20:.1f} MiB",
        None,
        "<= 256 MB",
        held <= 256e6,
        f"{first_line}; the process has {memory.memory_kb // 1024} MiB",
    )
