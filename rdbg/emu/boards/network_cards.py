"""The builders of network cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rdbg.emu.boards.card import Card, CardBuilder, CardHost
from rdbg.emu.spec import Plugged
from rdbg.errors import UsageError

if TYPE_CHECKING:
    from rdbg.emu.devices.network.network_card import NetworkCard

#: Properties of QEMU's that say how it works, and not what the guest finds.
_WITHOUT_EFFECT = frozenset({"romfile", "rombar", "bootindex", "multifunction"})


def _e1000(name: str, item: Plugged, parts: tuple[Plugged, ...], host: CardHost) -> Card:
    from rdbg.emu.devices.network.e1000.e1000_card import E1000

    return _card(E1000, name, item, host)


def _pcnet(name: str, item: Plugged, parts: tuple[Plugged, ...], host: CardHost) -> Card:
    from rdbg.emu.devices.network.pcnet.pcnet_card import Pcnet

    return _card(Pcnet, name, item, host)


def _rtl8139(name: str, item: Plugged, parts: tuple[Plugged, ...], host: CardHost) -> Card:
    from rdbg.emu.devices.network.rtl8139.rtl8139_card import Rtl8139

    return _card(Rtl8139, name, item, host)


def _card(model: type[NetworkCard], name: str, item: Plugged, host: CardHost) -> Card:
    if item.nic is None or item.mac is None:
        raise UsageError(f"{item.model} needs a network: give netdev=ID")
    unknown = [key for key, _ in item.properties if key not in _WITHOUT_EFFECT]
    if unknown:
        raise UsageError(f"{item.model} has no property {unknown[0]!r} here: leave it out")
    card = model(name, host.system, item.nic, item.mac)
    return Card(card.function, card.devices, {card.endpoint: card})


#: A builder imports what it builds: a machine loads the cards that it has, and no more.
NETWORK_CARDS: Mapping[str, CardBuilder] = {"e1000": _e1000, "pcnet": _pcnet, "rtl8139": _rtl8139}
