"""How cards, back ends and drives belong together, once all options are known: as QEMU puts its malta together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rdbg.cli.card_models import WITHOUT_EFFECT, is_console_port, is_network_card
from rdbg.cli.global_values import with_globals
from rdbg.cli.option_values import parse_mac
from rdbg.emu.spec import Plugged
from rdbg.errors import UsageError
from rdbg.netdev.network_plan import NetworkPlan
from rdbg.serial.serial_spec import SerialKind, SerialSpec
from rdbg.session.network_options import CardOption
from rdbg.session.options import RunOptions

#: QEMU's numbers of malta's slots: the first that is given to a card that names none, the first network card's if it is
#: a pcnet, those that are taken.
_FIRST_SLOT, _PCNET_SLOT, _SLOTS = 0x12, 0x0B, 32
_TAKEN = {0x00: "the north bridge", 0x0A: "the south bridge"}
#: QEMU's first MAC address; the last byte counts up.
_FIRST_MAC = bytes.fromhex("525400123456")
_MOST_NICS = 8
_BUSES = ("pci", "pci.0")


@dataclass
class _Slots:
    """Which PCI slots are taken, and by what."""

    taken: dict[int, str] = field(default_factory=lambda: dict(_TAKEN))

    def take(self, card: CardOption, wanted: int | None) -> int:
        """The slot that a card has: the one that it wants, or the first that is free."""
        slot = next((slot for slot in range(_FIRST_SLOT, _SLOTS) if slot not in self.taken), _SLOTS)
        slot = slot if wanted is None else wanted
        if slot >= _SLOTS:
            raise UsageError(f"{card.option}: no PCI slot is free; drop a card, or name a slot: addr=1")
        if slot in self.taken:
            raise UsageError(f"{card.option}: PCI slot {slot:02x} is taken by {self.taken[slot]}; choose another addr=")
        self.taken[slot] = card.option
        return slot


@dataclass
class _Addresses:
    """QEMU's numbers of MAC addresses: those that were given count, too."""

    used: set[int] = field(default_factory=set)

    def take(self, card: CardOption) -> bytes:
        """The card's address: the one that it wants, or the first that is free."""
        text = card.said("mac")
        if text is None:
            number = next(number for number in range(256) if number not in self.used)
            self.used.add(number)
            return _FIRST_MAC[:5] + bytes([(_FIRST_MAC[5] + number) & 0xFF])
        mac = parse_mac(text, card.option)
        if mac[:5] == _FIRST_MAC[:5]:
            self.used.add((mac[5] - _FIRST_MAC[5]) & 0xFF)
        return mac


