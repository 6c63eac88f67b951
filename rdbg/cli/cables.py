"""Who hears whom: network cards and back ends joined by cables and hubs, as QEMU joins them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rdbg.cli.option_values import hint
from rdbg.errors import UsageError
from rdbg.netdev.netdev_spec import HubPort, UserNet
from rdbg.netdev.network_plan import Netdev, NetworkPlan, NetworkSegment
from rdbg.session.network_options import CardOption, NetdevOption
from rdbg.session.options import RunOptions


def default_network() -> NetdevOption:
    """The back end that a board has by itself, as QEMU's."""
    back_end = Netdev("#net000", UserNet(), "the board's network (-nic none drops it)", optional=True)
    return NetdevOption(back_end, on_hub=True)


@dataclass
class Cables:
    """Who hears whom."""

    netdevs: dict[str, NetdevOption]
    hubs: dict[int, tuple[list[int], list[str]]] = field(default_factory=dict)
    pairs: dict[str, int] = field(default_factory=dict)  # netdev -> card
    notices: list[str] = field(default_factory=list)

    def hub(self, number: int) -> tuple[list[int], list[str]]:
        """Cards and back ends of a hub."""
        return self.hubs.setdefault(number, ([], []))

    def plug(self, card: CardOption, number: int, label: str) -> None:
        """Plug a card in."""
        if card.on_hub:
            self.hub(0)[0].append(number)
            return
        name = card.said("netdev")
        if name is None:
            self.notices.append(f"warning: nic {label} has no peer; netdev=ID of a -netdev gives it one")
            return
        option = self.netdevs.get(name)
        if option is None:
            raise UsageError(
                f"{card.option}: there is no netdev {name!r}{hint(name, self.netdevs)}; add -netdev user,id={name}"
            )
        if name in self.pairs or option.on_hub:
            raise UsageError(f"{card.option}: netdev {name} has another card; a hub joins several: -netdev hubport")
        self.pairs[name] = number
        if isinstance(option.netdev.kind, HubPort):
            self.hub(option.netdev.kind.hub)[0].append(number)

    def plan(self, options: RunOptions, short_cards: Sequence[int]) -> NetworkPlan:
        """All of it."""
        joined: set[str] = set()
        for name, option in self.netdevs.items():
            kind = option.netdev.kind
            if option.on_hub:
                self.hub(0)[1].append(name)
            elif isinstance(kind, HubPort):
                self._join(option.netdev, kind, joined)
        for name, option in self.netdevs.items():
            if not option.on_hub and name not in joined and name not in self.pairs:
                self.notices.append(f"warning: netdev {name} has no peer; a -device with netdev={name} gives it one")
        for number, (cards, names) in sorted(self.hubs.items()):
            if not names:
                self.notices.append(f"warning: hub {number} is not connected to host network; -net user does that")
            elif not cards:
                self.notices.append(f"warning: hub {number} with no nics; -net nic plugs one in")
        ends = {name for name, option in self.netdevs.items() if not isinstance(option.netdev.kind, HubPort)}
        segments = [NetworkSegment(tuple(cards), tuple(names)) for _, (cards, names) in sorted(self.hubs.items())]
        segments += [NetworkSegment((card,), (name,)) for name, card in self.pairs.items() if name in ends]
        for dump in options.dumps:
            if dump.netdev not in ends:
                raise UsageError(
                    f"-object filter-dump,id={dump.name}: there is no netdev {dump.netdev!r}{hint(dump.netdev, ends)}"
                )
        netdevs = tuple(option.netdev for name, option in self.netdevs.items() if name in ends)
        return NetworkPlan(netdevs, tuple(segments), options.dumps, tuple(short_cards))

    def _join(self, port: Netdev, kind: HubPort, joined: set[str]) -> None:
        """Join what is plugged into a hub's port to the hub."""
        if not kind.netdev:
            return
        other = self.netdevs.get(kind.netdev)
        if other is None or isinstance(other.netdev.kind, HubPort):
            raise UsageError(f"{port.option}: there is no back end {kind.netdev!r}{hint(kind.netdev, self.netdevs)}")
        if kind.netdev in joined or kind.netdev in self.pairs or other.on_hub or port.name in self.pairs:
            raise UsageError(f"{port.option}: {kind.netdev} is plugged in elsewhere; give each its own")
        joined |= {kind.netdev, port.name}
        self.hub(kind.hub)[1].append(kind.netdev)
