"""A flag that a process and its copies have in common."""

from __future__ import annotations

import mmap


class SharedFlag:
    """Something that one process says to its copies: it is made before they are.

    It has no lock, unlike `multiprocessing.Event`: a copy that is killed while it looks would keep that for ever, and
    hold up whoever sets the flag.
    """

    def __init__(self) -> None:
        self._byte = mmap.mmap(-1, 1)

    def set(self) -> None:
        """From now on it is set."""
        self._byte[0] = 1

    def is_set(self) -> bool:
        """Whether it is."""
        return self._byte[0] != 0