def resolve_devices(options: RunOptions) -> RunOptions:
    """Give each card its slot, its address and its peer.

    Raises:
        UsageError: two ask for one place or one name, or one refers to what is not there.
    """
    said = options
    if options.default_net and options.board == "malta":
        options = _with_default_network(options)
    cards = (*options.nics, *options.net_nics, *options.devices, *_virtio_drives(options))
    if cards and options.board != "malta":
        raise UsageError(f"{cards[0].option}: {options.board} has no slots for cards; drop it, or use -M malta")
    if not (cards or options.netdevs or options.dumps):
        return replace(said, plugged=said.loaders, network_plan=NetworkPlan(), virtual_consoles=())
    from rdbg.cli.cables import Cables  # networks load only when there is something to plug in

    _check_names(cards)
    if len(options.nics) + len(options.net_nics) > _MOST_NICS:
        raise UsageError(f"{cards[_MOST_NICS].option}: more than {_MOST_NICS} of -nic and -net nic; use -device")
    slots, addresses = _Slots(), _Addresses()
    cables = Cables({option.netdev.name: option for option in options.netdevs})
    count: dict[str, int] = {}
    plugged: list[Plugged] = []
    nics = 0
    consoles: list[SerialSpec] = []
    short_cards: list[int] = []
    for place, card in enumerate(cards):
        if place == len(options.nics) + len(options.net_nics) and options.display_card:
            _leave_room(slots)
        wanted = _slot(card)
        if wanted is None and place == 0 and card.model == "pcnet" and card not in options.devices:
            wanted = _PCNET_SLOT
        made = Plugged(card.model, card.name, properties=_rest(card))
        if is_console_port(card.model):
            made = replace(made, bus=(card.said("bus") or "").removesuffix(".0"), console=len(consoles))
            consoles.append(SerialSpec(SerialKind.NULL, chardev=card.said("chardev") or ""))
        else:
            made = replace(made, slot=slots.take(card, wanted), drive=card.said("drive"))
        if is_network_card(card.model):
            number = count[card.model] = count.get(card.model, -1) + 1
            cables.plug(card, nics, card.name or f"{card.model}.{number}")
            made = replace(made, nic=nics, mac=addresses.take(card))
            short_cards += [nics] * card.model.startswith("virtio")
            nics += 1
        plugged.append(made)
    plan = cables.plan(options, short_cards)
    return replace(
        said,
        plugged=(*plugged, *said.loaders),
        network_plan=plan,
        virtual_consoles=tuple(consoles),
        notices=(*said.notices, *(notice for notice in cables.notices if notice not in said.notices)),
    )


def _with_default_network(options: RunOptions) -> RunOptions:
    from rdbg.cli.cables import default_network

    card = CardOption("the board's network card (-nic none drops it)", "pcnet", on_hub=True)
    back_end = default_network()
    names = [option.netdev.name for option in options.netdevs]
    assert back_end.netdev.name not in names, "-netdev leaves no default"
    return replace(options, net_nics=(card,), netdevs=(*options.netdevs, back_end))


def _virtio_drives(options: RunOptions) -> list[CardOption]:
    """The cards of drives with ``if=virtio``: they come last, as in QEMU."""
    return [
        with_globals(
            CardOption(f"-drive if=virtio (drive {drive.name})", "virtio-blk-pci", (("drive", drive.name),)), options
        )
        for drive in options.drives
        if drive.bus == "virtio"
    ]


def _check_names(cards: Sequence[CardOption]) -> None:
    seen: set[str] = set()
    for card in cards:
        if card.name and card.name in seen:
            raise UsageError(f"{card.option}: a second device with id={card.name}; choose another id")
        seen.add(card.name)


def _leave_room(slots: _Slots) -> None:
    """QEMU puts its graphics card after the first network cards: cards that follow have the slots that they have
    there."""
    slot = next((slot for slot in range(_FIRST_SLOT, _SLOTS) if slot not in slots.taken), None)
    if slot is not None:
        slots.taken[slot] = "the graphics card, which is not there (-vga none gives it up)"


def _slot(card: CardOption) -> int | None:
    text = card.said("addr")
    bus = card.said("bus")
    if bus is not None and not is_console_port(card.model) and bus not in _BUSES:
        raise UsageError(f"{card.option}: there is no bus {bus!r}; the board's is pci.0")
    if text is None:
        return None
    match = re.fullmatch(r"(?:0x)?([0-9a-fA-F]{1,2})(?:\.(?:0x)?([0-7]))?", text)
    if match is None or int(match[1], 16) >= _SLOTS:
        raise UsageError(f"{card.option}: addr={text}: no PCI slot; write one from 0 to 1f (hexadecimal)")
    if match[2] not in (None, "0"):
        raise UsageError(f"{card.option}: addr={text}: cards have one function here; write addr={match[1]}")
    return int(match[1], 16)


def _rest(card: CardOption) -> tuple[tuple[str, str], ...]:
    """What a card's model looks at beside its place."""
    known = {"addr", "bus", "mac", "netdev", "drive", "multifunction", "chardev"} | WITHOUT_EFFECT
    return tuple(pair for pair in card.properties if pair[0] not in known)
