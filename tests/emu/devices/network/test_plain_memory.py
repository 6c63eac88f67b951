"""A card reaches memory that nobody watches in one step, and any other by the bus: what the guest sees is the same."""

from __future__ import annotations

import random
import struct

import pytest

from rdbg.emu.device import NetworkDevice
from rdbg.emu.devices.pci import BAR0, COMMAND, PciFunction
from rdbg.emu.endpoint import Endpoint, network_port
from rdbg.emu.machine import Machine
from rdbg.emu.spec import Image, MachineSpec, Plugged
from tests.emu.devices.network.frames import random_frame
from tests.emu.devices.network.twins import MAC, MEMORY_AT, MEMORY_BAR

RAM = 16 << 20
MODELS = ("pcnet", "e1000", "rtl8139")
RINGS, BUFFERS = 0x10_0000, 0x20_0000
MASTER, NO_MASTER = 7, 3


class Carried:
    """A machine with a card.

    Args:
        model: of the card.
        plain: whether memory is offered to it in one step.
    """

    def __init__(self, model: str, plain: bool) -> None:
        images = (Image("bios", "loop.bin", (0x1000FFFF).to_bytes(4, "little")),)
        plugged = (Plugged(model, slot=0x0B, nic=0, mac=MAC),)
        self.machine = Machine(MachineSpec("malta", "24Kf", False, RAM, 7, images, plugged=plugged))
        self.sent: list[bytes] = []
        self.machine.set_output(self._take)
        self.taken = 0  # accesses that were plain
        system = self.machine.system
        read, write = system.dma_read_plain, system.dma_write_plain

        def read_plain(address: int, size: int) -> bytes | None:
            data = read(address, size) if plain else None
            self.taken += data is not None
            return data

        def write_plain(address: int, data: bytes) -> bool:
            done = plain and write(address, data)
            self.taken += done
            return done

        system.dma_read_plain = read_plain
        system.dma_write_plain = write_plain  # type: ignore[method-assign]
        function = next(each for each in self.machine.board.devices if each.name == f"{model}.pci")
        assert isinstance(function, PciFunction)
        self.function = function
        function.write(BAR0 + 4 * MEMORY_BAR[model], 4, MEMORY_AT)
        function.write(COMMAND, 2, MASTER)
        card = self.machine.board.endpoints[network_port(0)]
        assert isinstance(card, NetworkDevice)
        self.card = card

    def _take(self, icount: int, endpoint: Endpoint, data: bytes) -> None:
        if endpoint == network_port(0):
            self.sent.append(data)

    def store(self, offset: int, value: int, size: int = 4) -> None:
        self.machine.bus.write(MEMORY_AT + offset, size, value)

    def fill(self, address: int, data: bytes) -> None:
        self.machine.system.dma_write(address, data, "the test")


def descriptors(model: str, choose: random.Random) -> bytes:
    """A receive ring and a transmit ring of 8 each, whose buffers lie in memory, in the void or at the end of both."""
    rows = []
    for ring in range(2):
        for index in range(8):
            at = BUFFERS + (8 * ring + index) * 0x1000
            at = choose.choice([at, at, at, at + 0xFF0, RAM - 0x100, 0x7000_0000])
            size = choose.choice([1536, 1536, 600, 60])
            if model == "pcnet":
                rows.append(struct.pack("<IHHII", at, -size & 0xFFFF, choose.choice([0x8300, 0x8200, 0x8100, 0]), 0, 0))
            elif model == "e1000":
                rows.append(struct.pack("<QHBBI", at, size, 0, choose.choice([0x0B, 0x0A, 0x09]), 0))
            else:
                last = 0x4000_0000 if index == 7 else 0
                rows.append(struct.pack("<IIQ", 0x8000_0000 | last | choose.choice([0x3000_0000, 0]) | size, 0, at))
    return b"".join(rows)


def begin(carried: Carried, model: str, rings: bytes) -> None:
    """Give the card its rings, and let it send what is in them."""
    carried.fill(RINGS, rings)
    if model == "pcnet":
        block = struct.pack("<HBB6sHQII", 0, 3 << 4, 3 << 4, MAC, 0, 0, RINGS, RINGS + 128)
        carried.fill(RINGS + 0x800, block)
        for data, address, value in (
            (0x16, 20, 2),
            (0x10, 1, 0x800),
            (0x10, 2, RINGS >> 16),
            (0x10, 0, 1),
            (0x10, 0, 0x4A),
        ):
            carried.store(0x12, address, 2)
            carried.store(data, value, 2)
    elif model == "e1000":
        registers = ((0x2800, RINGS), (0x2808, 128), (0x2810, 0), (0x2818, 7), (0x100, 0x801A),
                     (0x3800, RINGS + 128), (0x3808, 128), (0x3810, 0), (0x400, 0xA), (0x3818, 7))  # fmt: skip
        for offset, value in registers:
            carried.store(offset, value)
    else:
        for offset, value, size in ((0x50, 0xC0, 1), (0xE0, 3, 2), (0x37, 0xC, 1), (0x44, 0xF, 4), (0x40, 0, 4),
                                    (0xE4, RINGS, 4), (0x20, RINGS + 128, 4), (0xD9, 0x40, 1)):  # fmt: skip
            carried.store(offset, value, size)


@pytest.mark.parametrize("model", MODELS)
def test_plain_memory_makes_no_difference(model: str) -> None:
    choose = random.Random(model)
    plain, other = Carried(model, True), Carried(model, False)
    for _ in range(25):
        rings = descriptors(model, choose)
        text = choose.randbytes(16 * 0x1000)
        frames = [MAC + random_frame(choose, 1514)[6:] for _ in range(choose.randrange(10))]
        master = choose.choice([MASTER, MASTER, MASTER, NO_MASTER])
        for carried in (plain, other):
            carried.fill(BUFFERS, text)
            carried.function.write(COMMAND, 2, master)
            begin(carried, model, rings)
            for frame in frames:
                carried.card.receive_packet(frame)
        assert plain.sent == other.sent
        assert plain.card.save() == other.card.save()
        assert plain.machine.digest() == other.machine.digest()
    assert plain.sent and plain.taken > 100 and other.taken == 0
