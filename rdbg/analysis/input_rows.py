"""``inputs``: what came from outside, and where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.analysis.rows import Column, ColumnKind
from rdbg.quick_dataclass import dataclass
from rdbg.recording.words import kind_name, record_text


@dataclass(frozen=True)
class InputRow:
    """Something that came from outside.

    Args:
        icount: where it entered.
        number: of the input, as ``goto input N`` takes it.
        kind: in a word, as ``rdbg dump`` says it.
        packet: of a packet, its number among packets.
        text: what it was, cut short.
        data: its bytes.
    """

    icount: int
    number: int
    kind: str
    packet: int | None
    text: str
    data: bytes

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("icount", ColumnKind.ICOUNT),
        Column("number", ColumnKind.NUMBER),
        Column("kind", ColumnKind.TEXT),
        Column("packet", ColumnKind.NUMBER),
        Column("text", ColumnKind.TEXT),
    )


@dataclass(frozen=True)
class Inputs:
    """What came from outside, in the order of the run."""

    #: The history has it: it is asked as one piece.
    reaches_behind: ClassVar[bool] = True

    def of_piece(self, run: ReplayedRun, piece: Piece, newest_first: bool) -> Iterator[InputRow]:
        """Those in a piece; see `PieceQuestion`."""
        architecture = run.machine.architecture
        for each in run.inputs(piece.start, piece.end, newest_first):
            record = each.record
            text = record_text(record, architecture)
            yield InputRow(record.icount, each.number, kind_name(record.kind), each.packet, text, record.data)
