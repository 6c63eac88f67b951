"""All networks of a run: which card hears whom, and the host's ends."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from rdbg.errors import RdbgError
from rdbg.host.messages import say
from rdbg.host.waiting import Watched
from rdbg.netdev.netdev_spec import DatagramNet, StreamNet, TapNet, UserNet
from rdbg.netdev.network_backend import Deliver, NetworkBackend, is_frame
from rdbg.netdev.network_plan import Netdev, NetworkPlan
from rdbg.netdev.pcap_file import PcapFile

if TYPE_CHECKING:
    from rdbg.netdev.slirp_library import SlirpLibrary

#: While so many packets wait for each card of a network, the host's ends of it are not read: their peers wait.
_READ_AHEAD_PACKETS = 128
#: Of Ethernet, without FCS.
_SHORTEST_ON_WIRE = 60


class Networks:
    """The host's ends, opened.

    Args:
        plan: what to open, and how it is wired.
        receive: gets the number of a card and a frame for it.
        waiting: how many frames wait for the card of that number.
        clock: the guest's time, in nanoseconds after 1970-01-01 UTC, for what is written about packets.

    Raises:
        RdbgError: one cannot be opened; those before it are closed again.
    """

    def __init__(
        self,
        plan: NetworkPlan,
        receive: Callable[[int, bytes], None],
        waiting: Callable[[int], int],
        clock: Callable[[], int],
    ) -> None:
        self._take = receive
        self._short = plan.short_cards
        self._waiting = waiting
        self._clock = clock
        self._backends: dict[str, NetworkBackend] = {}
        self._dumps: list[PcapFile] = []
        self._cards_of = {name: segment.cards for segment in plan.segments for name in segment.netdevs}
        self._netdevs_of = {name: segment.netdevs for segment in plan.segments for name in segment.netdevs}
        self._segment_of = {card: segment for segment in plan.segments for card in segment.cards}
        self._library: SlirpLibrary | None = None
        try:
            for netdev in plan.netdevs:
                try:
                    self._backends[netdev.name] = self._open(netdev, partial(self._arrived, netdev.name))
                except RdbgError as error:
                    if not netdev.optional:
                        raise
                    say(f"warning: {netdev.option} leads nowhere: {error}")
            for dump in plan.dumps:
                self._dumps.append(PcapFile(dump))
        except BaseException:
            self.close()
            raise

    def send(self, card: int, frame: bytes) -> None:
        """Pass on what the guest sent."""
        segment = self._segment_of.get(card)
        if segment is None or not is_frame(frame):
            return
        for other in segment.cards:
            if other != card:
                self._give(other, frame)
        for name in segment.netdevs:
            self._send_to(name, frame)

    def watched(self) -> Watched:
        """What to wait for."""
        return [entry for name, backend in self._backends.items() if self._wants(name) for entry in backend.watched()]

    def patience(self, seconds: float) -> float:
        """How long at most, of so many seconds, may pass before `poll` has something to do by itself; asked after
        `watched`."""
        wanted = (backend for name, backend in self._backends.items() if self._wants(name))
        return min((backend.patience(seconds) for backend in wanted), default=seconds)

    def poll(self) -> None:
        """Pass on what has come from outside, and what waits for a capture's reader."""
        for dump in self._dumps:
            dump.flush()
        for name, backend in self._backends.items():
            if self._wants(name):
                backend.poll()

    @property
    def congested(self) -> bool:
        """Whether the guest should wait until what it sent has gone."""
        return any(backend.congested for backend in self._backends.values())

    @property
    def failures(self) -> list[str]:
        """Why packets are lost, a line for each back end and file where they are."""
        ends: list[NetworkBackend | PcapFile] = [*self._backends.values(), *self._dumps]
        return [end.failure for end in ends if end.failure]

    def close(self) -> None:
        """Close all."""
        for backend in self._backends.values():
            backend.close()
        for dump in self._dumps:
            dump.close()

    def _open(self, netdev: Netdev, deliver: Deliver) -> NetworkBackend:
        """Open a back end. Each is imported where it is used: a run loads those that it has, and no more."""
        kind = netdev.kind
        if isinstance(kind, UserNet):
            from rdbg.netdev.slirp_library import SlirpLibrary
            from rdbg.netdev.user_network import UserNetwork

            self._library = self._library or SlirpLibrary()
            return UserNetwork(kind, netdev.option, deliver, self._library)
        if isinstance(kind, StreamNet):
            from rdbg.netdev.stream_network import StreamNetwork

            return StreamNetwork(kind, netdev.option, deliver)
        if isinstance(kind, DatagramNet):
            from rdbg.netdev.datagram_network import DatagramNetwork

            return DatagramNetwork(kind, netdev.option, deliver)
        assert isinstance(kind, TapNet), "hubs are in the plan's segments"
        from rdbg.netdev.tap_network import TapNetwork

        return TapNetwork(kind, netdev.option, deliver)

    def _wants(self, name: str) -> bool:
        """Whether to read a back end: a card of its network takes what comes. Another may be off and never take any."""
        cards = self._cards_of.get(name, ())
        return not cards or any(self._waiting(card) < _READ_AHEAD_PACKETS for card in cards)

    def _arrived(self, name: str, frame: bytes) -> None:
        """A frame has come from a back end: all others of its network hear it."""
        self._note(name, frame, incoming=True)
        for card in self._cards_of.get(name, ()):
            self._give(card, frame)
        for other in self._netdevs_of.get(name, ()):
            if other != name:
                self._send_to(other, frame)

    def _give(self, card: int, frame: bytes) -> None:
        self._take(card, frame if card in self._short else frame.ljust(_SHORTEST_ON_WIRE, b"\0"))

    def _send_to(self, name: str, frame: bytes) -> None:
        self._note(name, frame, incoming=False)
        if name in self._backends:
            self._backends[name].send(frame)

    def _note(self, name: str, frame: bytes, incoming: bool) -> None:
        for dump in self._dumps:
            if dump.spec.netdev == name and (dump.spec.incoming if incoming else dump.spec.outgoing):
                dump.add(self._clock(), frame)
