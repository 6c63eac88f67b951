"""What consoles printed, line by line, each at its place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdbg.errors import UsageError
from rdbg.quick_dataclass import dataclass
from rdbg.serial.plain_text import PlainText
from rdbg.timeline import OutputLog
from rdbg.ui.run_view import RunView

#: Lines that are given at once, and characters of one.
MOST_LINES = 1000
_LONGEST_LINE = 2000


@dataclass(frozen=True)
class _Lines:
    """The lines of a console.

    Args:
        text: all that it printed.
        starts: offset of each line in it; behind the last one its length.
        icounts: of each line, of the instruction that sent its first byte.
    """

    text: bytes
    starts: NDArray[np.int64]
    icounts: NDArray[np.uint64]

    @property
    def count(self) -> int:
        return len(self.starts) - 1

    def line(self, number: int) -> str:
        start, end = int(self.starts[number]), int(self.starts[number + 1])
        raw = self.text[start : min(end, start + _LONGEST_LINE)]
        return PlainText().feed(raw.rstrip(b"\r\n") + b"\n").rstrip("\n")


def _lines_of(log: OutputLog, console: int) -> _Lines:
    text, befores, icounts = log.stream(log.consoles()[console])
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == 0x0A) + 1
    starts = np.concatenate([[0], ends]) if not len(ends) or ends[-1] != len(text) else np.concatenate([[0], ends[:-1]])
    if not len(text):
        return _Lines(text, np.zeros(1, np.int64), icounts[:0])
    # The log may have forgotten the first ones: numbers of bytes then begin elsewhere.
    rows = np.searchsorted(befores - befores[0], starts, side="right") - 1
    return _Lines(text, np.concatenate([starts, [len(text)]]).astype(np.int64), icounts[rows])


@dataclass(frozen=True)
class ConsoleLines:
    """A stretch of a console's lines.

    Args:
        console: which, of those that have printed anything.
        first: number of the first line; None: the middle of what is given is where ``at`` is.
        count: lines.
        at: an icount.
    """

    console: int
    first: int | None
    count: int
    at: int

    def answer(self, view: RunView) -> dict[str, Any]:
        """Lines as [number, icount, text]; how many there are; which is the last one begun by ``at``."""
        log, complete = view.outputs()
        consoles = log.consoles()
        names = [str(each) for each in consoles]
        if not consoles:
            return {"consoles": [], "lines": [], "total": 0, "here": -1, "complete": complete}
        if not 0 <= self.console < len(consoles):
            raise UsageError(f"there is no console {self.console}")
        lines = view.kept(
            f"lines {self.console}", (view.timeline.branch_name, log.count), lambda: _lines_of(log, self.console)
        )
        # Standing at an icount, what its instruction sends has not left.
        here = int(np.searchsorted(lines.icounts, np.uint64(self.at))) - 1
        count = max(0, min(self.count, MOST_LINES))
        first = max(0, here - count // 2) if self.first is None else max(0, self.first)
        numbers = range(first, min(first + count, lines.count))
        return {
            "consoles": names,
            "lines": [[number, int(lines.icounts[number]), lines.line(number)] for number in numbers],
            "total": lines.count,
            "here": here,
            "complete": complete,
        }
