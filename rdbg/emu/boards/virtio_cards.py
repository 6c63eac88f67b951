"""The virtio cards, by QEMU's names."""

from __future__ import annotations

from collections.abc import Mapping

from rdbg.emu.boards.card import Card, CardBuilder, CardHost
from rdbg.emu.device import Device
from rdbg.emu.endpoint import Endpoint, EndpointKind, network_port
from rdbg.emu.spec import Plugged
from rdbg.errors import UsageError


def _block(name: str, item: Plugged, parts: tuple[Plugged, ...], host: CardHost) -> Card:
    from rdbg.emu.boards.virtio_properties import VirtioProperties, virtio_card
    from rdbg.emu.devices.virtio.block import VirtioBlock

    disk = host.disks.get(item.drive or "")
    if disk is None:
        raise UsageError(f"{item.model} needs a drive: give drive=ID of a -drive with if=none,id=ID")
    if not disk.sectors:
        raise UsageError(f"{item.model} needs a medium in its drive {disk.name}: give file=")
    properties = VirtioProperties(item)
    serial = properties.text("serial") or disk.serial
    return virtio_card(name, VirtioBlock(name, host.system, disk, host.big_endian, serial), properties, host, {})


def _network(name: str, item: Plugged, parts: tuple[Plugged, ...], host: CardHost) -> Card:
    from rdbg.emu.boards.virtio_properties import VirtioProperties, virtio_card
    from rdbg.emu.devices.virtio.net import VirtioNet

    if item.nic is None or item.mac is None:
        raise UsageError(f"{item.model} needs a network: give netdev=ID")
    device = VirtioNet(name, host.system, item.nic, item.mac, host.big_endian)
    return virtio_card(name, device, VirtioProperties(item), host, {network_port(item.nic): device})


def _random(name: str, item: Plugged, parts: tuple[Plugged, ...], host: CardHost) -> Card:
    from rdbg.emu.boards.virtio_properties import VirtioProperties, virtio_card
    from rdbg.emu.devices.virtio.rng import MOST_BYTES, PERIOD_MS, VirtioRng

    properties = VirtioProperties(item)
    most = properties.number("max-bytes", MOST_BYTES)
    period = properties.number("period", PERIOD_MS)
    if not 0 <= most <= MOST_BYTES or not 0 < period < 1 << 32:
        raise UsageError(f"{item.model} takes no max-bytes={most} in a period={period}: give positive ones")
    device = VirtioRng(name, host.system, host.big_endian, most, period)
    number = int(name.rpartition(".")[2]) if "." in name else 0
    return virtio_card(name, device, properties, host, {Endpoint(EndpointKind.ENTROPY, number): device})


def _serial(name: str, item: Plugged, parts: tuple[Plugged, ...], host: CardHost) -> Card:
    from rdbg.emu.boards.virtio_properties import VirtioProperties, virtio_card
    from rdbg.emu.devices.virtio.console import PORTS_MOST, VirtioConsole

    properties = VirtioProperties(item)
    device = VirtioConsole(name, host.system, host.big_endian, properties.number("max_ports", PORTS_MOST))
    endpoints: dict[Endpoint, Device] = {}
    for part in parts:
        if part.console is None:
            raise UsageError(f"{part.model} needs a console: give chardev=ID")
        said = VirtioProperties(part)
        number = said.number("nr", -1)
        endpoint = Endpoint(EndpointKind.CONSOLE, part.console)
        port = device.add_port(
            f"{part.model}{part.console}",
            endpoint,
            None if number < 0 else number,
            said.text("name"),
            part.model == "virtconsole",
        )
        said.end()
        endpoints[endpoint] = port
    return virtio_card(name, device, properties, host, endpoints, device.ports)


#: A builder imports what it builds: a machine loads the cards that it has, and no more.
VIRTIO_CARDS: Mapping[str, CardBuilder] = {
    "virtio-blk-pci": _block,
    "virtio-net-pci": _network,
    "virtio-rng-pci": _random,
    "virtio-serial-pci": _serial,
}
