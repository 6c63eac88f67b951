"""Calls as stretches of a run: the bars of a flame chart."""

from __future__ import annotations

from dataclasses import replace

from rdbg.analysis.block_counts import counted
from rdbg.analysis.call_stacks import CallStacks, OpenFrame
from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.emu.counts import Came, Node
from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class StackSpan:
    """A stretch of a run in which a function was running or had called what ran.

    Args:
        start: icount of its first instruction; of what had begun before the stretch that was asked for, that of the
            stretch.
        end: icount at which it was left, or that at which the stretch ends.
        depth: how many bars are below it.
        function: virtual address that it was called at; of what had begun before, that of an instruction in it; of an
            exception, that of the instruction that raised it, or before which an interrupt came.
        kind: CALL; EXCEPTION or INTERRUPT; ROOT of what had begun before.
    """

    start: int
    end: int
    depth: int
    function: int
    kind: Node


def stack_spans(run: ReplayedRun, stretch: Piece) -> list[StackSpan]:
    """The calls of a stretch, outermost first where several begin at one place; at each position one bar is on top.

    A chart shows stretches of a few million instructions. It takes some plain replays, and memory for each call.

    Args:
        run: the run; it is moved.
        stretch: which part.

    Raises:
        QuestionInterrupted: the user asked to stop.
    """
    run.go(stretch.start)
    spans = _Spans(stretch.start, run.machine.pc)
    for taken, _ in counted(run, stretch, paths=True, all_events=True):
        names = ("icount", "kind", "address", "stack", "space", "node", "pc")
        for row in zip(*(taken.events[name].tolist() for name in names), strict=True):
            spans.happen(*row)
    return spans.made(stretch.end)


class _Bar:
    """A frame as it is shown, from where it came on top of the one below."""

    __slots__ = ("frame", "function", "kind", "start")

    def __init__(self, frame: OpenFrame, function: int, kind: Node, start: int) -> None:
        self.frame = frame
        self.function = function
        self.kind = kind
        self.start = start


class _Spans:
    """Bars of the stack that runs, and those that have ended.

    Args:
        start: icount at which the stretch begins.
        pc: where.
    """

    def __init__(self, start: int, pc: int) -> None:
        self._start = start
        self._stacks = CallStacks()
        self._functions: list[tuple[int, Node]] = [(pc, Node.ROOT)]  # by the data of frames
        self._shown = [_Bar(self._stacks.current, pc, Node.ROOT, start)]
        self._lowest = 0  # depth of the first bar: what has called it comes to light when that goes on
        self._ended: list[StackSpan] = []

    def happen(self, icount: int, kind: int, address: int, stack: int, space: int, node: int, pc: int) -> None:
        """A `STACK_EVENT`."""
        came = Came(kind)
        if came in (Came.CALL, Came.EXCEPTION):
            self._functions.append((pc, Node.CALL if came is Came.CALL else Node(node)))
            self._stacks.push(came, address, stack, space, len(self._functions) - 1)
            self._show(self._stacks.current, icount)
            return
        before = self._stacks.current
        self._stacks.happen(came, pc, stack, space)
        now = self._stacks.current
        if now is before:
            if now.kind is Came.RESET and came is not Came.END:
                self._go_out(icount, pc)
            return
        if len(self._shown) > 1 and self._shown[-2].frame is now:
            self._end(icount)
            return
        if now.kind is Came.RESET and now.above is None and now.data == 0 and now is not self._shown[0].frame:
            self._functions.append((pc, Node.ROOT))
            now.data = len(self._functions) - 1
        chain: list[OpenFrame] = []
        frame: OpenFrame | None = now
        while frame is not None:
            chain.append(frame)
            frame = frame.below
        chain.reverse()
        same = 0
        while same < min(len(chain), len(self._shown)) and chain[same] is self._shown[same].frame:
            same += 1
        while len(self._shown) > same:
            self._end(icount)
        for frame in chain[same:]:
            self._show(frame, icount)

    def made(self, end: int) -> list[StackSpan]:
        """All bars, if the stretch ends there."""
        while self._shown:
            self._end(end)
        spans = [replace(span, depth=span.depth - self._lowest) for span in self._ended]
        return sorted(spans, key=lambda span: (span.start, span.depth))

    def _show(self, frame: OpenFrame, icount: int) -> None:
        self._shown.append(_Bar(frame, *self._functions[frame.data], icount))

    def _end(self, icount: int) -> None:
        bar = self._shown.pop()
        if icount > bar.start:
            self._ended.append(StackSpan(bar.start, icount, self._lowest + len(self._shown), bar.function, bar.kind))

    def _go_out(self, icount: int, pc: int) -> None:
        """What had begun before the stretch has been left: what it had been called by goes on."""
        frame = self._shown[0].frame
        start = self._shown[0].start
        self._end(icount)
        self._lowest -= 1
        self._functions[frame.data] = pc, Node.ROOT
        self._shown.append(_Bar(frame, pc, Node.ROOT, start))
