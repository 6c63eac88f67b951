"""``python -m benchmarks``: measure rdbg and QEMU side by side, print the tables, write RESULTS.md and the plot."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.chaos import chaos_sections
from benchmarks.curves import curves
from benchmarks.debian_system import DebianSystem
from benchmarks.effort import Effort
from benchmarks.first_times import first_sections
from benchmarks.guests import MALTA_UART, MIPSSIM_UART, Guest, make_guest
from benchmarks.layouts import layout_sections
from benchmarks.linux_boot import LinuxBoot
from benchmarks.long_runs import long_sections
from benchmarks.measure import Measurements
from benchmarks.questions import question_sections
from benchmarks.report import Report
from benchmarks.rows import Section
from benchmarks.servers import Rdbg

_RESULTS = Path(__file__).with_name("RESULTS.md")
_PARTS = ("main", "linux", "debian", "long", "first", "layouts", "questions", "chaos", "plot")


def main() -> int:
    """Run the benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="five minutes: few repeats, no 1e10, no questions")
    parser.add_argument("--repeats", type=int, metavar="N", help="of each measurement (default: 2 quick, 5 else)")
    parser.add_argument("--only", action="append", choices=_PARTS, help="measure this part (may be given again)")
    parser.add_argument("--output", type=Path, default=_RESULTS, help="the tables (default: %(default)s)")
    parser.add_argument("--no-qemu", action="store_true", help="rdbg alone")
    options = parser.parse_args()
    with_qemu = not options.no_qemu and shutil.which("qemu-system-mipsel") is not None
    if not with_qemu and not options.no_qemu:
        print("benchmarks: no qemu-system-mipsel found (make real-deps): QEMU's column stays empty", file=sys.stderr)
    effort = Effort.quick() if options.quick else Effort.full()
    if options.repeats:
        effort = replace(effort, repeats=options.repeats)
    parts = options.only or [part for part in _PARTS if part not in ("long", "questions") or effort.long]
    with tempfile.TemporaryDirectory(prefix="rdbg-bench-") as name:
        folder = Path(name)

        def guest(kind: str, instructions: int, back_in_qemu: bool = False) -> Guest:
            return make_guest(kind, instructions, folder, MIPSSIM_UART if back_in_qemu else MALTA_UART)

        def sections() -> Iterator[Section]:
            """Each kind of measurement in turn."""
            if "main" in parts:
                yield from Measurements(folder, guest, effort, with_qemu).sections()
            if "linux" in parts:
                yield from LinuxBoot(folder, effort.repeats).sections(with_qemu)
            if "debian" in parts:
                yield from DebianSystem(folder, effort.repeats).sections(with_qemu)
            if "long" in parts:
                yield from long_sections(Rdbg(folder), guest, effort)
            if "first" in parts:
                yield from first_sections(Rdbg(folder), guest, effort)
            if "layouts" in parts:
                yield from layout_sections()
            if "questions" in parts:
                yield from question_sections(folder, Rdbg(folder), guest, effort)
            if "chaos" in parts:
                yield from chaos_sections(folder, effort)

        report = Report(options.output, f"{effort.name}, medians of {effort.repeats} runs", time.monotonic())
        # After each part: what was measured is not lost when the rest is cut short.
        for section in sections():
            report.add(section)
        if "plot" in parts:
            for lines in curves(folder, Rdbg(folder), guest, effort, with_qemu):
                report.draw(lines)
    print(options.output.read_text())
    return 0


sys.exit(main())
