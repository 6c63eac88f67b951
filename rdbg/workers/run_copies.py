"""Helpers of a run: copies of its process."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rdbg.host.progress import Progress
from rdbg.timeline import Timeline

if TYPE_CHECKING:
    from rdbg.analysis.question import PiecePool
    from rdbg.workers.copies import Copies
    from rdbg.workers.idle_looks import IdleLooks

#: Bytes that the checkpoints of all copies of a run may take together, beside those that it has.
_CHECKPOINT_MEMORY = 256 << 20


def all_cores() -> int:
    """How many processes can run at once here."""
    return len(os.sched_getaffinity(0))


class RunCopies:
    """Makes copies of the process of a run. Each has the memory of the guest in common with it, page by page until one
    of them writes there, and a part of what checkpoints may take.

    Args:
        timeline: the run.
        jobs: processes that may be at work at once, this one included.
        reopen: called in each copy: what it has open, it opens for itself.
    """

    def __init__(self, timeline: Timeline, jobs: int, reopen: Callable[[], None]) -> None:
        self._timeline = timeline
        self.jobs = jobs
        self._reopen = reopen

    def crew(self, work: Callable[[int, int], Any]) -> Copies | None:
        """Copies that work while this process does too; see `Helpers`."""
        return self.copies(self.jobs - 1, work) if self.jobs > 1 else None

    def pool(self, interrupted: Callable[[], bool], progress: Progress) -> PiecePool:
        """Copies that answer questions, a `MakePool`; see `copied_pool`."""
        from rdbg.workers.pool import copied_pool

        return copied_pool(self.copies, self.jobs, self._timeline, interrupted, progress)

    def idle_looks(self) -> IdleLooks:
        """Copies that look at the past while the run stands still, on all cores: this process has nothing to do then,
        and they give way to others."""
        from rdbg.workers.idle_looks import IdleLooks

        return IdleLooks(self._timeline, self.copies, self.jobs)

    def copies(self, size: int, work: Callable[..., Any]) -> Copies:
        """So many copies, which do this work."""
        from rdbg.workers.copies import Copies  # loads multiprocessing, which most sessions never need

        timeline = self._timeline
        timeline.copies.prepare()

        def become(ended: Callable[[], bool]) -> None:
            timeline.copies.become(_CHECKPOINT_MEMORY // max(size, 1), ended)
            self._reopen()

        return Copies(size, work, become)
