"""``executions``: when an instruction was about to run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.analysis.rows import Column, ColumnKind, Row
from rdbg.emu.machine_api import RunRequest, StopKind


@dataclass(frozen=True)
class Execution:
    """An instruction that was about to run.

    Args:
        icount: the position.
        pc: where it is.
    """

    icount: int
    pc: int

    COLUMNS: ClassVar[tuple[Column, ...]] = (Column("icount", ColumnKind.ICOUNT), Column("pc", ColumnKind.ADDRESS))


@dataclass(frozen=True)
class Executions:
    """When the instruction at an address was about to run.

    Args:
        address: virtual; in whatever address space.
    """

    address: int

    def of_piece(self, run: ReplayedRun, piece: Piece, newest_first: bool) -> Iterator[Execution]:
        """Those in a piece; see `Question`."""
        found = self._found(run, piece)
        return iter(list(found)[::-1]) if newest_first else found

    def join(self, parts: Iterable[Execution], newest_first: bool) -> Iterator[Row]:
        """All, as they come."""
        return iter(parts)

    def _found(self, run: ReplayedRun, piece: Piece) -> Iterator[Execution]:
        run.go(piece.start)
        passes = False
        while run.position < piece.end:
            request = RunRequest(until=piece.end, slice=run.slice, breakpoints=frozenset({self.address}), passes=passes)
            stop = run.advance(request)
            passes = stop.kind is StopKind.BREAKPOINT
            if passes and stop.position < piece.end:
                yield Execution(stop.position, self.address)
            elif stop.kind is not StopKind.PAUSED:
                break
