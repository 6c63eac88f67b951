"""What all network cards do, without QEMU: random stores, states that are saved and loaded, room, writers' names."""

from __future__ import annotations

import random
import struct

import pytest

from rdbg.emu.device import LONGEST_FRAME, NetworkDevice
from rdbg.emu.devices.network.rtl8139.rtl8139_card import Rtl8139
from rdbg.emu.devices.pci import BAR0, COMMAND, PciFunction
from rdbg.emu.endpoint import network_port
from rdbg.emu.spec import Image, MachineSpec, Plugged
from rdbg.errors import RdbgError
from tests.emu.bench_system import BenchMachine
from tests.emu.devices.network.frames import random_frame
from tests.emu.devices.network.twins import MAC, MEMORY_AT, MEMORY_BAR

RAM = 16 << 20
MODELS = ("pcnet", "e1000", "rtl8139")
SIZES = {"pcnet": 0x20, "e1000": 0x6000, "rtl8139": 0x100}
#: Registers that hold addresses or lengths of rings, beside random ones.
FAVOURITES = {
    "pcnet": (0x10, 0x12, 0x16, 0x14, 0x1C),
    "e1000": (0x100, 0x400, 0x2800, 0x2808, 0x2810, 0x2818, 0x3800, 0x3808, 0x3810, 0x3818),
    "rtl8139": (0x10, 0x14, 0x20, 0x30, 0x37, 0x38, 0x44, 0xD9, 0xE0, 0xE4),
}
#: Where rings may be told to lie: in memory, in the void, in the card's own registers, at the end of all.
PLACES = (0x10_0000, 0x10_0040, 0x7000_0000, MEMORY_AT, 0xFFFF_FFF0, 0x0FFF_FF00, 0)


def machine(model: str) -> BenchMachine:
    images = (Image("bios", "loop.bin", (0x1000FFFF).to_bytes(4, "little")),)
    plugged = (Plugged(model, slot=0x0B, nic=0, mac=MAC),)
    made = BenchMachine(MachineSpec("malta", "24Kf", False, RAM, 7, images, plugged=plugged))
    function = next(
        device for device in made.board.devices if isinstance(device, PciFunction) and device.name == f"{model}.pci"
    )
    function.write(BAR0 + 4 * MEMORY_BAR[model], 4, MEMORY_AT)
    function.write(COMMAND, 2, 7)
    return made


def card_of(made: BenchMachine) -> NetworkDevice:
    card = made.board.endpoints[network_port(0)]
    assert isinstance(card, NetworkDevice)
    return card


def act(choose: random.Random, made: BenchMachine, model: str) -> None:
    """Anything that a guest or the outside can do."""
    card = card_of(made)
    size = choose.choice([1, 2, 4, 4])
    offset = choose.choice([choose.randrange(0, SIZES[model], 4), choose.choice(FAVOURITES[model])]) & -size
    what = choose.random()
    if what < 0.5:
        value = choose.choice([*PLACES, choose.getrandbits(32), choose.getrandbits(8), 1, 2, 8, 0x80, 0x400])
        made.write(MEMORY_AT + offset, size, value & (1 << 8 * size) - 1)
    elif what < 0.7:
        made.read(MEMORY_AT + offset, size)
    elif what < 0.8:
        words = [choose.choice([*PLACES, choose.getrandbits(32), 0x8300_0000, 0xF000_8300]) for _ in range(64)]
        made.system.write_backing("ram", 0x10_0000, struct.pack("<64I", *words))
    elif what < 0.9:
        if card.receive_room() > 0:
            card.receive_packet(random_frame(choose, choose.choice([1514, 9000, 65000])))
    elif what < 0.95:
        made.system.advance(choose.choice([1000, 2_000_000, 1_000_000_000]))
    else:
        card.set_link(choose.random() < 0.7)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("seed", range(4))
def test_whatever_a_guest_stores_is_taken(model: str, seed: int) -> None:
    """Rings in the void, in the card's own registers, that point to themselves: nothing is raised, nothing hangs."""
    choose = random.Random(seed)
    made = machine(model)
    for _ in range(1500):
        act(choose, made, model)


@pytest.mark.parametrize("model", MODELS)
def test_a_loaded_card_goes_on_as_the_one_that_was_saved(model: str) -> None:
    choose = random.Random(model)
    made = machine(model)
    for _ in range(8):
        for _ in range(100):
            act(choose, made, model)
        other = machine(model)
        for name, data in made.system.backings.items():
            other.system.backings[name][:] = data
        for device, copy in zip(made.board.devices, other.board.devices, strict=True):
            copy.load(device.save())
        other.system.now = made.system.now
        other.system.packets = made.system.packets
        for name, timer in made.system.timers.items():
            other.system.timers[name].deadline = timer.deadline
        sent = len(made.system.sent)
        following = choose.getrandbits(32)
        for which in (made, other):
            future = random.Random(following)
            for _ in range(100):
                act(future, which, model)
        assert made.system.sent[sent:] == other.system.sent
        assert [device.save() for device in made.board.devices] == [device.save() for device in other.board.devices]
        assert made.system.backings == other.system.backings


