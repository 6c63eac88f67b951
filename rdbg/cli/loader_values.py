"""``-device loader``: which files it loads, once all options are known."""

from __future__ import annotations

from dataclasses import replace

from rdbg.emu.loaders.loader_device import LOADER, loader_role, parse_loader
from rdbg.emu.spec import Plugged
from rdbg.session.options import ImageFile, RunOptions


def place_loaders(options: RunOptions) -> RunOptions:
    """Take the loaders out of the cards: they are in no slot.

    Raises:
        UsageError: what was said of one makes no sense.
    """
    loaders: list[Plugged] = list(options.loaders)
    images = list(options.images)
    for card in options.devices:
        if card.model != LOADER:
            continue
        made = Plugged(LOADER, card.name, properties=tuple(pair for pair in card.properties if pair[0] != "bus"))
        file = parse_loader(made).file
        if file and not any(image.role == loader_role(file) for image in images):
            images.append(ImageFile(loader_role(file), file))
        loaders.append(made)
    cards = tuple(card for card in options.devices if card.model != LOADER)
    return replace(options, devices=cards, loaders=tuple(loaders), images=tuple(images))
