"""``exceptions`` and ``interrupts``: when the CPU left its way, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from rdbg.analysis.probing import Notes, numbers_noted, probed
from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.analysis.rows import Column, ColumnKind
from rdbg.emu.probes import BAD_ADDRESS, LINES, NESTED, SHARED_SPACE, Probes
from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class RaisedException:
    """An exception that an instruction raised.

    Args:
        icount: the position before it (of the step that it belongs to).
        pc: the instruction.
        exception: its short name, as the architecture has it.
        address: the address that it is about, where it is about one.
        nested: whether it came in the handler of another one.
        space: number of the address space (ASID); None: the code is in all of them.
    """

    icount: int
    pc: int
    exception: str
    address: int | None
    nested: bool
    space: int | None

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("icount", ColumnKind.ICOUNT),
        Column("pc", ColumnKind.ADDRESS),
        Column("exception", ColumnKind.TEXT),
        Column("address", ColumnKind.ADDRESS),
        Column("nested", ColumnKind.TEXT),
        Column("space", ColumnKind.NUMBER),
    )


@dataclass(frozen=True)
class TakenInterrupt:
    """An interrupt that was taken.

    Args:
        icount: the position.
        pc: the instruction before which.
        lines: the pending interrupt lines that were not masked, a bit each.
        space: number of the address space (ASID); None: the code is in all of them.
    """

    icount: int
    pc: int
    lines: int
    space: int | None

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("icount", ColumnKind.ICOUNT),
        Column("pc", ColumnKind.ADDRESS),
        Column("lines", ColumnKind.VALUE),
        Column("space", ColumnKind.NUMBER),
    )


@dataclass(frozen=True)
class Exceptions:
    """All exceptions that instructions raised: not interrupts.

    Args:
        names: only those of these names; empty: all.
    """

    names: tuple[str, ...] = ()

    reaches_behind: ClassVar[bool] = False

    def of_piece(self, run: ReplayedRun, piece: Piece, newest_first: bool) -> Iterator[RaisedException]:
        """Those in a piece; see `PieceQuestion`."""
        infos = {info.code: info for info in run.machine.architecture.exceptions if not info.interrupt}

        def make(notes: Notes) -> list[RaisedException]:
            columns = [notes[name].tolist() for name in ("icount", "pc", "exception", "space", "values")]
            return [
                RaisedException(
                    icount,
                    pc,
                    infos[code].name,
                    values[BAD_ADDRESS] if infos[code].has_address else None,
                    bool(values[NESTED]),
                    None if space == SHARED_SPACE else space,
                )
                for icount, pc, code, space, values in zip(*columns, strict=True)
            ]

        return probed(run, piece, self._probes(run), newest_first, make)

    def numbers_of_piece(self, run: ReplayedRun, piece: Piece) -> Iterator[int]:
        """Numbers that add up to how many there are in a piece; see `CountedQuestion`."""
        return numbers_noted(run, piece, self._probes(run))

    def _probes(self, run: ReplayedRun) -> Probes:
        raised = (info for info in run.machine.architecture.exceptions if not info.interrupt)
        return Probes(exceptions=frozenset(info.code for info in raised if not self.names or info.name in self.names))


@dataclass(frozen=True)
class Interrupts:
    """All interrupts that were taken."""

    reaches_behind: ClassVar[bool] = False

    def of_piece(self, run: ReplayedRun, piece: Piece, newest_first: bool) -> Iterator[TakenInterrupt]:
        """Those in a piece; see `PieceQuestion`."""

        def make(notes: Notes) -> list[TakenInterrupt]:
            columns = [notes[name].tolist() for name in ("icount", "pc", "space", "values")]
            return [
                TakenInterrupt(icount, pc, values[LINES], None if space == SHARED_SPACE else space)
                for icount, pc, space, values in zip(*columns, strict=True)
            ]

        return probed(run, piece, self._probes(run), newest_first, make)

    def numbers_of_piece(self, run: ReplayedRun, piece: Piece) -> Iterator[int]:
        """Numbers that add up to how many there are in a piece; see `CountedQuestion`."""
        return numbers_noted(run, piece, self._probes(run))

    def _probes(self, run: ReplayedRun) -> Probes:
        return Probes(exceptions=frozenset(info.code for info in run.machine.architecture.exceptions if info.interrupt))
