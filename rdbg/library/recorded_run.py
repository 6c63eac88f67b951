"""A recording as Python programs see it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from rdbg.analysis.address_expression import evaluate
from rdbg.analysis.calls import Calls, FunctionCall
from rdbg.analysis.exceptions import Exceptions, Interrupts, RaisedException, TakenInterrupt
from rdbg.analysis.executions import Execution, Executions
from rdbg.analysis.in_one_process import InOneProcess
from rdbg.analysis.place_names import position_of
from rdbg.analysis.question import Piece, Question, ask
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.analysis.system_calls import SystemCall, SystemCalls
from rdbg.analysis.where_condition import parse_where
from rdbg.emu.expression import Expression
from rdbg.errors import UsageError
from rdbg.serial.serial_spec import SerialKind, SerialSpec
from rdbg.session.images import read_image
from rdbg.session.options import IcountOptions, ImageFile, RecordMode, RunOptions
from rdbg.session.session import Session, Surroundings

#: An address, or a name as users of ``monitor`` write one.
Address = int | str


class RecordedRun:
    """A recorded run. Close it, or use it in a ``with``; nothing else uses the recording meanwhile.

    Questions (`calls`, ...) give rows, frozen dataclasses, as they are found; to leave the loop ends the search. The
    machine stands where it stood when they are done. ``start`` and ``end`` are places as in ``monitor goto``.

    Args:
        path: the recording.
        symbols: an ELF file with the guest's symbols; None: its image, if it is one.

    Raises:
        RdbgError: it cannot be used.
    """

    def __init__(self, path: str, symbols: str | None = None) -> None:
        elf = None if symbols is None else read_image(ImageFile("symbols", symbols)).data
        options = RunOptions(
            icount=IcountOptions(mode=RecordMode.REPLAY, journal=Path(path)), serials=(SerialSpec(SerialKind.NULL),)
        )
        self._session = Session(options, Surroundings(terminal=False, symbols=elf))
        self.timeline = self._session.timeline  #: what is underneath

    def __enter__(self) -> RecordedRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the recording."""
        self._session.close()

    # --- where and what --------------------------------------------------------------------
    @property
    def position(self) -> int:
        """Now, an icount."""
        return self.timeline.position

    def goto(self, place: int | str) -> int:
        """Go to a place as in ``monitor goto``; the icount where the machine stands then.

        Raises:
            UsageError: there is no such place.
        """
        self.timeline.goto(position_of(self.timeline, str(place)))
        return self.timeline.position

    def register(self, name: str) -> int:
        """A register by any of its names.

        Raises:
            UsageError: there is none.
        """
        machine = self.timeline.machine
        number = machine.architecture.number_of_name(name)
        if number is None:
            raise UsageError(f"there is no register '{name}'")
        return machine.read_register(number)

    def memory(self, address: Address, length: int) -> bytes:
        """Bytes at a virtual address, as many as are mapped."""
        return self.timeline.machine.read_memory(self._address(address), length)

    # --- questions -------------------------------------------------------------------------
    def calls(
        self, function: Address, where: str = "", start: int | str = "start", end: int | str = "end",
        newest_first: bool = False,
    ) -> Iterator[FunctionCall]:  # fmt: skip
        """The calls of a function."""
        place = evaluate(self.timeline.machine, self._session.symbols, _written(function))
        question = Calls(place.address, place.address + max(place.size - 1, 0), self._where(where))
        return cast(Iterator[FunctionCall], self._ask(question, start, end, newest_first))

    def executions(
        self, address: Address, where: str = "", start: int | str = "start", end: int | str = "end",
        newest_first: bool = False,
    ) -> Iterator[Execution]:  # fmt: skip
        """When an instruction was about to run."""
        question = Executions(self._address(address), self._where(where))
        return cast(Iterator[Execution], self._ask(question, start, end, newest_first))

    def exceptions(
        self, start: int | str = "start", end: int | str = "end", newest_first: bool = False
    ) -> Iterator[RaisedException]:
        """Exceptions that instructions raised."""
        return cast(Iterator[RaisedException], self._ask(Exceptions(), start, end, newest_first))

    def interrupts(
        self, start: int | str = "start", end: int | str = "end", newest_first: bool = False
    ) -> Iterator[TakenInterrupt]:
        """Interrupts that were taken."""
        return cast(Iterator[TakenInterrupt], self._ask(Interrupts(), start, end, newest_first))

    def syscalls(
        self, where: str = "", start: int | str = "start", end: int | str = "end", newest_first: bool = False
    ) -> Iterator[SystemCall]:
        """System calls."""
        question = SystemCalls(self._where(where))
        return cast(Iterator[SystemCall], self._ask(question, start, end, newest_first))

    def _ask(self, question: Question[Any], start: int | str, end: int | str, newest_first: bool) -> Iterator[Any]:
        stretch = Piece(position_of(self.timeline, str(start)), position_of(self.timeline, str(end)))
        pool = InOneProcess(lambda: ReplayedRun(self.timeline))
        return ask(question, pool, stretch, newest_first)

    def _address(self, address: Address) -> int:
        return evaluate(self.timeline.machine, self._session.symbols, _written(address)).address

    def _where(self, text: str) -> Expression:
        return parse_where(text, self.timeline.machine.architecture) if text else ()


def _written(address: Address) -> str:
    return address if isinstance(address, str) else f"{address:#x}"
