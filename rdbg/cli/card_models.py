"""What ``-device`` can plug in: QEMU's names, and what can be said of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from rdbg.cli.option_values import hint, parse_mac, parse_serial_number, parse_switch
from rdbg.emu.loaders.loader_device import LOADER
from rdbg.errors import UsageError
from rdbg.quick_dataclass import dataclass

_SWITCH, _NUMBER, _TEXT = "bool (on/off)", "uint32", "str"

#: Of every device.
_OF_ALL: dict[str, str] = {"id": _TEXT, "bus": _TEXT}
#: Of cards. What is not the slot is of the host's firmware, or makes no difference.
_OF_CARDS: dict[str, str] = {
    "addr": "int32 (slot, such as 06.0)",
    "romfile": _TEXT,
    "romsize": _NUMBER,
    "rombar": _NUMBER,
    "multifunction": _SWITCH,
    "acpi-index": _NUMBER,
    "failover_pair_id": _TEXT,
    "bootindex": _NUMBER,
}
_OF_NICS: dict[str, str] = _OF_CARDS | {"mac": "str (such as 52:54:00:12:34:56)", "netdev": "str (id of a -netdev)"}
_OF_DRIVES: dict[str, str] = {
    "drive": "str (id of a -drive or -blockdev)",
    "serial": _TEXT,
    "bootindex": _NUMBER,
    "logical_block_size": _NUMBER,
    "physical_block_size": _NUMBER,
    "min_io_size": _NUMBER,
    "opt_io_size": _NUMBER,
    "discard_granularity": _NUMBER,
    "write-cache": "str (on/off/auto)",
    "share-rw": _SWITCH,
    "rerror": _TEXT,
    "werror": _TEXT,
}
_OF_IDE: dict[str, str] = _OF_DRIVES | {"unit": _NUMBER, "model": _TEXT, "ver": _TEXT, "wwn": "uint64"}
_OF_VIRTIO: dict[str, str] = {
    "vectors": _NUMBER,
    "ioeventfd": _SWITCH,
    "event_idx": _SWITCH,
    "indirect_desc": _SWITCH,
    "disable-legacy": "str (on/off/auto)",
    "disable-modern": _SWITCH,
    "iommu_platform": _SWITCH,
    "packed": _SWITCH,
    "any_layout": _SWITCH,
    "notify_on_empty": _SWITCH,
}
_PORT_BUS = "virtio-serial-bus"
_OFFLOADS = (
    "csum", "gso", "guest_csum", "guest_tso4", "guest_tso6", "guest_ecn", "guest_ufo", "guest_announce", "host_tso4",
    "host_tso6", "host_ecn", "host_ufo", "mrg_rxbuf", "status", "ctrl_vq", "ctrl_rx", "ctrl_vlan", "ctrl_rx_extra",
    "ctrl_mac_addr", "ctrl_guest_offloads", "mq", "rss", "hash", "guest_rsc_ext",
)  # fmt: skip


@dataclass(frozen=True)
class CardModel:
    """One device.

    Args:
        name: QEMU's.
        category, bus, words: how ``-device help`` lists it.
        properties: name -> what kind of value.
        aliases: QEMU's other names for it.
    """

    name: str
    category: str
    bus: str
    words: str
    properties: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()


CARD_MODELS: tuple[CardModel, ...] = (
    CardModel("ide-cd", "Storage", "IDE", "virtual IDE CD-ROM", _OF_ALL | _OF_IDE),
    CardModel("ide-hd", "Storage", "IDE", "virtual IDE disk", _OF_ALL | _OF_IDE),
    CardModel(
        "virtio-blk-pci",
        "Storage",
        "PCI",
        "",
        _OF_ALL
        | _OF_CARDS
        | _OF_DRIVES
        | _OF_VIRTIO
        | {"scsi": _SWITCH, "config-wce": _SWITCH, "num-queues": "uint16", "queue-size": "uint16", "iothread": _TEXT}
        | {"discard": _SWITCH, "write-zeroes": _SWITCH, "seg-max-adjust": _SWITCH, "request-merging": _SWITCH},
        ("virtio-blk",),
    ),
    CardModel(
        "e1000",
        "Network",
        "PCI",
        "Intel Gigabit Ethernet",
        _OF_ALL
        | _OF_NICS
        | dict.fromkeys(("autonegotiation", "mitigation", "extra_mac_registers", "migrate_tso_support"), _SWITCH),
        ("e1000-82540em",),
    ),
    CardModel("pcnet", "Network", "PCI", "", _OF_ALL | _OF_NICS),
    CardModel("rtl8139", "Network", "PCI", "", _OF_ALL | _OF_NICS),
    CardModel(
        "virtio-net-pci",
        "Network",
        "PCI",
        "",
        _OF_ALL
        | _OF_NICS
        | _OF_VIRTIO
        | dict.fromkeys(_OFFLOADS, _SWITCH)
        | {"tx": _TEXT, "speed": "int32", "duplex": _TEXT, "host_mtu": "uint16"}
        | {"rx_queue_size": "uint16", "tx_queue_size": "uint16", "x-txtimer": _NUMBER, "x-txburst": "int32"},
        ("virtio-net",),
    ),
    CardModel(
        "virtio-serial-pci",
        "Input",
        "PCI",
        "",
        _OF_ALL | _OF_CARDS | _OF_VIRTIO | {"max_ports": _NUMBER, "emergency-write": _SWITCH},
        ("virtio-serial",),
    ),
    *(
        CardModel(
            name,
            "Input",
            _PORT_BUS,
            "",
            _OF_ALL | {"chardev": "str (id of a -chardev)", "name": _TEXT, "nr": _NUMBER},
        )
        for name in ("virtconsole", "virtserialport")
    ),
    CardModel(
        LOADER,
        "Misc",
        "",
        "Generic Loader",
        {
            "id": _TEXT,
            "file": _TEXT,
            "addr": "uint64",
            "cpu-num": _NUMBER,
            "data": "uint64",
            "data-len": "uint8",
            "data-be": _SWITCH,
            "force-raw": _SWITCH,
        },
    ),
    CardModel(
        "virtio-rng-pci",
        "Misc",
        "PCI",
        "",
        _OF_ALL | _OF_CARDS | _OF_VIRTIO | {"rng": "str (id of an -object)", "max-bytes": "uint64", "period": _NUMBER},
        ("virtio-rng",),
    ),
)

_BY_NAME = {name: model for model in CARD_MODELS for name in (model.name, *model.aliases)}
#: Every name that ``-device`` takes.
CARD_NAMES = tuple(_BY_NAME)
#: Names that -nic and -net nic take, and the devices that they are.
NIC_ALIASES: Mapping[str, str] = {
    name: model.name for name, model in _BY_NAME.items() if model.category == "Network"
} | {"virtio": "virtio-net-pci"}
#: What can be said of a card and makes no difference to the guest.
WITHOUT_EFFECT = frozenset({"romfile", "romsize", "rombar", "acpi-index", "failover_pair_id", "bootindex"})


def card_model(name: str) -> CardModel:
    """The device of that name or alias.

    Raises:
        KeyError: there is none.
    """
    return _BY_NAME[name]


def check_property(option: str, model: CardModel, name: str, text: str) -> None:
    """See that a device has a property, and that it can have this value, as far as that does not depend on others.

    Args:
        option: as typed, for messages.
        model: the device.
        name: of the property.
        text: its value.

    Raises:
        UsageError: not so.
    """
    kind = model.properties.get(name)
    if kind is None:
        raise UsageError(
            f"{option}: {model.name} has no property {name!r}{hint(name, model.properties)}; see -device "
            f"{model.name},help"
        )
    if kind.startswith("bool"):
        parse_switch(text, f"{option}, {name}")
    elif name == "mac":
        parse_mac(text, option)
    elif name == "serial":
        parse_serial_number(text, option)


def is_network_card(name: str) -> bool:
    """Whether a device is one."""
    return _BY_NAME[name].category == "Network"


def is_console_port(name: str) -> bool:
    """Whether a device is a port of a virtio-serial card, with a console endpoint."""
    return _BY_NAME[name].bus == _PORT_BUS


def models_text() -> str:
    """What ``-device help`` prints."""
    lines = []
    for category in dict.fromkeys(model.category for model in CARD_MODELS):
        lines.append(f"{category} devices:")
        for model in (model for model in CARD_MODELS if model.category == category):
            alias = f', alias "{model.aliases[0]}"' if model.aliases else ""
            words = f', desc "{model.words}"' if model.words else ""
            bus = f", bus {model.bus}" if model.bus else ""
            lines.append(f'name "{model.name}"{bus}{alias}{words}')
        lines.append("")
    return "\n".join(lines)


def properties_text(model: CardModel) -> str:
    """What ``-device MODEL,help`` prints."""
    lines = [f"  {name}=<{kind}>" for name, kind in sorted(model.properties.items())]
    return "\n".join([f"{model.name} options:", *lines, ""])
