"""What the timeline tells about itself."""

from __future__ import annotations

from dataclasses import dataclass

from rdbg.navigation.branches import Branch


@dataclass(frozen=True)
class CheckpointSummary:
    """What the checkpoints and the index cost.

    Args:
        positions: icount of each checkpoint.
        costs: bytes that each shares with no earlier one.
        stored: icount of each state in the recording's store.
        memory: bytes used by checkpoints.
        limit: bytes they may use beyond the first one.
        intervals: number of intervals in the index.
        index_memory: bytes of the index.
    """

    positions: tuple[int, ...]
    costs: tuple[int, ...]
    stored: tuple[int, ...]
    memory: int
    limit: int
    intervals: int
    index_memory: int


@dataclass(frozen=True)
class BranchSummary:
    """One of the futures of the run.

    Args:
        name: "main" is the run itself.
        parent: the one it left; empty for the run itself.
        fork: icount at which it left.
        end: the last known one.
        current: whether the machine is on it.
    """

    name: str
    parent: str
    fork: int
    end: int
    current: bool


@dataclass(frozen=True)
class Moment:
    """A moment of a scratch branch, to come back to; see `Timeline.moment`."""

    branch: Branch
    position: int
    records: int
    entered: int
