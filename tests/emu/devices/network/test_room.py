"""How much a card can take is asked in live runs alone: what it reads for its answer has no effect on anything."""

from __future__ import annotations

import struct

import pytest

from rdbg.emu.device import SerialDevice
from rdbg.emu.devices.network.network_card import NetworkCard
from rdbg.emu.devices.pci import COMMAND
from rdbg.emu.devices.virtio.net import VirtioNet
from rdbg.emu.devices.virtio.virtio_device import Status
from rdbg.emu.devices.virtio.virtio_function import VirtioFunction
from rdbg.emu.endpoint import network_port, serial_port
from rdbg.emu.machine import Machine
from rdbg.emu.spec import Image, MachineSpec, Plugged
from tests.emu.devices.network.test_plain_memory import MASTER, RAM, RINGS, Carried, begin
from tests.emu.devices.network.twins import MAC

#: Registers of a port of their own: its received byte is gone once it is read.
UART = 0x1F00_0900


def pcnet() -> Machine:
    carried = Carried("pcnet", True)
    begin(carried, "pcnet", bytes(256))
    card = carried.card
    assert isinstance(card, NetworkCard)
    card.load(card.save() | {"receive_base": UART})
    return carried.machine


def rtl8139() -> Machine:
    carried = Carried("rtl8139", True)
    begin(carried, "rtl8139", bytes(256))
    carried.store(0xE4, UART)
    return carried.machine


def virtio() -> Machine:
    images = (Image("bios", "loop.bin", (0x1000FFFF).to_bytes(4, "little")),)
    plugged = (Plugged("virtio-net-pci", slot=0x0B, nic=0, mac=MAC),)
    machine = Machine(MachineSpec("malta", "24Kf", False, RAM, 7, images, plugged=plugged))
    card = machine.board.endpoints[network_port(0)]
    assert isinstance(card, VirtioNet)
    function = next(each for each in machine.board.devices if isinstance(each, VirtioFunction))
    function.write(COMMAND, 2, MASTER)
    card.queues[0].set_addresses(RINGS, UART - 2, RINGS + 0x1000)  # the index is the register
    card.status |= Status.DRIVER_OK
    return machine


@pytest.mark.parametrize("made", [pcnet, rtl8139, virtio])
def test_a_ring_in_registers_is_not_read_there(made: object) -> None:
    assert callable(made)
    machine = made()
    port = machine.board.endpoints[serial_port(2)]
    assert isinstance(port, SerialDevice)
    port.receive(b"x")
    before = machine.digest()
    for _ in range(2):
        machine.input_room(network_port(0))
    assert machine.digest() == before
    assert machine.bus.read(UART, 1) == ord("x")


@pytest.mark.parametrize("made", [pcnet, rtl8139])
def test_what_is_not_known_is_room(made: object) -> None:
    assert callable(made)
    assert made().input_room(network_port(0)) > 0  # the card finds out when the frame is there


def test_a_ring_where_nothing_answers_has_no_room() -> None:
    machine = pcnet()
    card = machine.board.endpoints[network_port(0)]
    assert isinstance(card, NetworkCard)
    card.load(card.save() | {"receive_base": 0x7000_0000})
    assert machine.input_room(network_port(0)) == 0
    owned = struct.pack("<IHHII", 0, 0xF000, 0x8000, 0, 0)
    machine.system.dma_write(RAM - 16, owned, "the test")
    card.load(card.save() | {"receive_base": RAM - 16})
    assert machine.input_room(network_port(0)) == 1  # of eight, which reach past the memory's end
