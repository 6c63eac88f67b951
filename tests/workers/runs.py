"""The run that the tests of helpers look through, and ways to make it go wrong."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator

from rdbg.elf.elf_file import read_elf
from rdbg.history.history import History
from rdbg.navigation.pace import Pace
from rdbg.symbols.table import SymbolTable
from rdbg.timeline import StopConditions, Timeline
from tests.stub.guests import COUNTER, ELF

SYMBOLS = SymbolTable(read_elf(ELF.read_bytes()))
#: The store of a loop without end.
COUNTING = 0x8010_0110


def written_run() -> Timeline:
    """A live run without a file, with a debugger's write in its middle, that goes on."""
    count = SYMBOLS.find("count")
    assert count is not None
    history = History.live_run()
    made = Timeline(COUNTER.start(history), history, pace=Pace(slice=500, spacing=2000))
    made.run(StopConditions(), lambda: made.position >= 20_000)
    made.write_memory(count.address + 4, b"abcd")
    made.run(StopConditions(), lambda: made.position >= 40_000)
    return made


def no_process_is_left() -> bool:
    """Whether all copies have gone."""
    return not multiprocessing.active_children()


def interrupts_after(looks: int) -> Callable[[], bool]:
    """A user who presses Ctrl-C after so many looks."""
    counted: Iterator[int] = iter(range(1_000_000))
    return lambda: next(counted) > looks
