"""The run that the tests of helpers look through, and ways to make it go wrong."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import rdbg as product
from benchmarks.guests import make_guest
from rdbg.elf.elf_file import read_elf
from rdbg.history.history import History
from rdbg.navigation.pace import Pace
from rdbg.symbols.table import SymbolTable
from rdbg.timeline import StopConditions, Timeline
from tests.cli.command import rdbg
from tests.processes import is_running
from tests.stub.guests import COUNTER, ELF

SYMBOLS = SymbolTable(read_elf(ELF.read_bytes()))
#: The store of a loop without end.
COUNTING = 0x8010_0110
#: Of a recording that helpers are to look through.
PARTS = 8
#: rdbg, for those who want to hear at once how far it is. Words of its command line follow.
IMPATIENT = (
    sys.executable,
    "-c",
    "import sys, rdbg.host.progress; rdbg.host.progress.PATIENCE = 0; from rdbg.cli.main import main; sys.exit(main())",
)


def written_run() -> Timeline:
    """A live run without a file, with a debugger's write in its middle, that goes on."""
    count = SYMBOLS.find("count")
    assert count is not None
    history = History.live_run()
    made = Timeline(COUNTER.start(history), history, pace=Pace(slice=500, spacing=2000))
    made.run(StopConditions(), lambda: made.position >= 20_000)
    made.live_end.write_memory(count.address + 4, b"abcd")
    made.run(StopConditions(), lambda: made.position >= 40_000)
    return made


def no_process_is_left() -> bool:
    """Whether all copies have gone."""
    return not multiprocessing.active_children()


def interrupts_after(looks: int) -> Callable[[], bool]:
    """A user who presses Ctrl-C after so many looks."""
    counted: Iterator[int] = iter(range(1_000_000))
    return lambda: next(counted) > looks


def calls_recording(folder: Path) -> tuple[Path, Path]:
    """A recording of a loop that calls a function every 21 instructions, 29 million of them, and its ELF file. It has
    states to begin from, however little time the host took for it."""
    guest = make_guest("calls", 30_000_000, folder)
    path = folder / "calls.rec"
    done = rdbg("record", "-o", path, "--", "-kernel", guest.elf, "-serial", "null", "-monitor", "none")
    assert done.returncode == 0, done.stderr
    with product.open(str(path)) as run:
        for part in range(1, PARTS):
            run.goto(run.end * part // PARTS)
            run.command("savevm", f"part-{part}")
    return path, guest.elf


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and that are still there."""
    return [
        int(child)
        for children in Path(f"/proc/{pid}/task").glob("*/children")
        for child in children.read_text().split()
        if is_running(int(child))
    ]


def wait_for_children(pid: int, least: int = 1) -> list[int]:
    """Wait until a process has started others."""
    deadline = time.monotonic() + 60
    while len(found := children_of(pid)) < least:
        assert is_running(pid) and time.monotonic() < deadline, "it has called no helpers"
        time.sleep(0.005)
    return found
