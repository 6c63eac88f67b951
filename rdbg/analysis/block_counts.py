"""How often each piece of code ran: counted, not sampled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.emu.counts import CountRequest, CountsTaken, What
from rdbg.emu.machine_api import RunRequest, StopKind
from rdbg.quick_dataclass import dataclass
from rdbg.timeline import QuestionInterrupted

_LENGTH_BITS = 16
_PACKED_BITS = 63 - 1 - _LENGTH_BITS


@dataclass(frozen=True)
class BlockCounts:
    """Straight pieces of code, and how often each ran.

    Args:
        end: icount up to which was counted.
        pcs: virtual addresses of their first instructions.
        ran: instructions of each that ran.
        fetched: whether it was there; else its fetch has failed, which counts as an instruction.
        times: how often.
    """

    end: int
    pcs: NDArray[np.uint64]
    ran: NDArray[np.int64]
    fetched: NDArray[np.bool_]
    times: NDArray[np.int64]

    @classmethod
    def empty(cls, end: int) -> BlockCounts:
        """Nothing, up to an icount."""
        nothing = np.empty(0, np.int64)
        return cls(end, nothing.astype(np.uint64), nothing, nothing.astype(bool), nothing)

    @property
    def instructions(self) -> int:
        """How many ran, all in all."""
        return int((self.ran * self.times).sum())

    def by_address(self, length: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Addresses of instructions, ascending, and how often each ran.

        Args:
            length: bytes of an instruction.
        """
        first = np.repeat(np.cumsum(self.ran) - self.ran, self.ran)
        within = (np.arange(int(self.ran.sum()), dtype=np.int64) - first).astype(np.uint64)
        each = np.repeat(self.pcs, self.ran) + within * np.uint64(length)
        return _summed(each, np.repeat(self.times, self.ran))


@dataclass(frozen=True)
class CountBlocks:
    """How often each block ran."""

    reaches_behind: ClassVar[bool] = False

    def of_piece(self, run: ReplayedRun, piece: Piece, newest_first: bool) -> Iterator[BlockCounts]:
        """What it has, in parts, also if it is interrupted; see `PieceQuestion`."""
        for taken, reached in counted(run, piece):
            rows = taken.blocks
            yield grouped(
                reached,
                rows["pc"].astype(np.uint64),
                rows["ran"].astype(np.int64),
                rows["what"] == What.RUN,
                rows["times"].astype(np.int64),
            )


def counted(
    run: ReplayedRun, piece: Piece, paths: bool = False, borders: bytes = b"", all_events: bool = False
) -> Iterator[tuple[CountsTaken, int]]:
    """What a piece has counted, as it comes, and up to which icount that is; at least one, also if it is interrupted.

    Args:
        run: the run, standing anywhere.
        piece: the stretch.
        paths: see `CountRequest`.
        borders: the same.
        all_events: the same.

    Raises:
        QuestionInterrupted: the user asked to stop; what was counted until then has been given.
    """
    machine = run.machine
    counting = CountRequest(piece.start, piece.end, paths, borders, all_events)
    # Nothing stops inside a step: what of it belongs to another piece is cut off.
    beyond = min(piece.end + machine.architecture.longest_step - 1, run.end)
    began = False
    moves = True
    interruption: QuestionInterrupted | None = None
    try:
        run.go(piece.start)
        while moves and (run.position < piece.end or not began):
            here = run.position
            stop = run.advance(RunRequest(until=piece.end, slice=run.slice, count=counting))
            began = True
            if stop.kind is StopKind.LIMIT and run.position < piece.end:
                run.advance(RunRequest(until=beyond, count=counting))
            moves = run.position > here or stop.kind is StopKind.PAUSED
            some = machine.take_counts(last=False)
            if some is not None:
                yield some, run.position
    except QuestionInterrupted as error:
        interruption = error
    last = machine.take_counts(last=True) if began else None
    yield last or CountsTaken.nothing(), min(run.position, piece.end) if began else piece.start
    if interruption is not None:
        raise interruption


def together(parts: Iterable[BlockCounts]) -> BlockCounts:
    """The sum of parts, of which there is one at least."""
    every = list(parts)
    pcs = np.concatenate([part.pcs for part in every])
    ran = np.concatenate([part.ran for part in every])
    fetched = np.concatenate([part.fetched for part in every])
    times = np.concatenate([part.times for part in every])
    return grouped(max(part.end for part in every), pcs, ran, fetched, times)


def grouped(
    end: int,
    pcs: NDArray[np.uint64],
    ran: NDArray[np.int64],
    fetched: NDArray[np.bool_],
    times: NDArray[np.int64],
) -> BlockCounts:
    """Equal rows as one; see `BlockCounts`."""
    if not len(pcs):
        return BlockCounts.empty(end)
    low = ran.astype(np.uint64) << np.uint64(1) | fetched
    if int(pcs.max()) >> _PACKED_BITS or int(ran.max()) >> _LENGTH_BITS:
        rows, inverse = np.unique(np.stack([pcs, low], axis=1), axis=0, return_inverse=True)
        keys, sums = _summed(inverse.astype(np.uint64).ravel(), times)
        pcs, low = rows[keys, 0], rows[keys, 1]
    else:
        keys, sums = _summed(pcs << np.uint64(_LENGTH_BITS + 1) | low, times)
        pcs, low = keys >> np.uint64(_LENGTH_BITS + 1), keys & np.uint64((1 << _LENGTH_BITS + 1) - 1)
    return BlockCounts(end, pcs, (low >> np.uint64(1)).astype(np.int64), (low & np.uint64(1)).astype(bool), sums)


def _summed(keys: NDArray[np.uint64], times: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Keys, ascending, each once, with the sum of its times. Sums of integers: exact."""
    if not len(keys):
        return keys, times
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[first], np.add.reduceat(times[order], first)
