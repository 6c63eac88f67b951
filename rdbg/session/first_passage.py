"""Packets as a run passes them for the first time: a replay goes back a little to stop where it should, and passes some
again."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.endpoint import Endpoint, network_port
from rdbg.emu.machine_api import PacketWatcher
from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class PassedPacket:
    """A packet.

    Args:
        icount: of the last position before it.
        nanoseconds: virtual time.
        card: number of the card.
        frame: Ethernet, without FCS.
        incoming: whether it came in.
        number: its running number, of those that came in by all cards, or of those that the card has sent; from 1.
    """

    icount: int
    nanoseconds: int
    card: int
    frame: bytes
    incoming: bool
    number: int


def first_passage(
    told: Callable[[PassedPacket], None], entered: Callable[[], int], sent: Callable[[Endpoint], int]
) -> PacketWatcher:
    """A watcher that tells of each packet once, in a run that jumps over none. What is sent depends on the guest alone:
    by its number a packet is known again.

    Args:
        told: given each.
        entered: gives the number of the packet that entered last; it goes back with the machine.
        sent: gives how many packets had left by a card before the one that is seen; it goes back too.
    """
    passed: dict[Endpoint | None, int] = {}

    def note(icount: int, nanoseconds: int, card: int, frame: bytes, incoming: bool) -> None:
        way = None if incoming else network_port(card)
        number = entered() if way is None else sent(way) + 1
        if number > passed.get(way, 0):
            passed[way] = number
            told(PassedPacket(icount, nanoseconds, card, frame, incoming, number))

    return note
