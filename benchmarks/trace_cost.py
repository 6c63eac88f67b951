"""How many instructions `rdbg trace` writes in a second of CPU time: ``python -m benchmarks.trace_cost RECORDING``."""

from __future__ import annotations

import statistics
import sys
import time

import rdbg
from rdbg.analysis.instruction_trace import InstructionTrace

_INSTRUCTIONS = 10_000
_TIMES = 5


def main(recording: str) -> None:
    """Print the median over stretches from the middle of a recording."""
    rates = []
    with rdbg.open(recording) as run:
        traced = InstructionTrace(run.timeline, (*range(1, 32), 33, 34))
        first = run.end // 2
        for start in range(first, first + _TIMES * _INSTRUCTIONS, _INSTRUCTIONS):
            run.goto(start)
            began = time.process_time()
            count = sum(1 for _ in traced.rows(start, start + _INSTRUCTIONS))
            rates.append(count / (time.process_time() - began))
    print(f"{statistics.median(rates):.0f} instructions/s of CPU time, {min(rates):.0f} to {max(rates):.0f}")


if __name__ == "__main__":
    main(sys.argv[1])
