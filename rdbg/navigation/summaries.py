"""What the timeline tells about itself."""

from __future__ import annotations

from rdbg.checkpoints.keeper import CheckpointKeeper
from rdbg.navigation.branches import Branches
from rdbg.navigation.stored import StoredStates
from rdbg.quick_dataclass import dataclass


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
        kept: whether it is kept beside the recording.
    """

    name: str
    parent: str
    fork: int
    end: int
    current: bool
    kept: bool


def checkpoint_summary(keeper: CheckpointKeeper, stored: StoredStates) -> CheckpointSummary:
    """What there is to go back by."""
    return CheckpointSummary(
        tuple(checkpoint.position for checkpoint in keeper.checkpoints),
        tuple(keeper.costs()),
        tuple(stored.positions),
        keeper.bytes_used,
        keeper.memory_limit,
        len(keeper.index),
        keeper.index.nbytes,
    )


def branch_summaries(branches: Branches, end: int) -> list[BranchSummary]:
    """All branches.

    Args:
        branches: of the run.
        end: last position of the one at hand.
    """
    return [
        BranchSummary(
            branch.name,
            branch.parent.name if branch.parent is not None else "",
            branch.fork,
            end if branch is branches.current else branch.history.end,
            branch is branches.current,
            branch.kept,
        )
        for branch in branches.list()
    ]
