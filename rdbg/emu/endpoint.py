"""The places at which a machine meets the outside world."""

from __future__ import annotations

from enum import IntEnum
from functools import cache

from rdbg.quick_dataclass import dataclass


class EndpointKind(IntEnum):
    """What sort of place. The numbers stand in journals: never reuse one."""

    SERIAL = 1  #: a serial line: bytes, and breaks, in both directions
    NETWORK = 2  #: a network card: packets in both directions
    DISK = 3  #: a drive: what the guest writes leaves
    CONSOLE = 4  #: a console of virtio: bytes in both directions
    ENTROPY = 5  #: a source of random bytes, which come in
    GPIO = 6  #: pins: levels that come in, and lines of text (``led=1``) about those that leave


@dataclass(frozen=True)
class Endpoint:
    """One place.

    Args:
        kind: what sort.
        port: number among those of its sort, from 0.
    """

    kind: EndpointKind
    port: int

    def __hash__(self) -> int:
        return self.kind << 16 ^ self.port  # asked for with each byte that leaves: an enumeration's own is slow

    def __str__(self) -> str:
        return f"{self.kind.name.lower()} {self.port}"


@cache  # one object for each: tables that it keys find it without comparing fields
def serial_port(port: int) -> Endpoint:
    """The serial port of that number."""
    return Endpoint(EndpointKind.SERIAL, port)


@cache
def network_port(port: int) -> Endpoint:
    """The network card of that number."""
    return Endpoint(EndpointKind.NETWORK, port)
