"""What has been found by passing through a run."""

from __future__ import annotations

from dataclasses import field

import numpy as np
from numpy.typing import NDArray

from rdbg.quick_dataclass import dataclass
from rdbg.store.event_rows import EventRows

#: Where a run was looked at: virtual time, and whether code of users ran (2: that cannot be told).
SAMPLE = np.dtype([("icount", "<u8"), ("ns", "<u8"), ("user", "u1")])
Samples = NDArray[np.void]


@dataclass(frozen=True)
class FoundStretch:
    """What a stretch had.

    Args:
        start, end: icounts of its ends.
        events: exceptions and interrupts, rows of type `EVENT`.
        samples: rows of type `SAMPLE`.
        last: whether the run ends there.
    """

    start: int
    end: int
    events: EventRows
    samples: Samples
    last: bool


@dataclass
class Surveyed:
    """What all stretches so far had, but events, which are the timeline's.

    Args:
        until: icount up to which the run was passed through in this session.
        parts: samples, in order.
    """

    until: int
    parts: list[Samples] = field(default_factory=list)

    def samples(self) -> Samples:
        """All."""
        if len(self.parts) != 1:
            self.parts = [np.concatenate([np.empty(0, SAMPLE), *self.parts])]
        return self.parts[0]

    def add(self, found: FoundStretch) -> None:
        """More was found, behind what there is."""
        if found.start == self.until:
            self.until = found.end
            self.parts.append(found.samples)

    def cut(self, position: int) -> None:
        """The run goes another way from a position on."""
        if position < self.until:
            samples = self.samples()
            self.parts = [samples[samples["icount"] < position]]
            self.until = position
