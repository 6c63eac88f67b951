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


class MeasuredPace:
    """A pace in instructions, at the speed that is measured here.

    Args:
        pace: how often to look up.
    """

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.speed = 2e7  #: instructions that are run in a second, until it is measured
        self._instructions = 0
        self._seconds = 0.0
        self._checkpoint_cost = 0.0

    @property
    def slice(self) -> int:
        """Instructions that take about ``slice_seconds``."""
        return self.pace.slice or max(2000, int(self.speed * self.pace.slice_seconds))

    @property
    def spacing(self) -> int:
        """Instructions between regular checkpoints; they shall not cost more than a twentieth of the time."""
        seconds = max(self.pace.spacing_seconds, 20 * self._checkpoint_cost)
        return self.pace.spacing or max(5000, int(self.speed * seconds))

    @property
    def interval(self) -> int:
        """Instructions that an interval of the index has, where checkpoints are dear and stand further apart."""
        return self.pace.spacing or max(5000, int(self.speed * self.pace.spacing_seconds))

    def made_checkpoint(self, seconds: float) -> None:
        """A checkpoint took so long. Slow to rise, so that one hiccup of the host does not thin the future."""
        self._checkpoint_cost += (seconds - self._checkpoint_cost) * 0.25

    def ran(self, instructions: int, seconds: float) -> None:
        """So many instructions took so long."""
        self._instructions += instructions
        self._seconds += seconds
        if self._seconds > 0.002 and self._instructions > 0:
            speed = self._instructions / self._seconds
            self.speed += (speed - self.speed) * 0.3
            self._instructions, self._seconds = 0, 0.0
