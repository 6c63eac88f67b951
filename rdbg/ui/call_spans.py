"""The calls of a stretch, each with where it began and ended: a flame chart, from an exact replay."""

from __future__ import annotations

from typing import Any

from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.analysis.stack_spans import StackSpan, stack_spans
from rdbg.emu.counts import Node
from rdbg.quick_dataclass import dataclass
from rdbg.targets.backtrace import backtrace
from rdbg.ui.bins import check_stretch
from rdbg.ui.names import Names, names_of
from rdbg.ui.run_view import RunView

#: Instructions of a stretch, at most; calls that are given, the longest; and of what is shorter than so large a part of
#: the stretch nothing is seen.
MOST_INSTRUCTIONS = 150_000
MOST_SPANS = 3000
_SEEN_PART = 2000
_CAME = {Node.EXCEPTION: "exception at ", Node.INTERRUPT: "interrupt at "}

#: Depth, icounts at which it begins and ends, and name.
_Span = tuple[int, int, int, str]


@dataclass(frozen=True)
class CallSpans:
    """The calls of [start, end).

    Args:
        start, end: icounts, at most `MOST_INSTRUCTIONS` apart.
    """

    start: int
    end: int

    def answer(self, view: RunView) -> dict[str, Any]:
        """Spans as [depth, start, end, name]; none where the stretch is too long.

        Raises:
            UsageError: there is nothing between start and end.
        """
        check_stretch(self.start, self.end)
        if self.end - self.start > MOST_INSTRUCTIONS:
            return {"spans": None, "most": MOST_INSTRUCTIONS, "left_out": 0}
        timeline, names = view.timeline, names_of(view)
        start, end = max(self.start, timeline.start), min(self.end, timeline.end)
        spans = _spans(view, names, start, end) if start < end else []
        shortest = (self.end - self.start) / _SEEN_PART
        seen = [span for span in spans if span[2] - span[1] >= shortest]
        seen = sorted(seen, key=lambda span: span[1] - span[2])[:MOST_SPANS]
        return {"spans": sorted(seen), "most": MOST_INSTRUCTIONS, "left_out": len(spans) - len(seen)}


def _spans(view: RunView, names: Names, start: int, end: int) -> list[_Span]:
    timeline = view.timeline
    timeline.goto(start)
    frames = [frame.function or hex(frame.pc) for frame in backtrace(timeline.machine, names.function_at)]
    bars = stack_spans(ReplayedRun(timeline), Piece(start, end))
    # What had begun before comes to light as it returns; what has called that did not return, and lies below all.
    returned = [bar for bar in bars if bar.kind is Node.ROOT and bar.start == start]
    below = frames[len(returned) :][::-1]
    until = max(bar.end for bar in returned)
    return [
        *((depth, start, until, name) for depth, name in enumerate(below)),
        *((len(below) + bar.depth, bar.start, bar.end, _name(bar, names)) for bar in bars),
    ]


def _name(bar: StackSpan, names: Names) -> str:
    known = names.function_at(bar.function)
    return _CAME.get(bar.kind, "") + (hex(bar.function) if known is None else known[0])
