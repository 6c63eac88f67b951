"""The cards that can be put into a board's PCI slots: a table by QEMU's names."""

from __future__ import annotations

from collections.abc import Mapping

from rdbg.emu.boards.card import Card, CardBuilder, CardHost
from rdbg.emu.boards.network_cards import NETWORK_CARDS
from rdbg.emu.boards.virtio_cards import VIRTIO_CARDS
from rdbg.emu.devices.pci_bus import PciBus
from rdbg.emu.loaders.loader_device import LOADER
from rdbg.emu.spec import Plugged
from rdbg.errors import UsageError

CARDS: Mapping[str, CardBuilder] = {**NETWORK_CARDS, **VIRTIO_CARDS}

#: What goes into a card, and the models of those that take it.
PARTS: Mapping[str, tuple[str, ...]] = {
    "virtconsole": ("virtio-serial-pci",),
    "virtserialport": ("virtio-serial-pci",),
}


def plug_in(items: tuple[Plugged, ...], pci: PciBus, host: CardHost) -> tuple[Card, ...]:
    """Build cards and put each into its slot, or, in their order, into the first that is free.

    Args:
        items: what is to be plugged in.
        pci: where.
        host: what the cards find there.

    Raises:
        UsageError: there is no such card, or no such slot, or it is taken, or a part has no card.
    """
    cards = [item for item in items if item.model not in PARTS and item.model != LOADER]
    parts: dict[int, list[Plugged]] = {}  # of each card, by its place in the list
    for item in items:
        if item.model in PARTS:
            parts.setdefault(_card_of(item, cards), []).append(item)
    made: list[Card] = []
    count: dict[str, int] = {}
    for place, item in enumerate(cards):
        build = CARDS.get(item.model)
        if build is None:
            known = ", ".join(sorted(CARDS)) or "none"
            raise UsageError(f"this board has no card {item.model!r}: there are {known}")
        number = count[item.model] = count.get(item.model, -1) + 1
        name = f"{item.model}.{number}" if number else item.model
        card = build(name, item, tuple(parts.get(place, ())), host)
        pci.attach(pci.free_slot() if item.slot is None else item.slot, 0, card.function)
        made.append(card)
    return tuple(made)


def _card_of(part: Plugged, cards: list[Plugged]) -> int:
    """The place among the cards of the one that a part goes into."""
    for place, card in enumerate(cards):
        if card.model in PARTS[part.model] and part.bus in ("", card.name):
            return place
    wanted = " or ".join(PARTS[part.model])
    where = f" with the id {part.bus!r}" if part.bus else ""
    raise UsageError(f"{part.model} has no card to go into: give -device {wanted}{where}")
