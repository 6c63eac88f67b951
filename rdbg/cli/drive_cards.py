"""Drives that ``-device`` plugs in: each drive or node that one names has its place then."""

from __future__ import annotations

from dataclasses import replace

from rdbg.cli.option_values import hint, parse_number
from rdbg.errors import UsageError
from rdbg.session.drive_options import DriveLine, DriveOptions
from rdbg.session.network_options import CardOption
from rdbg.session.options import RunOptions

_IDE_CARDS = ("ide-hd", "ide-cd")
_CARDS = (*_IDE_CARDS, "virtio-blk-pci")
#: What can be said of an IDE drive and makes no difference to the guest, or is asked for here.
_IDE_TAKEN = ("drive", "bus", "unit", "serial", "bootindex", "share-rw", "rerror", "werror", "discard_granularity")
#: What it says of itself whatever one says: the property and the values that agree.
_IDE_FIXED = {
    "model": ("QEMU HARDDISK", "QEMU DVD-ROM"),
    "ver": ("2.5+",),
    "wwn": ("0", "0x0"),
    "write-cache": ("auto", "on"),
    **dict.fromkeys(("logical_block_size", "physical_block_size"), ("512",)),
    **dict.fromkeys(("min_io_size", "opt_io_size"), ("0",)),
}
_IDE_BUSES = {"ide.0": 0, "ide.1": 2}


def place_drives(options: RunOptions) -> RunOptions:
    """Give the drives that cards name to them. IDE drives are no cards: they are plugged into the board's controller.

    Raises:
        UsageError: there is no such drive, or two have it.
    """
    lines = list(options.drive_lines)
    claimed: dict[str, str] = {}
    for card in options.devices:
        if card.model not in _CARDS:
            continue
        if card.model in _IDE_CARDS:
            _check_fixed(card)
        name = card.said("drive")
        place = next((at for at, line in enumerate(lines) if name and line.drive.name == name), None)
        if name is None and card.model == "ide-cd":
            empty = DriveOptions(card.name, "ide", 0, "cdrom", serial=card.said("serial") or "")
            lines.append(DriveLine(card.option, "ide", _ide_index(card), empty))
            continue
        if place is None or name is None:
            known = [line.drive.name for line in lines if line.drive.name]
            words = "names no drive" if name is None else f"there is no drive {name!r}{hint(name, known)}"
            raise UsageError(f"{card.option}: {words}; add drive=ID and -drive file=F,if=none,id=ID")
        if name in claimed or lines[place].interface != "none":
            other = claimed.get(name, f"if={lines[place].interface}")
            raise UsageError(
                f"{card.option}: drive {name} is plugged in already ({other}); -drive if=none leaves it to this"
            )
        claimed[name] = card.option
        drive = replace(lines[place].drive, serial=card.said("serial") or lines[place].drive.serial)
        if card.model in _IDE_CARDS:
            media = "cdrom" if card.model == "ide-cd" else "disk"
            lines[place] = replace(
                lines[place], interface="ide", index=_ide_index(card), drive=replace(drive, bus="ide", media=media)
            )
        else:
            lines[place] = replace(lines[place], drive=drive)
    ide = any(card.model in _IDE_CARDS for card in options.devices)
    return replace(
        options,
        drive_lines=tuple(lines),
        claimed_drives=frozenset(claimed),
        devices=tuple(card for card in options.devices if card.model not in _IDE_CARDS),
        default_drives=options.default_drives and not ide,
    )


def _check_fixed(card: CardOption) -> None:
    for name, text in card.properties:
        fixed = _IDE_FIXED.get(name, (text,))
        assert name in _IDE_TAKEN or name in _IDE_FIXED, name
        if text not in fixed:
            raise UsageError(
                f"{card.option}: {card.model} has {name}={' or '.join(fixed)} here, not {text!r}; leave it out"
            )


def _ide_index(card: CardOption) -> int | None:
    """The place on the two IDE channels that a drive asks for."""
    bus, unit = card.said("bus"), card.said("unit")
    if bus is None and unit is None:
        return None
    if bus is not None and bus not in _IDE_BUSES:
        raise UsageError(f"{card.option}: there is no bus {bus!r}{hint(bus, _IDE_BUSES)}; there are ide.0 and ide.1")
    return _IDE_BUSES[bus or "ide.0"] + (0 if unit is None else parse_number(unit, f"{card.option}, unit", 0, 1))
