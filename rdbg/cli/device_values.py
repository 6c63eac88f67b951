"""``-device``: what is plugged in, in QEMU's words."""

from __future__ import annotations

from dataclasses import replace

from rdbg.cli.card_models import CARD_NAMES, card_model, check_property, models_text, properties_text
from rdbg.cli.netdev_values import network_object
from rdbg.cli.option_values import HelpWanted, as_words, hint, is_help, json_object, object_pairs, split_commas
from rdbg.emu.spec import ON
from rdbg.errors import UsageError
from rdbg.session.network_options import CardOption
from rdbg.session.options import RunOptions

#: What ``-object`` can make.
_OBJECTS = ("filter-dump", "filter-replay", "iothread", "rng-builtin", "rng-random")
#: What else is known and not here, by its beginning.
_OTHER_OBJECTS = {
    "filter-buffer": "packets are not held back here; in a replay each comes at its icount",
    "filter-mirror": "use -object filter-dump, or rdbg dump --pcap",
    "filter-redirector": "use -netdev hubport, which joins several back ends",
    "filter-rewriter": "it is of QEMU's COLO, which is not there",
    "memory-backend-": "RAM is rdbg's own; -m says how much",
    "secret": "encrypted images are not read; qemu-img convert makes a plain one",
    "throttle-group": "a drive's time is virtual; leave it out",
}
_ISA = "malta has its own ISA devices built in; serial ports are -serial"
_USB = "nothing can be plugged into its USB"
#: What begins so is known and not here.
_ELSEWHERE = {
    "isa-": _ISA,
    "usb-": _USB,
    **dict.fromkeys(("VGA", "cirrus-vga", "bochs-display", "virtio-vga", "virtio-gpu"), "there is no graphics card"),
    **dict.fromkeys(
        ("scsi-", "virtio-scsi", "lsi53c", "megasas", "ahci", "ich9-ahci", "nvme", "sd-card", "sdhci", "floppy"),
        "there is no such controller; use ide-hd or virtio-blk-pci",
    ),
    **dict.fromkeys(
        ("ne2k", "i8255", "i82801", "i82562", "tulip", "vmxnet3", "sungem", "sunhme", "e1000e", "igb"),
        "there is no such network card; use pcnet, e1000, rtl8139 or virtio-net-pci",
    ),
    "virtio-9p": "there is no 9p device; -drive file=fat:rw:DIR shows a folder",
    "virtio-balloon": "memory is not given back; leave it out",
    "virtio-crypto": "there is none; leave it out",
}


def device(options: RunOptions, value: str) -> RunOptions:
    """``-device``."""
    if is_help(value):
        raise HelpWanted(models_text())
    option = f"-device {value}"
    parts = _of_json(option, value) if value.startswith("{") else _of_words(option, value)
    (_, name), *properties = parts
    if name not in CARD_NAMES:
        reason = next((reason for start, reason in _ELSEWHERE.items() if name.startswith(start)), None)
        if reason is not None:
            raise UsageError(f"-device {name}: {reason}")
        raise UsageError(f"-device {name}: no such device{hint(name, CARD_NAMES)}; see -device help")
    model = card_model(name)
    if ("help", "on") in properties or ("?", "on") in properties:
        raise HelpWanted(properties_text(model))
    seen: set[str] = set()
    for key, text in properties:
        if key in seen:
            raise UsageError(f"{option}: {key} is given twice; keep one")
        seen.add(key)
        check_property(option, model, key, text)
    if dict(properties).get("multifunction", "off") in ON:
        raise UsageError(f"{option}: cards have one function here; drop multifunction=on, and give each its slot")
    card = CardOption(
        option,
        model.name,
        tuple((key, text) for key, text in properties if key != "id"),
        dict(properties).get("id", ""),
    )
    return replace(options, devices=(*options.devices, card))


def vga(options: RunOptions, value: str) -> RunOptions:
    """``-vga``: there is none, but cards have the slots that they have beside it."""
    if is_help(value):
        raise HelpWanted("none                 no graphic card\n")
    if value in ("none", "off"):
        return replace(options, display_card=False)
    notice = f"-vga {value}: there is no graphics card; the run goes on without"
    return replace(options, notices=(*options.notices, notice))


def made_object(options: RunOptions, value: str) -> RunOptions:
    """``-object``."""
    if is_help(value):
        raise HelpWanted("List of user creatable objects:\n" + "".join(f"  {name}\n" for name in _OBJECTS))
    if value.startswith("{"):
        option = f"-object {value}"
        value = as_words(object_pairs(json_object(value, option), option))
    first, *others = split_commas(value)
    named = [part.removeprefix("qom-type=") for part in (first, *others) if part.startswith("qom-type=")]
    kind = named[0] if named else first
    reason = next((words for start, words in _OTHER_OBJECTS.items() if kind.startswith(start)), None)
    if reason is not None:
        raise UsageError(f"-object {kind}: {reason}")
    if kind not in _OBJECTS:
        raise UsageError(f"-object {kind}: not supported{hint(kind, _OBJECTS)}; there are {', '.join(_OBJECTS)}")
    if kind == "filter-dump":
        return network_object(options, value)
    return options  # packets are in the recording anyway; where random bytes come from is for the host to say


def _of_words(option: str, value: str) -> list[tuple[str, str]]:
    parts: list[tuple[str, str]] = []
    for number, part in enumerate(split_commas(value)):
        key, equals, text = part.partition("=")
        if number == 0 and not equals:
            key, text = "driver", part
        elif not equals:
            text = "on"
        parts.append((key, text))
    if parts[0][0] != "driver":
        raise UsageError(f"{option}: names no device; write -device NAME,KEY=VALUE,...")
    return parts


def _of_json(option: str, value: str) -> list[tuple[str, str]]:
    found = json_object(value, option)
    driver, slot = found.get("driver"), found.get("addr")
    if not isinstance(driver, str):
        raise UsageError(f'{option}: names no device; write {{"driver":"NAME",...}}')
    if isinstance(slot, int) and driver in CARD_NAMES and card_model(driver).bus == "PCI":
        # A text is a slot; a number has its function in it, and -1 is any.
        found["addr"] = f"{slot >> 3:x}.{slot & 7}"
        if slot == -1:
            del found["addr"]
    pairs = object_pairs(found, option)
    return [("driver", driver), *(pair for pair in pairs if pair[0] != "driver")]
