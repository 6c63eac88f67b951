"""The tables of a run, for Python programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rdbg.analysis.address_expression import address_range, checked_range, evaluate
from rdbg.analysis.asking import ask
from rdbg.analysis.calls import Calls, FunctionCall
from rdbg.analysis.exceptions import Exceptions, Interrupts, RaisedException, TakenInterrupt
from rdbg.analysis.executions import Execution, Executions
from rdbg.analysis.in_one_process import InOneProcess
from rdbg.analysis.input_rows import InputRow, Inputs
from rdbg.analysis.memory_accesses import RangeAccess, RangeAccesses
from rdbg.analysis.outputs import OutputRow, Outputs, endpoint_named
from rdbg.analysis.place_names import stretch_of
from rdbg.analysis.question import PieceQuestion
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.analysis.system_calls import SystemCall, SystemCalls
from rdbg.analysis.where_condition import parse_where
from rdbg.emu.expression import Expression
from rdbg.emu.machine_api import Access
from rdbg.emu.probes import ACCESS_REGISTERS
from rdbg.navigation.stops import Interrupted, never
from rdbg.symbols.table import AddressRange, SymbolTable
from rdbg.timeline import Timeline

_WORD = 4
#: An address, or a name as users of ``monitor`` write one.
Address = int | str
#: A place as in ``monitor goto``; a number is an icount.
Place = int | str


class RunTables:
    """What can be asked of a whole run. Each gives its rows as they are found; to leave the loop ends the search, and
    the machine stands where it stood. ``start`` and ``end`` bound the stretch that is asked about.

    Args:
        timeline: the run.
        symbols: names of the guest.
    """

    def __init__(self, timeline: Timeline, symbols: SymbolTable) -> None:
        self.timeline = timeline  #: what is underneath
        self._symbols = symbols
        #: Polled in whatever takes long, in the thread that asks: whether it is to end. That raises UsageError, and
        #: QuestionInterrupted where rows are given.
        self.interrupted: Interrupted = never

    def calls(
        self, function: Address, where: str = "", start: Place = "start", end: Place = "end",
        newest_first: bool = False,
    ) -> Iterator[FunctionCall]:  # fmt: skip
        """The calls of a function."""
        place = self._range(function)
        question = Calls(place.address, place.address + max(place.size - 1, 0), self._where(where))
        return self._ask(question, start, end, newest_first)

    def executions(
        self, address: Address, where: str = "", start: Place = "start", end: Place = "end",
        newest_first: bool = False,
    ) -> Iterator[Execution]:  # fmt: skip
        """When an instruction was about to run."""
        return self._ask(Executions(self._address(address), self._where(where)), start, end, newest_first)

    def accesses(
        self, place: Address, length: int | None = None, access: Access = Access.ACCESS, where: str = "",
        start: Place = "start", end: Place = "end", newest_first: bool = False,
    ) -> Iterator[RangeAccess]:  # fmt: skip
        """Who read and wrote memory: ``length`` bytes at a place; None: the range that a text stands for, as at the
        prompt."""
        machine = self.timeline.machine
        found = address_range(machine, self._symbols, str(place)) if length is None else self._bytes_at(place, length)
        condition = parse_where(where, machine.architecture, ACCESS_REGISTERS) if where else ()
        question = RangeAccesses(found.address, found.size, access, condition)
        return self._ask(question, start, end, newest_first)

    def exceptions(
        self, start: Place = "start", end: Place = "end", newest_first: bool = False
    ) -> Iterator[RaisedException]:
        """Exceptions that instructions raised."""
        return self._ask(Exceptions(), start, end, newest_first)

    def interrupts(
        self, start: Place = "start", end: Place = "end", newest_first: bool = False
    ) -> Iterator[TakenInterrupt]:
        """Interrupts that were taken."""
        return self._ask(Interrupts(), start, end, newest_first)

    def syscalls(
        self, where: str = "", start: Place = "start", end: Place = "end", newest_first: bool = False
    ) -> Iterator[SystemCall]:
        """System calls."""
        return self._ask(SystemCalls(self._where(where)), start, end, newest_first)

    def output(
        self, *endpoints: str, start: Place = "start", end: Place = "end", newest_first: bool = False
    ) -> Iterator[OutputRow]:
        """What left: lines of consoles, packets, writes to disks.

        Args:
            endpoints: ``serial``, ``serial0``, ``network1``, ``disk``, ``console``; none: all.
            start, end, newest_first: as of all tables.
        """
        return self._ask(Outputs(tuple(map(endpoint_named, endpoints))), start, end, newest_first)

    def inputs(self, start: Place = "start", end: Place = "end", newest_first: bool = False) -> Iterator[InputRow]:
        """What came from outside: typed bytes, packets, the debugger's writes."""
        return self._ask(Inputs(), start, end, newest_first)

    def events(
        self, start: Place = "start", end: Place = "end"
    ) -> list[RaisedException | TakenInterrupt | InputRow | OutputRow]:
        """Exceptions, interrupts, inputs and output together, by icount. At one icount inputs come first."""
        found: list[RaisedException | TakenInterrupt | InputRow | OutputRow] = [*self.inputs(start, end)]
        found += self.interrupts(start, end)
        found += self.exceptions(start, end)
        found += self.output(start=start, end=end)
        return sorted(found, key=lambda event: event.icount)

    def _ask(self, question: PieceQuestion[Any], start: Place, end: Place, newest_first: bool) -> Iterator[Any]:
        stretch = stretch_of(self.timeline, str(start), str(end))
        return ask(question, InOneProcess(lambda: ReplayedRun(self.timeline, self.interrupted)), stretch, newest_first)

    def _range(self, address: Address) -> AddressRange:
        written = address if isinstance(address, str) else f"{address:#x}"
        return evaluate(self.timeline.machine, self._symbols, written)

    def _bytes_at(self, place: Address, length: int | None) -> AddressRange:
        """So many bytes there; None: those of the symbol, or 4."""
        found = self._range(place)
        size = (found.size or _WORD) if length is None else length
        return checked_range(self.timeline.machine, found.address, size, f"{place}+{size}")

    def _address(self, address: Address) -> int:
        return self._range(address).address

    def _where(self, text: str) -> Expression:
        return parse_where(text, self.timeline.machine.architecture) if text else ()
