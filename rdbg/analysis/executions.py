"""``executions``: when an instruction was about to run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from rdbg.analysis.probing import Notes, probed, times_executed
from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.analysis.rows import Column, ColumnKind
from rdbg.emu.expression import Expression
from rdbg.emu.probes import NO_EXCEPTION, SHARED_SPACE, Probes
from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class Execution:
    """An instruction that was about to run.

    Args:
        icount: the position; of one that runs as one step with another before it, that step's.
        pc: where it is.
        space: number of the address space (ASID); None: the code is in all of them.
        exception: name of the exception that it raised instead; it may have run again afterwards.
    """

    icount: int
    pc: int
    space: int | None
    exception: str | None

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("icount", ColumnKind.ICOUNT),
        Column("pc", ColumnKind.ADDRESS),
        Column("space", ColumnKind.NUMBER),
        Column("exception", ColumnKind.TEXT),
    )


@dataclass(frozen=True)
class Executions:
    """When the instruction at an address was about to run.

    Args:
        address: virtual; in whatever address space.
        condition: only where it holds; empty: always.
    """

    address: int
    condition: Expression = ()

    reaches_behind: ClassVar[bool] = False

    def of_piece(self, run: ReplayedRun, piece: Piece, newest_first: bool) -> Iterator[Execution]:
        """Those in a piece; see `PieceQuestion`."""
        names = {info.code: info.name for info in run.machine.architecture.exceptions}

        def make(notes: Notes) -> list[Execution]:
            columns = (notes[name].tolist() for name in ("icount", "pc", "space", "exception"))
            return [
                Execution(
                    icount, pc, None if space == SHARED_SPACE else space, None if code == NO_EXCEPTION else names[code]
                )
                for icount, pc, space, code in zip(*columns, strict=True)
            ]

        return probed(run, piece, self._probes(run), newest_first, make)

    def numbers_of_piece(self, run: ReplayedRun, piece: Piece) -> Iterator[int]:
        """Numbers that add up to how many there are in a piece; see `CountedQuestion`."""
        return times_executed(run, piece, self._probes(run))

    def _probes(self, run: ReplayedRun) -> Probes:
        return Probes({self.address: self.address}, condition=self.condition)
