"""The places at which a machine meets the outside world."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class EndpointKind(IntEnum):
    """What sort of place; the numbers stand in journals."""

    SERIAL = 1
    NETWORK = 2
    DISK = 3
    CONSOLE = 4  # of virtio


@dataclass(frozen=True)
class Endpoint:
    """One place.

    Args:
        kind: what sort.
        port: number among those of its sort, from 0.
    """

    kind: EndpointKind
    port: int

    def __str__(self) -> str:
        return f"{self.kind.name.lower()} {self.port}"
