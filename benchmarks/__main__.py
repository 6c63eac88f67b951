"""``python -m benchmarks``: measure rdbg and QEMU side by side, print the table, write RESULTS.md and the plot."""

from __future__ import annotations

import argparse
import itertools
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.guests import MALTA_UART, MIPSSIM_UART, Guest, make_guest
from benchmarks.linux_boot import LinuxBoot
from benchmarks.measure import Effort, Measurements, Row
from benchmarks.report import write_report

_RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> int:
    """Run the benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about five minutes: few repeats, 1e10 left out")
    parser.add_argument("--repeats", type=int, metavar="N", help="of each measurement (default: 2 quick, 5 else)")
    parser.add_argument("--output", type=Path, default=_RESULTS, help="the table (default: %(default)s)")
    parser.add_argument("--no-qemu", action="store_true", help="rdbg alone")
    options = parser.parse_args()
    with_qemu = not options.no_qemu and shutil.which("qemu-system-mipsel") is not None
    if not with_qemu and not options.no_qemu:
        print("benchmarks: no qemu-system-mipsel found (make real-deps): QEMU's column stays empty", file=sys.stderr)
    effort = Effort.quick() if options.quick else Effort.full()
    if options.repeats:
        effort = replace(effort, repeats=options.repeats)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rdbg-bench-") as folder:

        def guest(kind: str, instructions: int, back_in_qemu: bool = False) -> Guest:
            return make_guest(kind, instructions, Path(folder), MIPSSIM_UART if back_in_qemu else MALTA_UART)

        measurements = Measurements(Path(folder), guest, effort, with_qemu)
        rows: list[Row] = []
        mode = f"{effort.name}, medians of {effort.repeats} runs"
        # After each part: what was measured is not lost when the rest is cut short.
        linux = LinuxBoot(Path(folder), effort.repeats)
        for more in itertools.chain(measurements.rows(), linux.rows(with_qemu)):
            rows += more
            write_report(options.output, rows, [], time.monotonic() - began, mode)
        for curves in measurements.curves():
            write_report(options.output, rows, curves, time.monotonic() - began, mode)
    print(options.output.read_text())
    return 0


sys.exit(main())
