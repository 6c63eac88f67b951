"""``syscalls``: what programs asked of their operating system, and what it answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from rdbg.analysis.calls import convention_of, numbers_of, pair_of
from rdbg.analysis.followed_pieces import FollowedPart, followed
from rdbg.analysis.probing import Notes
from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.analysis.rows import Column, ColumnKind
from rdbg.emu.expression import Expression
from rdbg.emu.probes import RETURNED, SHARED_SPACE, Probes
from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class SystemCall:
    """A system call.

    Args:
        icount: the position before its instruction.
        pc: the instruction.
        number: which call is asked for, as the program's register has it.
        a0, a1, a2, a3: its first arguments.
        value: what it returned; None: it has not come back to the instruction behind it by the end of the run.
        error: not 0: it failed, and ``value`` says why (on Linux).
        returned: icount at which it had returned.
        space: number of the address space (ASID); None: the code is in all of them.
    """

    icount: int
    pc: int
    number: int
    a0: int
    a1: int
    a2: int
    a3: int
    value: int | None
    error: int | None
    returned: int | None
    space: int | None

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("icount", ColumnKind.ICOUNT),
        Column("pc", ColumnKind.ADDRESS),
        Column("number", ColumnKind.NUMBER),
        *(Column(name, ColumnKind.VALUE) for name in ("a0", "a1", "a2", "a3", "value")),
        Column("error", ColumnKind.NUMBER),
        Column("returned", ColumnKind.ICOUNT),
        Column("space", ColumnKind.NUMBER),
    )


@dataclass(frozen=True)
class SystemCalls:
    """All system calls.

    Args:
        condition: only where it holds; empty: always.
    """

    condition: Expression = ()

    reaches_behind: ClassVar[bool] = False

    def of_piece(self, run: ReplayedRun, piece: Piece, newest_first: bool) -> Iterator[FollowedPart]:
        """Those that begin in a piece, and how those of before end; see `PieceQuestion`."""
        return followed(run, piece, self._probes(run))

    def watching(self, run: ReplayedRun, returns: frozenset[int]) -> SystemCalls:
        """See `FollowedQuestion`. All returns are looked at: they are behind an instruction that calls the system."""
        return self

    def made(self, notes: Notes) -> list[SystemCall]:
        """Rows of notes."""
        return _made(notes)

    def _probes(self, run: ReplayedRun) -> Probes:
        architecture = run.machine.architecture
        convention = convention_of(architecture)
        return Probes(
            exceptions=frozenset({convention.call_exception}),
            follows=True,
            registers=numbers_of(architecture, (convention.call_number, *convention.call_arguments)),
            results=pair_of(architecture, convention.call_results),
            condition=self.condition,
            returns=frozenset(),
        )


def _made(notes: Notes) -> list[SystemCall]:
    columns = [notes[name].tolist() for name in ("icount", "end", "pc", "space", "ended", "values", "results")]
    rows = []
    for icount, end, pc, space, ended, values, results in zip(*columns, strict=True):
        number, a0, a1, a2, a3 = values[:5]
        value, error = results if ended == RETURNED else (None, None)
        returned = end if ended == RETURNED else None
        known_space = None if space == SHARED_SPACE else space
        rows.append(SystemCall(icount, pc, number, a0, a1, a2, a3, value, error, returned, known_space))
    return rows
