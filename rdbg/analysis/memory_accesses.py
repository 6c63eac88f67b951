"""``accesses``: who read and wrote memory, and what."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from typing import ClassVar, Literal

import numpy as np

from rdbg.analysis.probing import ConditionFailed, number_within
from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.analysis.rows import Column, ColumnKind
from rdbg.emu.expression import Expression
from rdbg.emu.machine_api import Access, RunRequest, StopKind, Watch
from rdbg.emu.probes import SHARED_SPACE, AccessNotes, OtherAccess, Probes
from rdbg.quick_dataclass import dataclass
from rdbg.timeline import QuestionInterrupted

#: Who, where an instruction did.
CPU = "cpu"
#: Bytes that are shown of a long access.
_MOST_SHOWN = 64
_NUMBER = 8


@dataclass(frozen=True)
class RangeAccess:
    """A load or store that was made, or what something else than an instruction accessed.

    Args:
        icount: the position before the instruction (of the step that it belongs to); of what happened between two
            instructions, the position.
        pc: the instruction; for what a device does while one accesses it, that one; None: between two.
        access: ``read`` or ``write``.
        address: first byte, virtual.
        size: bytes that it accessed; of what no instruction did, those that were asked for.
        value: what was read or written, as a number in the guest's byte order; None: more than 8 bytes.
        before: what a write to memory has replaced; None: also for stores to device registers.
        by: ``cpu``; else who: ``ide0 DMA, sector 2048``, ``the debugger``, ``reset``.
        data: of more than 8 bytes, the first 64 in hexadecimal.
        space: number of the address space (ASID); None: the code is in all of them.
    """

    icount: int
    pc: int | None
    access: str
    address: int
    size: int
    value: int | None
    before: int | None
    by: str
    data: str | None
    space: int | None

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("icount", ColumnKind.ICOUNT),
        Column("access", ColumnKind.TEXT),
        Column("address", ColumnKind.ADDRESS),
        Column("size", ColumnKind.NUMBER),
        Column("value", ColumnKind.VALUE),
        Column("before", ColumnKind.VALUE),
        Column("pc", ColumnKind.ADDRESS),
        Column("by", ColumnKind.TEXT, width=22),
        Column("data", ColumnKind.TEXT, width=16),
        Column("space", ColumnKind.NUMBER),
    )


@dataclass(frozen=True)
class RangeAccesses:
    """The accesses to a range of memory, or of device registers.

    Args:
        address: first byte, virtual.
        length: bytes.
        access: which ones.
        condition: only where it holds; empty: always.
    """

    address: int
    length: int
    access: Access = Access.ACCESS
    condition: Expression = ()

    reaches_behind: ClassVar[bool] = False

    def of_piece(self, run: ReplayedRun, piece: Piece, newest_first: bool) -> Iterator[RangeAccess]:
        """Those in a piece; see `PieceQuestion`."""
        order: Literal["big", "little"] = "big" if run.machine.big_endian else "little"
        rows = (row for notes in _batches(run, piece, self._probes(run)) for row in _made(notes, order))
        last = _behind(run, piece)
        wanted = (row for row in rows if piece.start <= row.icount < last)
        if not newest_first:
            yield from wanted
            return
        found: list[RangeAccess] = []
        interruption: Exception | None = None
        try:
            found.extend(wanted)
        except (QuestionInterrupted, ConditionFailed) as error:
            interruption = error
        yield from reversed(found)
        if interruption is not None:
            raise interruption

    def numbers_of_piece(self, run: ReplayedRun, piece: Piece) -> Iterator[int]:
        """Numbers that add up to how many there are in a piece; see `CountedQuestion`."""
        last = _behind(run, piece)
        for notes in _batches(run, piece, self._probes(run)):
            icounts = notes.rows["icount"]
            found = int(np.count_nonzero((icounts >= piece.start) & (icounts < last)))
            yield found + sum(piece.start <= each.icount < last for each in notes.others)

    def _probes(self, run: ReplayedRun) -> Probes:
        # What stands behind unmapped addresses is known, and the same memory by its other addresses counts, too.
        watch = run.machine.resolved(Watch(self.address, self.length, Access.ACCESS))
        storage, commands = watch.storage, watch.commands
        return Probes(
            accesses=(Watch(self.address, self.length, self.access, storage, commands),), condition=self.condition
        )


def _behind(run: ReplayedRun, piece: Piece) -> int:
    """First icount that is not asked for: what has happened where the run ends is."""
    return piece.end if piece.end < run.end else piece.end + 1


def _batches(run: ReplayedRun, piece: Piece, probes: Probes) -> Iterator[AccessNotes]:
    """What is noted from before a piece on to its end."""
    machine = run.machine
    run.go_before(piece.start)
    machine.take_accesses()  # of a search that did not come to its end
    unevaluated = 0
    until = piece.end
    # An access counts where its step begins, and a step may go on behind the piece.
    beyond = min(piece.end + machine.architecture.longest_step - 1, run.end)
    interruption: QuestionInterrupted | None = None
    while True:
        here = run.position
        try:
            stop = run.advance(RunRequest(until=until, slice=run.slice, probes=probes))
        except QuestionInterrupted as error:
            interruption = error
        notes = machine.take_accesses()
        unevaluated += number_within(notes.unevaluated, piece.start, _behind(run, piece))
        yield notes
        if interruption is not None:
            raise interruption
        if run.position >= piece.end or run.position == here and stop.kind not in (StopKind.PAUSED, StopKind.LIMIT):
            break
        if stop.kind is StopKind.LIMIT:
            if until == beyond:
                break
            until = beyond
    if unevaluated:
        raise ConditionFailed(unevaluated)


def _made(notes: AccessNotes, order: Literal["big", "little"]) -> Iterator[RangeAccess]:
    """Rows of what was noted, in order."""
    others = ((each.number, _of_another(each, order)) for each in notes.others)
    return (row for _, row in merge(_of_instructions(notes), others, key=lambda each: each[0]))


def _of_instructions(notes: AccessNotes) -> Iterator[tuple[int, RangeAccess]]:
    names = ("number", "icount", "pc", "is_write", "address", "size", "value", "before", "has_before", "space")
    columns = [notes.rows[name].tolist() for name in names]
    for number, icount, pc, is_write, address, size, value, before, has_before, space in zip(*columns, strict=True):
        yield (
            number,
            RangeAccess(
                icount,
                pc,
                "write" if is_write else "read",
                address,
                size,
                value,
                before if has_before else None,
                CPU,
                None,
                None if space == SHARED_SPACE else space,
            ),
        )


def _of_another(each: OtherAccess, order: Literal["big", "little"]) -> RangeAccess:
    size = len(each.value)
    long = size > _NUMBER
    return RangeAccess(
        each.icount,
        each.pc,
        "write" if each.is_write else "read",
        each.address,
        size,
        None if long else int.from_bytes(each.value, order),
        None if long or not each.is_write else int.from_bytes(each.before, order),
        each.by,
        each.value[:_MOST_SHOWN].hex() if long else None,
        None,
    )
