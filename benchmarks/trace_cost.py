"""How many instructions `rdbg trace` writes in a second of CPU time: ``python -m benchmarks.trace_cost RECORDING``."""

from __future__ import annotations

import statistics
import sys
import time

import rdbg
from rdbg.analysis.instruction_trace import InstructionTrace
from rdbg.emu.instruction_rows import instruction_text

_INSTRUCTIONS = 1_000_000
_TIMES = 5


def main(recording: str) -> None:
    """Print the medians over stretches from the middle of a recording."""
    rates: dict[str, list[float]] = {"rows alone": [], "tenet": [], "json": []}
    with rdbg.open(recording) as run:
        names = {info.number: info.name for info in run.timeline.machine.architecture.registers}
        length = min(_INSTRUCTIONS, run.end // (2 * _TIMES))
        first = run.end // 2
        for form, found in rates.items():
            for start in range(first, first + _TIMES * length, length):
                run.goto(start)
                began = time.process_time()
                for piece in InstructionTrace(run.timeline).rows(start, start + length):
                    if form != "rows alone":
                        instruction_text(piece.rows, piece.values, names, form == "json")
                found.append(length / (time.process_time() - began))
    for form, found in rates.items():
        middle = statistics.median(found)
        print(f"{form}: {middle:,.0f} instructions/s of CPU time, {min(found):,.0f} to {max(found):,.0f}")


if __name__ == "__main__":
    main(sys.argv[1])
