"""How often a run is interrupted, and for what."""

from __future__ import annotations

from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class Pace:
    """How often to look up while running. Host time decides here, and may: no result depends on it.

    Args:
        slice_seconds: how long the machine runs between looks at the outside world.
        spacing_seconds: replay time between regular checkpoints.
        spacing: instructions between regular checkpoints instead, for tests.
        slice: instructions between looks instead, for tests.
        rung: instructions; a replay to a place leaves checkpoints at half, a quarter, ... of the distance to it, down
            to this: then the steps back that tend to follow are short.
        snapshot_seconds: what it should take to replay from one periodic snapshot to the next.
        least_snapshot_seconds: what it takes where a snapshot costs next to nothing to save.
        snapshot_spacing: instructions between them instead, for tests.
        digest_instructions: instructions between state digests in a live run.
    """

    slice_seconds: float = 0.005
    spacing_seconds: float = 0.02
    spacing: int | None = None
    slice: int | None = None
    rung: int = 500
    snapshot_seconds: float = 0.04
    least_snapshot_seconds: float = 0.02
    snapshot_spacing: int | None = None
    digest_instructions: int = 200_000_000
