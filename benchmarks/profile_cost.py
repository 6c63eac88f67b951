"""What counting costs beside a plain replay: ``python -m benchmarks.profile_cost [INSTRUCTIONS]``, in CPU time."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.guests import make_guest
from benchmarks.linux_boot import FILES, THEN_POWER_OFF, LinuxBoot
from benchmarks.rows import Row, Section
from rdbg.analysis.block_counts import CountBlocks
from rdbg.analysis.call_paths import CallPaths, CountPaths
from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.cli.qemu_options import parse_line
from rdbg.cli.running import replaying
from rdbg.emu.machine_api import RunRequest
from rdbg.serial.serial_spec import SerialKind, SerialSpec
from rdbg.session.session import Session
from rdbg.session.surroundings import Surroundings
from rdbg.timeline import Timeline
from tests.linux.console import RDBG
from tests.linux.fetch import BUSYBOX, KERNEL

#: Instructions that are counted, and of the Linux boot those before them.
_LENGTH = 200_000_000
_BOOTED = 400_000_000
_REPEATS = 5
#: As many times a plain replay.
TARGET = 3.0


def sections(folder: Path, length: int = _LENGTH) -> Iterator[Section]:
    """A row for each guest."""
    rows = []
    for kind in ("alu", "walk", "calls"):
        guest = make_guest(kind, length + length // 10, folder)
        rows += _rows(kind, recorded(folder, kind, ["-kernel", str(guest.elf)]), 1_000_000, length)
    if all((FILES / name).is_file() for name in (KERNEL, BUSYBOX)):
        machine = LinuxBoot(folder, 3).machine(THEN_POWER_OFF, "off.gz")
        rows += _rows("Linux", recorded(folder, "linux", machine), _BOOTED, length)
    for way in ("flat", "by path"):
        of_way = [float(row.rdbg.rstrip("x")) for row in rows if row.measure.startswith(f"profile, {way}, ")]
        mean = statistics.mean(of_way)
        rows.append(Row(f"profile, {way}, mean of {len(of_way)}", "", f"{mean:.2f}x", None, f"<= {TARGET:g}x",
                        mean <= TARGET))  # fmt: skip
    yield Section("", "", rows)


def recorded(folder: Path, name: str, machine: list[str]) -> Path:
    """Record a machine until it powers off; the journal."""
    file = folder / f"{name}.rec"
    line = [*RDBG, "record", "-o", str(file), "--", *machine, "-serial", "null", "-no-reboot", "-net", "none"]
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return file


def _rows(name: str, recording: Path, start: int, length: int) -> list[Row]:
    options = replace(replaying(parse_line([]).options, str(recording)), serials=(SerialSpec(SerialKind.NULL),))
    session = Session(options, Surroundings(command_line=("benchmarks",), terminal=False))
    try:
        timeline = session.timeline
        piece = Piece(start, min(start + length, timeline.end))
        ways: dict[str, Callable[[], object]] = {
            "plain": lambda: _replay(timeline, piece),
            "flat": lambda: _ask(timeline, CountBlocks(), piece),
            "by path": lambda: CallPaths.of(CountPaths().of_piece(ReplayedRun(timeline), piece, False), piece.start),
        }
        found = {way: _median(timeline, piece.start, do) for way, do in ways.items()}
    finally:
        session.close()
    plain = found.pop("plain")
    return [
        Row(
            f"profile, {way}, {name}",
            "",
            f"{seconds / plain:.2f}x",
            None,
            f"<= {TARGET:g}x",
            seconds / plain <= TARGET,
            f"{seconds:.2f} s of CPU time; plain {plain:.2f} s, {piece.end - piece.start:.2e} instructions",
        )
        for way, seconds in found.items()
    ]


def _median(timeline: Timeline, start: int, do: Callable[[], object]) -> float:
    taken = []
    for _ in range(_REPEATS):
        timeline.goto(start)
        began = time.process_time()
        do()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def _replay(timeline: Timeline, piece: Piece) -> None:
    run = ReplayedRun(timeline)
    while run.position < piece.end:
        run.advance(RunRequest(until=piece.end, slice=run.slice))


def _ask(timeline: Timeline, question: CountBlocks, piece: Piece) -> None:
    for _ in question.of_piece(ReplayedRun(timeline), piece, False):
        pass


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        for section in sections(Path(scratch), int(sys.argv[1]) if len(sys.argv) > 1 else _LENGTH):
            for row in section.rows:
                print(f"{row.measure}: {row.rdbg} ({row.note})")
