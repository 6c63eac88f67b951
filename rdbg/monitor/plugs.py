"""What is plugged into a machine, and where it leads on the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from rdbg.emu.spec import Drive, Plugged
from rdbg.netdev.network_plan import NetworkPlan
from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class Plugs:
    """Cards and drives, as `info network`, `info block` and `set_link` know them.

    Args:
        cards: of the machine.
        drives: of the machine.
        networks: where cards lead; a replay opens none.
        images: what is in a drive, by the drive's name: the file and its format. A replay opens none.
    """

    cards: tuple[Plugged, ...] = ()
    drives: tuple[Drive, ...] = ()
    networks: NetworkPlan = NetworkPlan()
    images: Mapping[str, str] = field(default_factory=dict)

    def network_cards(self) -> list[tuple[str, Plugged]]:
        """The network cards, each with the name that QEMU gives it: the user's id, or its model and number."""
        counts: dict[str, int] = {}
        found = []
        for card in self.cards:
            if card.nic is not None:
                number = counts[card.model] = counts.get(card.model, -1) + 1
                found.append((card.name or f"{card.model}.{number}", card))
        return found

    def cards_of(self, name: str) -> list[int]:
        """Numbers of the cards that have a name, or that lead to the back end of that name."""
        named = [card.nic for label, card in self.network_cards() if label == name and card.nic is not None]
        wired = [card for segment in self.networks.segments if name in segment.netdevs for card in segment.cards]
        return named or wired
