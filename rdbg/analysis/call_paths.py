"""How often each piece of code ran, by the calls that led there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rdbg.analysis.block_counts import BlockCounts, counted, grouped
from rdbg.analysis.call_stacks import CallStacks
from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.emu.counts import CALL_NODE, Came, CountsTaken, Node, What
from rdbg.quick_dataclass import dataclass

#: Rows that are gathered before they are put together.
_GATHERED = 1 << 21


@dataclass(frozen=True)
class PathPart:
    """A part of what a piece has counted.

    Args:
        begins: it is the first of its piece.
        end: icount up to which this is.
        taken: what was counted.
    """

    begins: bool
    end: int
    taken: CountsTaken


@dataclass(frozen=True)
class CountPaths:
    """How often each block ran, by the calls that led there.

    Args:
        borders: see `CountRequest`.
    """

    borders: bytes = b""

    reaches_behind: ClassVar[bool] = False  # what a piece cannot tell, `CallPaths` puts together

    def of_piece(self, run: ReplayedRun, piece: Piece, newest_first: bool) -> Iterator[PathPart]:
        """What it has, in parts, also if it is interrupted; see `PieceQuestion`."""
        begins = True
        for taken, reached in counted(run, piece, True, self.borders):
            yield PathPart(begins, reached, taken)
            begins = False


@dataclass(frozen=True)
class CallPaths:
    """Straight pieces of code, and how often each ran in each place of a tree of calls.

    Args:
        nodes: rows of `CALL_NODE`. The first is the root; parents come before their children.
        calls: of each node, how often it was called.
        node: of each piece of code, where.
        blocks: the pieces of code.
    """

    nodes: NDArray[np.void]
    calls: NDArray[np.int64]
    node: NDArray[np.int64]
    blocks: BlockCounts

    def flat(self) -> BlockCounts:
        """The same, wherever it was called."""
        blocks = self.blocks
        return grouped(blocks.end, blocks.pcs, blocks.ran, blocks.fetched, blocks.times)

    @classmethod
    def of(cls, parts: Iterable[PathPart], start: int) -> CallPaths:
        """All parts of a stretch, oldest first.

        Args:
            parts: of its pieces.
            start: where it begins.
        """
        joined = _Joined(start)
        for part in parts:
            joined.add(part)
        return joined.paths()


class _Joined:
    """Puts parts together."""

    def __init__(self, start: int) -> None:
        self._end = start
        self._stacks = CallStacks()
        self._nodes: list[tuple[int, int, int, int]] = [(0, 0, 0, Node.ROOT)]
        self._children: dict[tuple[int, int, int, int], int] = {}
        self._known: list[int] = []  # of the piece's nodes, which they are
        self._rows: list[NDArray[np.int64]] = []
        self._waiting = 0

    def add(self, part: PathPart) -> None:
        """The next one."""
        if part.begins:
            self._known = []
        taken = part.taken
        rows = list(zip(*(taken.nodes[name].tolist() for name in ("parent", "site", "target", "kind")), strict=True))
        first = len(self._known)
        names = ("kind", "address", "stack", "space", "node")
        for kind, address, stack, space, node in zip(*(taken.events[name].tolist() for name in names), strict=True):
            if kind in (Came.CALL, Came.EXCEPTION):
                self._name(rows, first, node)
                self._stacks.push(Came(kind), address, stack, space, self._known[node])
                continue
            self._name(rows, first, node - 1)
            self._stacks.happen(Came(kind), address, stack, space)
            self._known.append(self._stacks.current.data)
        self._name(rows, first, first + len(rows) - 1)
        self._count(taken.blocks)
        self._end = part.end

    def _name(self, rows: list[tuple[int, int, int, int]], first: int, last: int) -> None:
        """Find out which nodes a piece's nodes are, up to one of them."""
        known, children = self._known, self._children
        for at in range(len(known), last + 1):
            parent, site, target, kind = rows[at - first]
            if kind == Node.ROOT:
                known.append(self._stacks.current.data)
                continue
            key = known[parent], site, target, kind
            node = children.get(key)
            if node is None:
                node = children[key] = len(self._nodes)
                self._nodes.append(key)
            known.append(node)

    def _count(self, blocks: NDArray[np.void]) -> None:
        if not len(blocks):
            return
        node = np.array(self._known, np.int64)[blocks["node"]]
        columns = [node, *(blocks[name].astype(np.int64) for name in ("pc", "ran", "what", "times"))]
        self._rows.append(np.stack(columns))
        self._waiting += len(blocks)
        if self._waiting > _GATHERED:
            self._rows = [_together(self._rows)]
            self._waiting = 0

    def paths(self) -> CallPaths:
        """All of it."""
        nodes = np.array(self._nodes, CALL_NODE)
        node, pc, ran, what, times = _together([np.empty((5, 0), np.int64), *self._rows])
        called = what == What.CALL
        calls = np.zeros(len(nodes), np.int64)
        np.add.at(calls, node[called], times[called])
        own = ~called
        blocks = BlockCounts(self._end, pc[own].astype(np.uint64), ran[own], what[own] == What.RUN, times[own])
        return CallPaths(nodes, calls, node[own], blocks)


def _together(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Equal rows as one, with the sum of their times."""
    rows = np.concatenate(parts, axis=1)
    if not rows.shape[1]:
        return rows
    order = np.lexsort(rows[:4])
    rows = rows[:, order]
    first = np.flatnonzero(np.concatenate([[True], (rows[:4, 1:] != rows[:4, :-1]).any(axis=0)]))
    return np.vstack([rows[:4, first], np.add.reduceat(rows[4], first)])
