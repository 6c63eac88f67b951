"""``calls``: who called a function, with what, and what it returned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import ClassVar

from rdbg.analysis.call_sites import returns_of
from rdbg.analysis.followed_pieces import FollowedPart, followed
from rdbg.analysis.probing import Notes
from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.analysis.rows import Column, ColumnKind
from rdbg.emu.architecture import Architecture, CallingConvention
from rdbg.emu.expression import Expression
from rdbg.emu.probes import CALL, RETURNED, SHARED_SPACE, Probes
from rdbg.errors import UsageError
from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class FunctionCall:
    """A call of a function.

    Args:
        icount: the position before its first instruction.
        function: where it begins.
        caller: address of the call; None: it was come to by a jump, or fallen into.
        return_address: where it is to return to.
        a0, a1, a2, a3: its first arguments.
        value: what it returned; None: it has not returned by the end of the run, or was left without a return.
        value2: the second register of what it returned.
        returned: icount at which it had returned.
        stack: the stack pointer.
        space: number of the address space (ASID); None: the code is in all of them.
    """

    icount: int
    function: int
    caller: int | None
    a0: int
    a1: int
    a2: int
    a3: int
    value: int | None
    value2: int | None
    returned: int | None
    return_address: int
    stack: int
    space: int | None

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("icount", ColumnKind.ICOUNT),
        Column("function", ColumnKind.ADDRESS),
        Column("caller", ColumnKind.ADDRESS),
        *(Column(name, ColumnKind.VALUE) for name in ("a0", "a1", "a2", "a3", "value", "value2")),
        Column("returned", ColumnKind.ICOUNT),
        Column("return_address", ColumnKind.ADDRESS),
        Column("stack", ColumnKind.VALUE),
        Column("space", ColumnKind.NUMBER),
    )


@dataclass(frozen=True)
class Calls:
    """The calls of a function.

    A call is whenever its first instruction is come to from elsewhere. Its return is a jump to the return address that
    it was given, with the stack pointer that it was given, in the same address space.

    Args:
        function: virtual address.
        last: address of its last instruction; a branch from within it to its beginning is no call.
        condition: only where it holds; empty: always.
        returns: addresses that are looked at for returns of calls that began before a piece; None: there are none.
    """

    function: int
    last: int
    condition: Expression = ()
    returns: frozenset[int] | None = None

    reaches_behind: ClassVar[bool] = False

    def of_piece(self, run: ReplayedRun, piece: Piece, newest_first: bool) -> Iterator[FollowedPart]:
        """Those that begin in a piece, and how those of before end; see `PieceQuestion`."""
        return followed(run, piece, self._probes(run))

    def watching(self, run: ReplayedRun, returns: frozenset[int]) -> Calls:
        """See `FollowedQuestion`. Most calls name the function in their instruction."""
        known = returns_of(run.machine, self.function) if self.returns is None else self.returns
        return replace(self, returns=known | returns)

    def made(self, notes: Notes) -> list[FunctionCall]:
        """Rows of notes."""
        return _made(notes)

    def _probes(self, run: ReplayedRun) -> Probes:
        architecture = run.machine.architecture
        convention = convention_of(architecture)
        return Probes(
            {self.function: self.last},
            follows=True,
            registers=numbers_of(architecture, convention.arguments),
            results=pair_of(architecture, convention.results),
            condition=self.condition,
            returns=self.returns,
        )


def convention_of(architecture: Architecture) -> CallingConvention:
    """How its functions are called.

    Raises:
        UsageError: that is not known.
    """
    if architecture.convention is None:
        raise UsageError(f"how functions are called on {architecture.name} is not known")
    return architecture.convention


def numbers_of(architecture: Architecture, names: Iterable[str]) -> tuple[int, ...]:
    """The debugger's numbers of registers."""
    numbers = [architecture.number_of_name(name) for name in names]
    return tuple(number for number in numbers if number is not None)


def pair_of(architecture: Architecture, names: tuple[str, str]) -> tuple[int, int]:
    """The debugger's numbers of two registers."""
    first, second = numbers_of(architecture, names)
    return first, second


def _made(notes: Notes) -> list[FunctionCall]:
    rows = []
    names = ("icount", "end", "pc", "return_address", "stack", "space", "arrival", "ended")
    columns = [notes[name].tolist() for name in names]
    for note in zip(*columns, notes["values"].tolist(), notes["results"].tolist(), strict=True):
        icount, end, pc, return_address, stack, space, arrival, ended, values, results = note
        came = ended == RETURNED
        rows.append(
            FunctionCall(
                icount,
                pc,
                return_address - 8 if arrival == CALL else None,
                values[0],
                values[1],
                values[2],
                values[3],
                results[0] if came else None,
                results[1] if came else None,
                end if came else None,
                return_address,
                stack,
                None if space == SHARED_SPACE else space,
            )
        )
    return rows
