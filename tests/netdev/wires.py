"""Networks to test with, and frames to put on them."""

from __future__ import annotations

import time
from collections.abc import Callable

from rdbg.netdev.netdev_spec import NetdevKind
from rdbg.netdev.network_plan import Netdev, NetworkPlan, NetworkSegment, PacketDump
from rdbg.netdev.networks import Networks

GUEST_MAC = bytes.fromhex("525400123456")
#: Who has 10.0.2.2? Tell 10.0.2.15.
ARP_REQUEST = bytes.fromhex("ffffffffffff525400123456080600010800060400015254001234560a00020f0000000000000a000202")


def frame(number: int, size: int = 64) -> bytes:
    """A broadcast that is known by its number."""
    return (b"\xff" * 6 + GUEST_MAC + b"\x88\xb5" + number.to_bytes(4, "big")).ljust(size, bytes([number & 0xFF]))


class Wire:
    """A card on a back end, and what it was sent."""

    def __init__(self, kind: NetdevKind, dumps: tuple[PacketDump, ...] = ()) -> None:
        self.heard: list[bytes] = []
        plan = NetworkPlan((Netdev("n", kind, "-netdev test"),), (NetworkSegment((0,), ("n",)),), dumps)
        self.networks = Networks(plan, self._hear, lambda card: 0, lambda: 1_500_000_000)

    def _hear(self, card: int, data: bytes) -> None:
        self.heard.append(data)

    def send(self, data: bytes) -> None:
        """The guest sends a frame."""
        self.networks.send(0, data)

    def close(self) -> None:
        """Close it."""
        self.networks.close()


def until(happened: Callable[[], bool], *wires: Wire, seconds: float = 20) -> None:
    """Let networks work until something has happened."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it does not happen"
        for wire in wires:
            wire.networks.poll()
        time.sleep(0.001)
