"""Waiting for several descriptors at once."""

from __future__ import annotations

import select
from collections.abc import Sequence

#: Descriptors, and which events each is watched for, as `select.poll` has them. One may stand there twice.
Watched = Sequence[tuple[int, int]]


def happened_within(seconds: float, watched: Watched) -> dict[int, int]:
    """Wait until something happens.

    Args:
        seconds: how long at most.
        watched: where.

    Returns:
        what has happened, by descriptor; hanging up and errors without being asked for.
    """
    wanted: dict[int, int] = {}
    for handle, events in watched:
        wanted[handle] = wanted.get(handle, 0) | events
    poller = select.poll()
    for handle, events in wanted.items():
        poller.register(handle, events)
    return dict(poller.poll(seconds * 1000))
