"""What a scan over the past has found last."""

from __future__ import annotations

from rdbg.emu.machine_api import Block, MachineApi, ScanHit

#: Blocks with watched accesses that a scan keeps.
_MOST_BLOCKS = 1024


class LastHits:
    """The latest hits of a scan that runs over several stretches.

    Args:
        start: where it begins.
    """

    def __init__(self, start: int) -> None:
        self.breakpoint: ScanHit | None = None
        self.blocks: list[Block] = []  #: in which there may be watched accesses, in order
        self.since = start  #: from where on they are all that there are

    def note(self, machine: MachineApi, low: int, high: int) -> None:
        """Take over what the machine noted in a run over positions from ``low`` up to (not including) ``high``."""
        hit = machine.last_breakpoint_hit
        if hit is not None and low <= hit.position < high:
            self.breakpoint = hit
        watched = machine.watched_blocks
        # What was written where the run began counts for the step that led there.
        reach = machine.architecture.longest_step
        blocks = [block for block in watched.blocks if low - reach <= block.start < high]
        if not watched.complete:
            self.blocks, self.since = blocks, blocks[0].start if blocks else high
        else:
            self.blocks += blocks
        self._bound()

    def add(self, block: Block) -> None:
        """Take over one more block."""
        self.blocks.append(block)
        self._bound()

    def _bound(self) -> None:
        if len(self.blocks) > _MOST_BLOCKS:
            self.blocks = self.blocks[-_MOST_BLOCKS:]
            self.since = self.blocks[0].start
