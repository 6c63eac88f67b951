"""Every instruction of a stretch: the registers that differ when it is about to run, and what it reads and writes."""

from __future__ import annotations

from collections.abc import Iterator

from rdbg.emu.machine_api import InstructionRows, RunRequest, StopKind
from rdbg.navigation.stops import Interrupted, never
from rdbg.timeline import QuestionInterrupted, StopReason, Timeline


class InstructionTrace:
    """Runs a stretch. The machine stands at its end afterwards.

    Args:
        timeline: the run.
        interrupted: polled every few milliseconds.
    """

    def __init__(self, timeline: Timeline, interrupted: Interrupted = never) -> None:
        self._timeline = timeline
        self._interrupted = interrupted

    def rows(self, start: int, end: int) -> Iterator[InstructionRows]:
        """The instructions from ``start`` to before ``end``, piece by piece; a step that begins before ``end`` is shown
        whole.

        Raises:
            QuestionInterrupted: the user asked to stop; what was found until then has been given.
        """
        timeline, machine = self._timeline, self._timeline.machine
        if timeline.goto(start, self._interrupted).reason is StopReason.INTERRUPTED:
            raise QuestionInterrupted
        machine.take_instructions(last=True)  # of somebody who did not come to an end
        until = end = min(end, timeline.end)
        while timeline.position < end:
            if self._interrupted():
                raise QuestionInterrupted
            here = timeline.position
            stop = timeline.advance(RunRequest(until=until, slice=timeline.slice, instructions=True))
            yield machine.take_instructions()
            if timeline.position == here and stop.kind is not StopKind.PAUSED:
                if until > end:
                    return
                until = end + 1  # a branch, whose slot comes behind the end
