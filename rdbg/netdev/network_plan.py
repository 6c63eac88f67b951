"""All networks of a run as data: who hears whom, and what the host's ends are to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rdbg.quick_dataclass import dataclass

if TYPE_CHECKING:
    from rdbg.netdev.netdev_spec import NetdevKind


@dataclass(frozen=True)
class Netdev:
    """A back end with a name.

    Args:
        name: the user's id, or one that was made up.
        kind: what it is.
        option: as typed, for messages.
        optional: nobody has asked for it: where it cannot be opened, that is said, and the run goes on without.
    """

    name: str
    kind: NetdevKind
    option: str
    optional: bool = False


@dataclass(frozen=True)
class PacketDump:
    """``-object filter-dump``: a file that gets the packets of a back end.

    Args:
        name: the user's id.
        netdev: id of the back end.
        path: the file, in pcap's format.
        incoming, outgoing: which packets: those that the guest is sent, those that it sends.
        longest: so many bytes of each.
    """

    name: str
    netdev: str
    path: str
    incoming: bool = True
    outgoing: bool = True
    longest: int = 65536


@dataclass(frozen=True)
class NetworkSegment:
    """What hears each other: a cable, or a hub.

    Args:
        cards: numbers of network endpoints.
        netdevs: ids of back ends.
    """

    cards: tuple[int, ...]
    netdevs: tuple[str, ...]


@dataclass(frozen=True)
class NetworkPlan:
    """All networks of a run.

    Args:
        netdevs: the back ends; hubs are in `segments` alone.
        segments: who hears whom.
        dumps: files that get packets.
        short_cards: numbers of cards that take frames shorter than Ethernet's 60 bytes; for others they are filled up.
    """

    netdevs: tuple[Netdev, ...] = ()
    segments: tuple[NetworkSegment, ...] = ()
    dumps: tuple[PacketDump, ...] = ()
    short_cards: tuple[int, ...] = ()
