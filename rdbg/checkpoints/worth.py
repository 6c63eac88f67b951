"""What a kept state is worth: the replay that it is expected to save."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Instructions: nearer than this, places are as good as one (their replay takes a tenth of a millisecond).
_NEAR = 100_000.0


def replay_saved(
    positions: NDArray[np.float64], start: float, end: float, places: Sequence[int]
) -> NDArray[np.float64]:
    """Instructions of replay that each state is expected to save the next time somebody goes somewhere.

    Without a state, what lies between it and the next one is reached from the one before: that costs the gap before it,
    as often as somebody goes there. Where people go is guessed: near to where they are, have been, or will go back to,
    and the nearer the likelier, in inverse proportion to the distance. So states are dense near such places and thin
    out with the distance from them.

    Args:
        positions: of the states, sorted.
        start: where a replay begins without any of them.
        end: the latest position known.
        places: where people are, or have been.
    """
    before = np.concatenate([[start], positions[:-1]])
    after = np.append(positions[1:], max(end, positions[-1]) + _NEAR)
    likely = np.zeros(len(positions))
    for place in places:
        likely += _mass(after - place) - _mass(positions - place)
    saved: NDArray[np.float64] = (positions - before) * likely
    return saved


def _mass(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The integral of 1 / (distance + _NEAR), from a place to there."""
    mass: NDArray[np.float64] = np.copysign(np.log1p(np.abs(distance) / _NEAR), distance)
    return mass
