"""What tables cost beside a plain replay of the same recording, in CPU time of one process.

Run from the repository: python -m benchmarks.tables RECORDING QUESTION...

Each QUESTION is written as behind `rdbg query RECORDING`: 'calls vfs_write --count', 'accesses jiffies_64 --count'.
"""

from __future__ import annotations

import shlex
import statistics
import sys
import time
from collections.abc import Callable

import rdbg
from rdbg.analysis.answer import answer_lines, namer
from rdbg.analysis.in_one_process import InOneProcess
from rdbg.analysis.question_table import Asker, understand
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.emu.machine_api import RunRequest

REPEATS = 5


def seconds(run: Callable[[], object]) -> float:
    """The median of the CPU time that something takes."""
    taken = []
    for _ in range(REPEATS):
        began = time.process_time()
        run()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def main() -> None:
    recording, *questions = sys.argv[1:]
    with rdbg.open(recording) as run:
        timeline = run.timeline

        def replay() -> None:
            replayed = ReplayedRun(timeline)
            replayed.go(timeline.start)
            while replayed.position < timeline.end:
                replayed.advance(RunRequest(until=timeline.end, slice=replayed.slice))

        plain = seconds(replay)
        print(f"{'plain replay':<50} {plain:8.2f} s")
        for question in questions:
            name, *words = shlex.split(question)

            def ask(name: str = name, words: list[str] = words) -> None:
                asked = understand(Asker(timeline, run._symbols), name, words)
                pool = InOneProcess(lambda: ReplayedRun(timeline))
                lines = sum(1 for _ in answer_lines(asked, pool, namer(run._symbols), 8))
                assert lines or not asked.count

            taken = seconds(ask)
            print(f"{question:<50} {taken:8.2f} s, {taken / plain:.2f} of a plain replay")


if __name__ == "__main__":
    main()
