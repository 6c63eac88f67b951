"""What can be said of a virtio card, and a card made of it."""

from __future__ import annotations

from collections.abc import Mapping

from rdbg.emu.boards.card import Card, CardHost
from rdbg.emu.c_number import c_number
from rdbg.emu.device import Device
from rdbg.emu.devices.virtio import block, console, net
from rdbg.emu.devices.virtio.virtio_device import CommonFeature, VirtioDevice
from rdbg.emu.devices.virtio.virtio_function import Interfaces, VirtioFunction
from rdbg.emu.endpoint import Endpoint
from rdbg.emu.spec import OFF, ON, Plugged
from rdbg.errors import UsageError

#: Properties of QEMU's that say how it works, and not what the guest finds; and offloads, which are not offered either
#: by a QEMU whose peer is no tap device.
_WITHOUT_EFFECT = frozenset(
    {"romfile", "romsize", "rombar", "multifunction", "acpi-index", "failover_pair_id", "bootindex", "ioeventfd",
     "iothread", "vectors", "rng", "chardev", "share-rw", "rerror", "werror", "request-merging", "seg-max-adjust",
     "discard_granularity", "tx", "x-txtimer", "x-txburst", "csum", "guest_csum", "guest_tso4", "guest_tso6",
     "guest_ecn", "guest_ufo", "host_tso4", "host_tso6", "host_ecn", "host_ufo", "ats", "page-per-vq"}
)  # fmt: skip
#: Switches that are on, and the feature that is not offered when one is switched off.
_FEATURES: Mapping[str, int] = {
    "event_idx": CommonFeature.EVENT_IDX,
    "indirect_desc": CommonFeature.INDIRECT_DESC,
    "any_layout": CommonFeature.ANY_LAYOUT,
    "notify_on_empty": CommonFeature.NOTIFY_ON_EMPTY,
    "queue_reset": CommonFeature.RING_RESET,
    "config-wce": block.CONFIG_WCE,
    "discard": block.DISCARD,
    "write-zeroes": block.WRITE_ZEROES,
    "emergency-write": console.EMERGENCY_WRITE,
    "gso": net.GSO,
    "guest_announce": net.GUEST_ANNOUNCE,
    "mrg_rxbuf": net.MRG_RXBUF,
    "status": net.STATUS,
    "ctrl_vq": net.CTRL_VQ,
    "ctrl_rx": net.CTRL_RX,
    "ctrl_vlan": net.CTRL_VLAN,
    "ctrl_rx_extra": net.CTRL_RX_EXTRA,
    "ctrl_mac_addr": net.CTRL_MAC_ADDR,
    "ctrl_guest_offloads": net.CTRL_GUEST_OFFLOADS,
}
#: Properties that have one value here.
_FIXED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("packed", "iommu_platform", "mq", "rss", "hash", "guest_rsc_ext", "scsi", "failover"), OFF),
    **dict.fromkeys(("min_io_size", "opt_io_size", "host_mtu"), ("0",)),
    **dict.fromkeys(("logical_block_size", "physical_block_size"), ("512",)),
    **dict.fromkeys(("rx_queue_size", "tx_queue_size", "queue-size"), ("256",)),
    "write-cache": ("auto", *ON),
    "num-queues": ("1",),
    "speed": ("-1",),
    "duplex": ("",),
}


class VirtioProperties:
    """What was said of a card beside what all cards have.

    Args:
        item: the card.
    """

    def __init__(self, item: Plugged) -> None:
        self._model = item.model
        self._left = {name: value for name, value in item.properties if name not in _WITHOUT_EFFECT}

    def text(self, name: str) -> str:
        """A property's value; empty: it was not said."""
        return self._left.pop(name, "")

    def number(self, name: str, default: int) -> int:
        """A number, as C spells it.

        Raises:
            UsageError: it is none.
        """
        value = self.text(name)
        try:
            return c_number(value) if value else default
        except ValueError:
            raise UsageError(f"{self._model} takes a number as {name}, not {value!r}") from None

    def switch(self, name: str, default: bool = False) -> bool:
        """Whether something is switched on; ``auto`` is as if nothing was said.

        Raises:
            UsageError: it is no switch.
        """
        value = self.text(name)
        if value in ON:
            return True
        if value in OFF:
            return False
        if value in ("", "auto"):
            return default
        raise UsageError(f"{self._model} takes on or off as {name}, not {value!r}")

    def interfaces(self) -> Interfaces:
        """``disable-legacy`` and ``disable-modern``."""
        return Interfaces(legacy=not self.switch("disable-legacy"), modern=not self.switch("disable-modern"))

    def withheld(self) -> int:
        """Features that are switched off."""
        return sum(bit for name, bit in _FEATURES.items() if not self.switch(name, True))

    def end(self) -> None:
        """All that can be said was asked for.

        Raises:
            UsageError: there is more, or another value than there can be.
        """
        for name, value in self._left.items():
            if name not in _FIXED:
                raise UsageError(f"{self._model} has no property {name!r} here: leave it out")
            if value not in _FIXED[name]:
                raise UsageError(f"{self._model} has {name}={_FIXED[name][0]} here, not {value!r}: leave it out")


def virtio_card(
    name: str,
    device: VirtioDevice,
    properties: VirtioProperties,
    host: CardHost,
    endpoints: Mapping[Endpoint, Device],
    more: tuple[Device, ...] = (),
) -> Card:
    """Put a card together of its device, and see to it that all that was said of it has been asked for.

    Args:
        name: the card's own in the machine.
        device: what it is.
        properties: what was said of it.
        host: where it is plugged in.
        endpoints: where it meets the outside world.
        more: devices that belong to it.

    Raises:
        UsageError: something that was said cannot be.
    """
    interfaces = properties.interfaces()
    device.withhold(properties.withheld())
    properties.end()
    function = VirtioFunction(f"{name}.pci", host.system, device, interfaces)
    return Card(function, (*function.registers, device, *more), endpoints)
