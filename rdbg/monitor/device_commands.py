"""``info network``, ``info block`` and ``set_link``: cards and drives by their names, in QEMU's words."""

from __future__ import annotations

from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.errors import RdbgError, UsageError
from rdbg.monitor.command import MonitorCommand, MonitorContext
from rdbg.netdev.network_plan import Netdev

_LINK_USAGE = "set_link NAME on|off"
_GPIO_USAGE = "gpio PIN 0|1"


def network(context: MonitorContext, arguments: list[str]) -> str:
    """The network cards, and what each leads to."""
    plugs = context.control.plugs
    lines = []
    told: set[str] = set()
    back_ends = {netdev.name: netdev for netdev in plugs.networks.netdevs}
    for label, card in plugs.network_cards():
        mac = ":".join(f"{byte:02x}" for byte in card.mac or b"")
        lines.append(f"{label}: index=0,type=nic,model={card.model},macaddr={mac}")
        for segment in plugs.networks.segments:
            if card.nic in segment.cards:
                told.update(segment.netdevs)
                lines += [_back_end(back_ends[name], " \\ ") for name in segment.netdevs]
    lines += [_back_end(netdev, "") for name, netdev in back_ends.items() if name not in told]
    return "".join(f"{line}\n" for line in lines) or "There is no network card.\n"


def _back_end(netdev: Netdev, mark: str) -> str:
    from rdbg.netdev.netdev_spec import DatagramNet, StreamNet, TapNet, UserNet  # loaded where there is a network

    kind = netdev.kind
    words = ""
    if isinstance(kind, UserNet):
        words = f"user,net={kind.network.network_address},restrict={'on' if kind.restricted else 'off'}"
    elif isinstance(kind, TapNet):
        words = f"tap,ifname={kind.interface}" if not kind.bridge else f"tap,br={kind.bridge}"
    elif isinstance(kind, StreamNet):
        words = "stream"
    elif isinstance(kind, DatagramNet):
        words = "dgram"
    return f"{mark}{netdev.name}: index=0,type={words}"


def block(context: MonitorContext, arguments: list[str]) -> str:
    """The drives, and what is in each."""
    plugs = context.control.plugs
    parts = []
    for drive in plugs.drives:
        inside = plugs.images.get(drive.name, "in the recording") if drive.size_bytes else "[not inserted]"
        read_only = ", read-only" if drive.read_only and drive.size_bytes else ""
        removable = drive.media == "cdrom"
        lines = [f"{drive.name}: {inside}{read_only}"]
        lines += [f"    Size:             {drive.size_bytes} bytes"] if drive.size_bytes else []
        lines += [f"    Attached to:      {drive.bus if drive.bus != 'none' else 'a card that names it'}"]
        lines += ["    Removable device: not locked, tray closed"] if removable else []
        parts.append("".join(f"{line}\n" for line in lines))
    return "\n".join(parts) or "There is no drive.\n"


def _set_link(context: MonitorContext, arguments: list[str]) -> str:
    if len(arguments) != 2:
        raise UsageError(f"usage: {_LINK_USAGE}")
    name, state = arguments
    if state not in ("on", "off"):
        raise UsageError(f"expected 'on' or 'off', not '{state}'; usage: {_LINK_USAGE}")
    plugs = context.control.plugs
    cards = plugs.cards_of(name)
    if not cards:
        known = [label for label, _ in plugs.network_cards()] + [netdev.name for netdev in plugs.networks.netdevs]
        raise RdbgError(f"Device '{name}' not found; there are: {', '.join(known) or 'none'}")
    context.timeline.live_end.require("a link")
    if context.control.request is None:
        raise UsageError("nothing can be put into this run from outside")
    for card in cards:
        context.control.request(InputEvent(0, InputKind.LINK, card, int(state == "on")))
    return "the link changes when the guest goes on\n" if context.control.stopped or context.control.attached else ""


def _gpio(context: MonitorContext, arguments: list[str]) -> str:
    if len(arguments) != 2:
        raise UsageError(f"usage: {_GPIO_USAGE}")
    name, level = arguments
    if level not in ("0", "1"):
        raise UsageError(f"expected 0 or 1, not '{level}'; usage: {_GPIO_USAGE}")
    pins = context.timeline.machine.pins
    if name not in pins:
        raise RdbgError(f"there is no pin '{name}'; there are: {', '.join(pins) or 'none'}")
    context.timeline.live_end.require("a pin's level")
    if context.control.request is None:
        raise UsageError("nothing can be put into this run from outside")
    endpoint, number = pins[name]
    context.control.request(InputEvent(0, InputKind.PIN, endpoint.port, number << 1 | int(level)))
    return "the pin changes when the guest goes on\n" if context.control.stopped or context.control.attached else ""


DEVICE_COMMANDS = (
    MonitorCommand("set_link", _LINK_USAGE, "plug a network card's cable in or pull it out", _set_link),
    MonitorCommand("gpio", _GPIO_USAGE, "drive a pin of the board from outside; 'info gpio' shows them", _gpio),
)
