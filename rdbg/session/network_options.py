"""What a command line says about cards and networks, before it is known how they belong together."""

from __future__ import annotations

from rdbg.netdev.network_plan import Netdev
from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class CardOption:
    """``-device``, and the card that ``-nic`` or ``-net nic`` asks for.

    Args:
        option: as typed, for messages.
        model: QEMU's name, no alias.
        properties: the others, as written: (name, value), in order.
        name: the user's id, or empty.
        on_hub: it is plugged into QEMU's hub 0, as ``-net nic`` is without netdev=.
    """

    option: str
    model: str
    properties: tuple[tuple[str, str], ...] = ()
    name: str = ""
    on_hub: bool = False

    def said(self, name: str) -> str | None:
        """The latest value of a property, or None."""
        return dict(self.properties).get(name)


@dataclass(frozen=True)
class GlobalProperty:
    """``-global``: what holds for all devices of a model that do not say it themselves.

    Args:
        option: as typed, for messages.
        model: QEMU's name of it, no alias.
        name: of the property.
        text: its value, as written.
    """

    option: str
    model: str
    name: str
    text: str


@dataclass(frozen=True)
class NetdevOption:
    """``-netdev``, and what ``-nic`` or ``-net`` says of a back end.

    Args:
        netdev: what it is.
        on_hub: it is plugged into QEMU's hub 0, as by ``-net``.
    """

    netdev: Netdev
    on_hub: bool = False