@pytest.mark.parametrize("model", MODELS)
def test_a_reset_card_is_as_a_new_one(model: str) -> None:
    choose = random.Random(model)
    made = machine(model)
    for _ in range(500):
        act(choose, made, model)
    card_of(made).set_link(True)
    made.reset()
    new = machine(model)
    new.reset()
    assert {**card_of(made).save(), "packets": 0} == card_of(new).save()
    assert not any(made.system.timers[name].deadline for name in made.system.timers if name.startswith(f"{model}."))


@pytest.mark.parametrize("model", MODELS)
def test_a_damaged_state_is_refused(model: str) -> None:
    card = card_of(machine(model))
    state = card.save()
    for name in state:
        for value in (None, "x", [1], {"a": 1}, 1 << 70):
            if value != state[name]:
                with pytest.raises(RdbgError, match=f"device '{model}'"):
                    card.load({**state, name: value})


def start_e1000(made: BenchMachine, descriptors: int) -> None:
    for index in range(descriptors):
        made.system.write_backing("ram", 0x10_0000 + 16 * index, struct.pack("<QQ", 0x11_0000 + 2048 * index, 0))
    for offset, value in ((0x2800, 0x10_0000), (0x2808, 0x400), (0x2818, descriptors), (0x100, 0x8002)):
        made.write(MEMORY_AT + offset, 4, value)
    made.system.advance(2_000_000_000)


def test_room_is_what_the_guest_has_given() -> None:
    made = machine("e1000")
    card = card_of(made)
    assert card.receive_room() == 0, "it is off, and its frames wait"
    start_e1000(made, 3)
    for left in (3, 2, 1):
        assert card.receive_room() == left
        card.receive_packet(MAC + bytes(60))
    assert card.receive_room() == 0
    card.set_link(False)
    assert card.receive_room() == 1, "what comes while the cable is out is lost"


def test_memory_is_written_in_the_name_of_the_packet() -> None:
    made = machine("e1000")
    start_e1000(made, 3)
    made.system.dma_writers.clear()
    card_of(made).receive_packet(MAC + bytes(60))
    card_of(made).receive_packet(MAC + bytes(60))
    assert set(made.system.dma_writers) == {"e1000 DMA, packet 1", "e1000 DMA, packet 2"}


def test_addresses_are_in_the_eeproms() -> None:
    made = machine("pcnet")
    assert bytes(made.read(MEMORY_AT + offset, 1) for offset in range(6)) == MAC


@pytest.mark.parametrize("model", MODELS)
def test_frames_of_any_length_are_received_dropped_or_kept(model: str) -> None:
    """From an empty one to more than any cable has, with a buffer that holds one already."""
    made = machine(model)
    card = card_of(made)
    if model == "e1000":
        start_e1000(made, 3)
    if model == "rtl8139":
        for offset, size, value in ((0x37, 1, 0x0C), (0x44, 4, 0x0E), (0x30, 4, 0x20_0000)):
            made.write(MEMORY_AT + offset, size, value)
    for size in (60, 0, 1, 13, 1 << 16, (1 << 16) + 1, LONGEST_FRAME, LONGEST_FRAME + 1):
        card.receive_packet((MAC + bytes(size))[:size])
        saved = card.save()
        card.load(saved)
        assert card.save() == saved


def test_segments_of_a_byte_do_not_hold_up_the_guest() -> None:
    """A ring of descriptors that become a frame for each of their bytes is sent in parts, a moment after another."""
    made = machine("e1000")
    context = struct.pack("<BBHBBHIBBH", 0, 0, 0, 0, 0, 0, 0x2400_0000, 0, 0, 1)
    data = struct.pack("<QII", 0x11_0000, 0x2410_0000 | 3000, 0)
    made.system.write_backing("ram", 0x10_0000, context + 4 * data)
    for offset, value in ((0x3800, 0x10_0000), (0x3808, 0x1000), (0x400, 2), (0x3818, 5)):
        made.write(MEMORY_AT + offset, 4, value)
    assert len(made.system.sent) == 6000
    card = card_of(made)
    card.load(card.save())
    made.system.advance(10_000_000)
    assert len(made.system.sent) == 12000


def test_causes_that_rtl8139s_driver_leaves_are_told_of_again_where_interrupts_are_edges(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on QEMU: Linux clears those of receiving later, and waited for seconds when a frame had gone meanwhile."""
    made = machine("rtl8139")
    levels: list[bool] = []
    drive = PciFunction.set_irq

    def noted(function: PciFunction, level: bool) -> None:
        drive(function, level)
        levels.append(function.irq_level)

    monkeypatch.setattr(PciFunction, "set_irq", noted)
    made.write(MEMORY_AT + 0x3C, 2, 0x0003)
    card = card_of(made)
    assert isinstance(card, Rtl8139)
    card.interrupt(0x0005)
    levels.clear()
    made.write(MEMORY_AT + 0x3E, 2, 0x0004)
    assert levels == [False, True]
    made.write(MEMORY_AT + 0x3E, 2, 0x0001)
    assert levels[2:] == [False, False]
