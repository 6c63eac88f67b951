"""The builders of network cards."""

from __future__ import annotations

from collections.abc import Mapping

from rdbg.emu.boards.card import Card, CardBuilder, CardHost
from rdbg.emu.devices.network.e1000.e1000_card import E1000
from rdbg.emu.devices.network.network_card import NetworkCard
from rdbg.emu.devices.network.pcnet.pcnet_card import Pcnet
from rdbg.emu.devices.network.rtl8139.rtl8139_card import Rtl8139
from rdbg.emu.spec import Plugged
from rdbg.errors import UsageError

#: Properties of QEMU's that say how it works, and not what the guest finds.
_WITHOUT_EFFECT = frozenset({"romfile", "rombar", "bootindex", "multifunction"})


def _builder(model: type[NetworkCard]) -> CardBuilder:
    def build(name: str, item: Plugged, parts: tuple[Plugged, ...], host: CardHost) -> Card:
        if item.nic is None or item.mac is None:
            raise UsageError(f"{item.model} needs a network: give netdev=ID")
        unknown = [key for key, _ in item.properties if key not in _WITHOUT_EFFECT]
        if unknown:
            raise UsageError(f"{item.model} has no property {unknown[0]!r} here: leave it out")
        card = model(name, host.system, item.nic, item.mac)
        return Card(card.function, card.devices, {card.endpoint: card})

    return build


NETWORK_CARDS: Mapping[str, CardBuilder] = {
    "e1000": _builder(E1000),
    "pcnet": _builder(Pcnet),
    "rtl8139": _builder(Rtl8139),
}
