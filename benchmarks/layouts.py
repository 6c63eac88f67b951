"""Data on the page of the code, as in a small image, and on a page of their own: what searches for accesses cost.

Run alone from the repository: python -m benchmarks.layouts
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.guests import FOLDER
from benchmarks.progress import tell
from benchmarks.rows import Row, Section
from rdbg.emu.machine_api import Access, Watch
from rdbg.serial.serial_spec import SerialKind, SerialSpec
from rdbg.session.options import ImageFile, RunOptions
from rdbg.session.session import Session
from rdbg.symbols.table import SymbolTable
from rdbg.timeline import StopConditions, Timeline

_HEADING = "Data on the page of the code"
_TEXT = """A counter that the main loop and the timer's interrupt store to, in an image whose data begin where its code
ends ('shared'), and in one whose data have pages of their own ('aligned'). CPU times of one process without GDB, each
question asked for the first time, from the end of the run. QEMU has no such questions."""
_RUNS = (("malta", 35_000_000), ("bare", 600_000))
_BARE = Path(__file__).parents[1] / "examples" / "bare.toml"
#: How much slower the shared layout may be.
_FACTOR = 3
#: Questions that take less than this are not compared: they are a few steps.
_SHORT = 0.02


@dataclass(frozen=True)
class Answers:
    """What one layout took.

    Args:
        seconds: CPU time of each question, in order.
        megabytes: memory of the process before the questions, and after them.
    """

    seconds: dict[str, float]
    megabytes: tuple[int, int]


def _questions(timeline: Timeline, symbols: SymbolTable) -> dict[str, Callable[[], object]]:
    def at(name: str) -> int:
        symbol = symbols.find(name)
        assert symbol is not None
        return symbol.address

    def watch(name: str) -> object:
        conditions = StopConditions(watches=(Watch(at(name), 4, Access.WRITE),))
        return timeline.reverse_run(conditions, lambda: False)

    def walk(hits: int) -> None:
        for _ in range(hits):
            watch("counter")
            timeline.reverse_step()

    return {
        "watch the counter; reverse-continue": lambda: watch("counter"),
        "watch a word that is never written; reverse-continue": lambda: watch("never"),
        "lastwrite of the counter": lambda: timeline.past.last_writes(at("counter"), 4),
        "lastwrite of a word that is never written": lambda: timeline.past.last_writes(at("never"), 4),
        "writes of the interrupt's counter, the last 1000": lambda: timeline.past.last_writes(at("ticks"), 4, 1000),
        "from hit to hit of the counter, 300 times": lambda: walk(300),
    }


def _megabytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") >> 20


def ask(board: str, elf: Path, instructions: int) -> Answers:
    """Run a guest and ask all questions, in this process."""
    images = (ImageFile("kernel", str(elf)), *((ImageFile("board", str(_BARE)),) if board == "bare" else ()))
    session = Session(RunOptions(board=board, images=images, serials=(SerialSpec(SerialKind.NULL),)))
    timeline = session.timeline
    timeline.run(StopConditions(), lambda: timeline.position >= instructions)
    end, before, seconds = timeline.position, _megabytes(), {}
    for name, question in _questions(timeline, SymbolTable(elf.read_bytes())).items():
        timeline.goto(end)
        began = time.process_time()
        question()
        seconds[name] = time.process_time() - began
    return Answers(seconds, (before, _megabytes()))


def _asked_apart(board: str, layout: str, instructions: int) -> Answers:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.layouts", board, str(FOLDER / f"{layout}.elf"), str(instructions)]
    seconds, megabytes = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return Answers(seconds, tuple(megabytes))


def layout_sections() -> Iterator[Section]:
    """The rows of both layouts, as they are measured."""
    for board, instructions in _RUNS:
        tell(f"data on the page of the code, {board}")
        shared, aligned = (_asked_apart(board, layout, instructions) for layout in ("shared", "aligned"))
        rows = []
        for name, mine in shared.seconds.items():
            other = aligned.seconds[name]
            rows.append(
                Row(
                    f"{board}, {instructions:.2g} instructions: {name}",
                    "-",
                    f"{mine * 1000:.3g} ms",
                    None,
                    f"<= {_FACTOR} times aligned",
                    mine <= max(_FACTOR * other, _SHORT),
                    f"aligned: {other * 1000:.3g} ms",
                )
            )
        before, after = shared.megabytes
        grown = f"{before} MB before the first question"
        rows.append(Row(f"{board}: memory after that", "-", f"{after} MB", None, "", None, grown))
        yield Section(_HEADING, _TEXT, rows)


def main() -> None:
    if len(sys.argv) > 1:
        board, elf, instructions = sys.argv[1:]
        answers = ask(board, Path(elf), int(instructions))
        print(json.dumps([answers.seconds, answers.megabytes]))
        return
    for section in layout_sections():
        for row in section.rows:
            missed = "  NOT REACHED" if row.reached is False else ""
            print(f"{row.measure:<85} {row.rdbg:>9}  {row.note}{missed}")


if __name__ == "__main__":
    main()
