"""The host's end of one network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from rdbg.emu.device import LONGEST_FRAME
from rdbg.host.waiting import Watched

#: Ethernet's header; a frame that is shorter is none.
SHORTEST_FRAME = 14

#: Gets a frame that comes from the network: an Ethernet frame without its FCS.
Deliver = Callable[[bytes], None]


class NetworkBackend(ABC):
    """Takes the frames that the guest sends, gives those that it is sent. Never blocks.

    Args:
        deliver: see there; called by `poll`, and by `send` where the answer is at hand.
    """

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver

    @abstractmethod
    def send(self, frame: bytes) -> None:
        """Take a frame of the guest. What cannot go at once is dropped, as on a wire. Raises nothing: the machine is in
        the middle of a store."""

    def watched(self) -> Watched:
        """What to wait for."""
        return []

    def patience(self, seconds: float) -> float:
        """How long at most, of so many seconds, may pass before `poll` has something to do by itself."""
        return seconds

    @abstractmethod
    def poll(self) -> None:
        """Pass on what has come, and what waits to go."""

    @property
    def congested(self) -> bool:
        """Whether the guest should wait until what it sent has gone."""
        return False

    @property
    def failure(self) -> str:
        """Why it works no longer, in a line; empty: it does."""
        return ""

    def close(self) -> None:
        """Give back what was taken. May be called twice."""


def is_frame(data: bytes) -> bool:
    """Whether so many bytes can be an Ethernet frame."""
    return SHORTEST_FRAME <= len(data) <= LONGEST_FRAME
