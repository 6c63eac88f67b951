"""The central property, on a real guest: a position has the same state however it was reached."""

from __future__ import annotations

import random

from rdbg.timeline import Timeline


def states_are_the_same(timeline: Timeline, recent: int, positions: int, visits: int) -> None:
    """Digest random positions in ascending order; then come to them again in any order, directly or from before.

    Args:
        timeline: of a recording.
        recent: how far before its end the positions lie at most, in instructions.
        positions: how many.
        visits: how often one of them is come to again.
    """
    chance = random.Random(5)
    digest, end = timeline.machine.digest, timeline.end
    wanted: dict[int, bytes] = {}
    for target in sorted(chance.randrange(end - recent, end) for _ in range(positions)):
        timeline.goto(target)
        wanted[timeline.position] = digest()
    places = list(wanted)
    for _ in range(visits):
        target = chance.choice(places)
        if chance.random() < 0.5:
            timeline.goto(max(0, target - chance.randrange(1, 100_000)))
        timeline.goto(target)
        assert (timeline.position, digest()) == (target, wanted[target])
