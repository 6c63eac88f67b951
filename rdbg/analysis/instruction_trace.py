"""Every instruction of a stretch: the registers that differ when it is about to run, and what it reads and writes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rdbg.emu.machine_api import INSTRUCTION_ROW, InstructionRows, RunRequest, StopKind
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
        """The instructions from ``start`` to before ``end``, piece by piece, cut as tables are: also where that is
        between a branch and its slot. The first has all registers.

        Raises:
            QuestionInterrupted: the user asked to stop; what was found until then has been given.
        """
        timeline, machine = self._timeline, self._timeline.machine
        if timeline.goto(start, self._interrupted).reason is StopReason.INTERRUPTED:
            raise QuestionInterrupted
        machine.take_instructions(last=True)  # of somebody who did not come to an end
        until = end = min(end, timeline.end)
        held: dict[int, int] = {}  # what a step has said of registers in which the stretch begins
        while timeline.position < end:
            if self._interrupted():
                raise QuestionInterrupted
            here = timeline.position
            stop = timeline.past.advance(RunRequest(until=until, slice=timeline.past.slice, instructions=True))
            yield _within(machine.take_instructions(), start, end, held)
            if timeline.position == here and stop.kind is not StopKind.PAUSED:
                if until > end:
                    return
                until = end + 1  # a branch, whose slot comes behind the end


def _within(piece: InstructionRows, start: int, end: int, held: dict[int, int]) -> InstructionRows:
    """The rows of a piece whose icounts are from ``start`` to before ``end``.

    Args:
        piece: some.
        start, end: icounts.
        held: registers as rows before ``start`` have them; the first row behind takes them.
    """
    rows = np.frombuffer(piece.rows, INSTRUCTION_ROW)
    first, last = np.searchsorted(rows["icount"], np.array([start, end], np.uint64)).tolist()
    if not held and first == 0 and last == len(rows):
        return piece
    values, used = np.frombuffer(piece.values, np.uint32).tolist(), 0
    for row in rows[: first + 1]:
        numbers = _registers(row)
        held.update(zip(numbers, values[used:], strict=False))
        used += len(numbers)
    if first >= last:
        return InstructionRows(b"", b"")
    kept = rows[first:last].copy()
    kept[0]["changed"] = sum(1 << number for number in held)
    beginning = [held[number] for number in sorted(held)]
    held.clear()
    behind = sum(len(_registers(row)) for row in rows[last:])
    rest = values[used : len(values) - behind]
    return InstructionRows(kept.tobytes(), np.array([*beginning, *rest], np.uint32).tobytes())


def _registers(row: np.void) -> list[int]:
    """The numbers of the registers that a row has."""
    changed = int(row["changed"])
    return [number for number in range(changed.bit_length()) if changed >> number & 1]
