"""RESULTS.md and its plot."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gdb_session import gdb_program
from benchmarks.rows import Curve, Section

_HOW = """All times are wall times, medians, but for speeds, and for comparing 1e10 with 1.15e9, which other programs
on the machine would spoil: these go by CPU time, starting the program not counted. Going back is timed
inside GDB, from the command to its end. The guests are in `guest/`: 1.15e9 instructions unless said. The
same code runs on both; QEMU 7.2 cannot go back on its machine `malta` (it hangs after loading a snapshot),
so there it is measured on its `mipssim`, which has the same CPU."""
_NOTES = Path(__file__).with_name("NOTES.md")


class Report:
    """The file of results, written anew whenever there is more.

    Args:
        path: of the tables; the plot stands beside it.
        mode: quick or full, and how many runs.
        began: when, by `time.monotonic`.
    """

    def __init__(self, path: Path, mode: str, began: float) -> None:
        self._path = path
        self._mode = mode
        self._began = began
        self._sections: dict[str, Section] = {}
        self._curves: Sequence[Curve] = ()

    def add(self, section: Section) -> None:
        """Take rows; those under the same heading make one table."""
        known = self._sections.setdefault(section.heading, Section(section.heading, section.text))
        known.rows.extend(section.rows)
        self._write()

    def draw(self, curves: Sequence[Curve]) -> None:
        """Take curves in place of those before."""
        self._curves = curves
        self._write()

    def _write(self) -> None:
        lines = self._head()
        for section in self._sections.values():
            heading = [f"## {section.heading}", "", section.text, ""] if section.heading else []
            lines += ["", *heading, *_table(section)]
        if self._curves:
            lines += ["", "## Cost against length", ""]
            plot = self._path.with_suffix(".svg")
            if _draw(plot, self._curves):
                lines += [f"![cost against the length of the run]({plot.name})", ""]
            lines += _points(self._curves)
        text = "\n".join(lines) + "\n"
        if _NOTES.exists():
            text += "\n" + _NOTES.read_text()
        self._path.write_text(text)

    def _head(self) -> list[str]:
        date = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
        minutes = (time.monotonic() - self._began) / 60
        machine = f"{_cpu()}, {os.cpu_count()} logical CPUs, Linux {platform.release()}"
        return [
            "# Benchmarks: rdbg and QEMU side by side",
            "",
            f"Written by `make bench` ({self._mode}, {minutes:.0f} minutes) on {date} UTC.",
            f"Machine: {machine}, load average {os.getloadavg()[1]:.1f}.",
            f"{_version('qemu-system-mipsel')}; {_version(gdb_program())}; Python {platform.python_version()}.",
            "",
            *_HOW.splitlines(),
        ]


def _table(section: Section) -> list[str]:
    lines = [
        "| measure | QEMU | rdbg | times better | to reach | reached | notes |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in section.rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.3g}x"
        reached = "" if row.reached is None else "yes" if row.reached else "**no**"
        texts = (row.measure, row.qemu, row.rdbg, ratio, row.target, reached, row.note)
        lines.append("| " + " | ".join(text.replace("|", "/").replace("\n", " ") for text in texts) + " |")
    return lines


def _points(curves: Sequence[Curve]) -> list[str]:
    lengths = [length for length, _ in _longest(curves)]
    lines = ["| ms | " + " | ".join(f"{length:.0e}" for length in lengths) + " |", "|---" * (len(lengths) + 1) + "|"]
    for curve in curves:
        known = dict(curve.points)
        cells = [f"{known[length] * 1000:.3g}" if length in known else "-" for length in lengths]
        lines.append(f"| {curve.label} | " + " | ".join(cells) + " |")
    return lines


def _longest(curves: Sequence[Curve]) -> list[tuple[int, float]]:
    return max((curve.points for curve in curves), key=len)


def _draw(path: Path, curves: Sequence[Curve]) -> bool:
    try:
        import matplotlib
    except ImportError:
        return False  # only the bench extra has it
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "rdbg"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5))
    for curve in curves:
        style = "o--" if curve.label.startswith("QEMU") else "s-"
        axes.plot([n for n, _ in curve.points], [s * 1000 for _, s in curve.points], style, label=curve.label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("instructions in the run")
    axes.set_ylabel("milliseconds, through GDB")
    axes.grid(True, which="major", alpha=0.4)
    axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    return True


def _cpu() -> str:
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def _version(program: str) -> str:
    if shutil.which(program) is None:
        return f"no {program}"
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
