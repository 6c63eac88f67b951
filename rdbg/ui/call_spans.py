"""The calls of a stretch, each with where it began and ended: a flame chart, from an exact replay."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdbg.emu.instruction_effects import Doing
from rdbg.emu.machine_api import Entry, MachineApi, RunRequest, StopKind
from rdbg.targets.backtrace import backtrace
from rdbg.ui.bins import check_stretch
from rdbg.ui.names import Names, names_of
from rdbg.ui.run_view import RunView

#: Instructions of a stretch, at most; calls that are given, the longest; and of what is shorter than so large a part of
#: the stretch nothing is seen.
MOST_INSTRUCTIONS = 150_000
MOST_SPANS = 3000
_DEEPEST = 200
#: Returns from an exception. Source: MIPS32 Instruction Set (vol. II).
_ERET = 0x42000018
#: Number of the register with the return address.
_RA = 31


class _End(IntEnum):
    """How a block ends."""

    PLAIN = 0
    CALL = 1
    RETURN = 2
    EXCEPTION_RETURN = 3


@dataclass
class _Open:
    """A call that has not returned: its function, where it began, and where it will go on (None: nobody knows; an
    exception's handler ends by its own instruction)."""

    name: str
    start: int
    back: int | None
    handler: bool = False


@dataclass(frozen=True)
class CallSpans:
    """The calls of [start, end).

    Args:
        start, end: icounts, at most `MOST_INSTRUCTIONS` apart.
    """

    start: int
    end: int

    def answer(self, view: RunView) -> dict[str, Any]:
        """Spans as [depth, start, end, name]; none where the stretch is too long."""
        check_stretch(self.start, self.end)
        if self.end - self.start > MOST_INSTRUCTIONS:
            return {"spans": None, "most": MOST_INSTRUCTIONS, "left_out": 0}
        timeline, names = view.timeline, names_of(view)
        timeline.goto(self.start)
        machine = timeline.machine
        below = [
            _Open(frame.function or hex(frame.pc), self.start, None) for frame in backtrace(machine, names.function_at)
        ]
        trace = self._trace(view)
        spans = _spans(machine, names, trace, below[::-1], min(self.end, timeline.end))
        shortest = (self.end - self.start) / 2000
        seen = [span for span in spans if span[2] - span[1] >= shortest]
        seen = sorted(seen, key=lambda span: span[1] - span[2])[:MOST_SPANS]
        return {"spans": sorted(seen), "most": MOST_INSTRUCTIONS, "left_out": len(spans) - len(seen)}

    def _trace(self, view: RunView) -> NDArray[np.void]:
        timeline = view.timeline
        machine = timeline.machine
        end = min(self.end, timeline.end)
        machine.take_trace()  # of somebody who did not come to an end
        parts = []
        moves = True
        while timeline.position < end and moves:
            here = timeline.position
            stop = timeline.advance(RunRequest(until=end, slice=timeline.slice, trace=True))
            rows = machine.take_trace()
            # The last row is where the machine stands: the first of what comes then.
            parts.append(rows if timeline.position >= end else rows[:-1])
            moves = timeline.position > here or stop.kind is StopKind.PAUSED
        return np.concatenate(parts) if parts else machine.take_trace()


def _spans(
    machine: MachineApi, names: Names, trace: NDArray[np.void], stack: list[_Open], end: int
) -> list[tuple[int, int, int, str]]:
    if len(trace) < 2:
        return [(depth, each.start, end, each.name) for depth, each in enumerate(stack)]
    length = machine.architecture.instruction_lengths[0]
    icounts, pcs = trace["icount"].astype(np.int64), trace["pc"].astype(np.int64)
    ran = np.diff(icounts)
    blocks, which = np.unique(np.stack([pcs[:-1], ran], axis=1), axis=0, return_inverse=True)
    ends = np.array([_end_of(machine, int(pc), int(count), length) for pc, count in blocks], np.int8)[which.ravel()]
    entries = trace["entry"][1:].astype(np.int64)
    # Only where calls begin and end is looked one by one.
    events = np.flatnonzero((ends != _End.PLAIN) | (entries != Entry.CODE))
    called: dict[int, str] = {}
    done: list[tuple[int, int, int, str]] = []

    def close(depth: int, at: int) -> None:
        while len(stack) > depth:
            over = stack.pop()
            done.append((len(stack), over.start, at, over.name))

    def name_of(pc: int) -> str:
        if pc not in called:
            known = names.function_at(pc)
            called[pc] = hex(pc) if known is None else known[0]
        return called[pc]

    for way, entry, next_pc, here, pc, count in zip(
        ends[events].tolist(), entries[events].tolist(), pcs[events + 1].tolist(),
        icounts[events + 1].tolist(), pcs[events].tolist(), ran[events].tolist(), strict=True,
    ):  # fmt: skip
        if entry in (Entry.EXCEPTION, Entry.INTERRUPT):
            what = "interrupt" if entry == Entry.INTERRUPT else "exception"
            stack.append(_Open(f"{what}: {name_of(next_pc)}", here, None, handler=True))
        elif entry == Entry.RESET:
            close(0, here)
            stack.append(_Open(name_of(next_pc), here, None))
        elif way == _End.CALL and next_pc != pc + count * length:
            stack.append(_Open(name_of(next_pc), here, pc + count * length))
        elif way == _End.RETURN:
            place = next((n for n in range(len(stack) - 1, -1, -1) if stack[n].back == next_pc or stack[n].handler), -1)
            if place >= 0 and not stack[place].handler:
                close(place, here)
            elif stack and stack[-1].back is None and not stack[-1].handler:
                close(len(stack) - 1, here)  # of calls that began before, it is known that they return
                if not stack:
                    stack.append(_Open(name_of(next_pc), here, None))
        elif way == _End.EXCEPTION_RETURN:
            place = next((n for n in range(len(stack) - 1, -1, -1) if stack[n].handler), -1)
            if place >= 0:
                close(place, here)
            else:
                close(0, here)
                stack.append(_Open(name_of(next_pc), here, None))
        if len(stack) > _DEEPEST:  # code that calls in ways of its own
            close(_DEEPEST // 2, here)
    close(0, end)
    return done


def _end_of(machine: MachineApi, pc: int, count: int, length: int) -> _End:
    """How a block of so many instructions ends: by its last one, or by the one before, whose slot that is."""
    code = machine.read_memory(pc, count * length)
    eret = _ERET.to_bytes(length, "big" if machine.big_endian else "little")
    for back in (2, 1):
        at = (count - back) * length
        if at < 0 or at + length > len(code):
            continue
        effects = machine.effects(code[at : at + length])
        if effects.doing is Doing.LINK:
            return _End.CALL
        if effects.name == "jr" and effects.reads == (_RA,):
            return _End.RETURN
        if code[at : at + length] == eret:
            return _End.EXCEPTION_RETURN
    return _End.PLAIN
