"""Rows of a trace of every instruction, as what `SteppedTrace` gives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rdbg.emu.machine_api import INSTRUCTION_ROW, InstructionRows
from tests.analysis.stepped_trace import TracedAccess, TracedInstruction


def traced(piece: InstructionRows) -> Iterator[TracedInstruction]:
    """The instructions of a piece."""
    values = iter(np.frombuffer(piece.values, np.uint32).tolist())
    for row in np.frombuffer(piece.rows, INSTRUCTION_ROW):
        numbers = [number for number in range(64) if int(row["changed"]) >> number & 1]
        changed = {number: next(values) for number in numbers}
        size = int(row["size"])
        access = TracedAccess(int(row["address"]), bytes(row["data"][:size]), bool(row["store"]))
        yield TracedInstruction(int(row["icount"]), int(row["pc"]), changed, (access,) if size else ())
