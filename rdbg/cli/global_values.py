"""``-global``: what holds for every device of a model that does not say it itself."""

from __future__ import annotations

from dataclasses import replace

from rdbg.cli.card_models import CARD_NAMES, card_model, check_property
from rdbg.cli.option_values import hint, parse_pairs
from rdbg.errors import UsageError
from rdbg.session.network_options import CardOption, GlobalProperty
from rdbg.session.options import RunOptions

_FORM = "write -global CARD.PROPERTY=VALUE"
#: Each device has its own of these.
_OWN = ("id", "bus", "addr", "unit", "drive", "netdev", "chardev", "nr", "name")
#: QEMU gives these to the cards that -nic and -net nic make, whatever -global says.
_OF_NICS = ("mac",)


def global_property(options: RunOptions, value: str) -> RunOptions:
    """``-global``."""
    option = f"-global {value}"
    if value.startswith(("driver=", "property=", "value=")):
        pairs = parse_pairs(value, "-global", ("driver", "property", "value"))
        model, name, text = (pairs.get(key, "") for key in ("driver", "property", "value"))
    else:
        place, equals, text = value.partition("=")
        model, dot, name = place.partition(".")
        if not equals or not dot:
            raise UsageError(f"{option}: names no property; {_FORM}")
    if not model or not name:
        raise UsageError(f"{option}: names no property; {_FORM}")
    if model not in CARD_NAMES:
        near = hint(model, CARD_NAMES)
        notice = f"{option}: no device {model!r}{near} is here to be told; the run goes on without it"
        return replace(options, notices=(*options.notices, notice))
    check_property(option, card_model(model), name, text)
    if name in _OWN:
        raise UsageError(f"{option}: each device has its own {name}; say it with -device")
    made = GlobalProperty(option, card_model(model).name, name, text)
    return replace(options, globals=(*options.globals, made))


def apply_globals(options: RunOptions) -> RunOptions:
    """Tell the devices that options have named so far what -global says of their models."""
    if not options.globals:
        return options
    lines = []
    for line in options.drive_lines:
        model = "ide-cd" if line.drive.media == "cdrom" else "ide-hd"
        card = with_globals(CardOption(line.option, model, (("serial", line.drive.serial),)), options)
        serial = card.said("serial") or ""
        if line.interface == "ide" and not line.drive.serial and serial:
            line = replace(line, drive=replace(line.drive, serial=serial))
        lines.append(line)
    return replace(
        options,
        drive_lines=tuple(lines),
        devices=tuple(with_globals(card, options) for card in options.devices),
        nics=tuple(with_globals(card, options, _OF_NICS) for card in options.nics),
        net_nics=tuple(with_globals(card, options, _OF_NICS) for card in options.net_nics),
    )


def with_globals(card: CardOption, options: RunOptions, but: tuple[str, ...] = ()) -> CardOption:
    """A device with what -global says of its model.

    Args:
        card: the device.
        options: what was said.
        but: properties that it has from elsewhere.
    """
    said = {made.name: made.text for made in options.globals if made.model == card.model and made.name not in but}
    more = tuple((name, text) for name, text in said.items() if card.said(name) in (None, ""))
    return replace(card, properties=(*card.properties, *more)) if more else card
