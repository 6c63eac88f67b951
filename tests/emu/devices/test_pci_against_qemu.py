"""The PCI bus against QEMU 7.2's: base addresses, the north bridge's windows onto it, interrupt lines.

QEMU has network cards and a random number generator in its slots; ours have the few registers of them that the tests
use, so that it is the bus that is compared.
"""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rdbg.emu.bus import BusError
from rdbg.emu.device import Device, State
from rdbg.emu.devices.gt64120 import Gt64120
from rdbg.emu.devices.pci import Bar, PciFunction, PciIdentity
from rdbg.emu.spec import Image, MachineSpec
from tests.emu.bench_system import BenchMachine
from tests.emu.qtest import QtestMachine

pytestmark = pytest.mark.real("qemu-system-mips")

GT = 0x1400_0000
PORTS = 0x1000_0000
FIRST_SLOT = 18
E1000 = "e1000,romfile=,mitigation=off"
ICR, ICS, IMS, MULTICAST, MULTICAST_END = 0xC0, 0xC8, 0xD0, 0x5200, 0x5400
some = settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)


class EthernetRegisters(Device):
    """Of an 82540EM: its multicast table, and what raises and lowers its interrupt."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.function = PciFunction(
            f"{name}.pci",
            PciIdentity(0x8086, 0x100E, 0x020000, revision=3, interrupt_pin=1),
            bars=(Bar(0, "memory", 0x20000, self), Bar(1, "io", 64, Unread("ports"))),
        )
        self.reset()

    def read(self, offset: int, size: int) -> int:
        if offset == ICR:
            self.cause = 0
            self.function.set_irq(False)
            return 0
        return int.from_bytes(self.table[offset - MULTICAST : offset - MULTICAST + size], "little")

    def write(self, offset: int, size: int, value: int) -> None:
        if offset == ICS:
            self.cause |= value
        elif offset == IMS:
            self.mask |= value
        else:
            self.table[offset - MULTICAST : offset - MULTICAST + size] = value.to_bytes(size, "little")
        self.function.set_irq(self.cause & self.mask != 0)

    def reset(self) -> None:
        self.cause = self.mask = 0
        self.table = bytearray(MULTICAST_END - MULTICAST)

    def save(self) -> State:
        return {}

    def load(self, state: State) -> None: ...


class Unread(Device):
    """Ports or memory that the tests do not touch."""

    def read(self, offset: int, size: int) -> int:
        raise AssertionError(f"{self.name} is read at {offset:#x}")

    def write(self, offset: int, size: int, value: int) -> None:
        raise AssertionError(f"{self.name} is written at {offset:#x}")

    def reset(self) -> None: ...

    def save(self) -> State:
        return {}

    def load(self, state: State) -> None: ...


class Beside:
    """The same accesses to both."""

    def __init__(self, qemu: QtestMachine, big_endian: bool, cards: int) -> None:
        code = (0x1000FFFF).to_bytes(4, "big" if big_endian else "little")
        spec = MachineSpec("malta", "24Kf", big_endian, 256 << 20, 7, (Image("bios", "loop.bin", code),))
        self.ours = BenchMachine(spec)
        self.pci = next(device.pci for device in self.ours.board.devices if isinstance(device, Gt64120))
        self.qemu = qemu
        self.history: list[str] = []
        self._big_endian = big_endian
        for number in range(cards):
            self.pci.attach(self.pci.free_slot(), 0, EthernetRegisters(f"card{number}").function)

    def read(self, address: int, size: int = 4) -> int:
        try:
            got = self.ours.read(address, size)
        except BusError:
            got = 0  # so it is on the test's way into QEMU
        wanted = self.qemu.read(address, size)
        self.history.append(f"read {address:#x} {size}: {wanted:#x}")
        assert got == wanted, f"got {got:#x} in\n" + "\n".join(self.history)
        return got

    def write(self, address: int, value: int, size: int = 4) -> None:
        self.history.append(f"write {address:#x} {size} {value:#x}")
        with suppress(BusError):
            self.ours.write(address, size, value)
        self.qemu.write(address, size, value)

    def gt(self, offset: int, value: int) -> None:
        """Store to a register of the north bridge."""
        self.write(GT + offset, self.swapped(value))

    def select(self, slot: int, register: int, function: int = 0) -> None:
        self.gt(0xCF8, 0x8000_0000 | slot << 11 | function << 8 | register)

    def config(self, slot: int, register: int, function: int = 0) -> int:
        self.select(slot, register, function)
        return self.read(GT + 0xCFC)

    def set_config(self, slot: int, register: int, value: int, function: int = 0) -> None:
        self.select(slot, register, function)
        self.write(GT + 0xCFC, value)

    def swapped(self, value: int) -> int:
        return int.from_bytes(value.to_bytes(4, "little"), "big") if self._big_endian else value


def without_swap(both: Beside) -> None:
    """Let configuration data be the value of the register in both byte orders."""
    both.gt(0xC00, 1)


def options(*devices: str) -> tuple[str, ...]:
    return tuple(word for device in devices for word in ("-device", device))


@pytest.mark.parametrize("big_endian", [False, True])
def test_base_addresses_tell_their_sizes(big_endian: bool) -> None:
    with QtestMachine(big_endian, options=options(E1000, "virtio-rng-pci")) as qemu:
        both = Beside(qemu, big_endian, 1)
        rng = PciFunction(
            "rng",
            PciIdentity(0x1AF4, 0x1005, 0x00FF00, interrupt_pin=1, subsystem=0x0004_1AF4),
            bars=(Bar(0, "io", 32, Unread("rng")), Bar(4, "memory", 0x4000, Unread("rng"), True, True)),
        )
        both.pci.attach(both.pci.free_slot(), 0, rng)
        for slot in (FIRST_SLOT, FIRST_SLOT + 1):
            # The list of capabilities is not what is compared: the generator's own has one more than ours.
            for register in (0, 8, 0xC, 0x10, 0x14, 0x18, 0x1C, 0x20, 0x24, 0x28, 0x2C, 0x30, 0x3C):
                both.config(slot, register)
                for value in (0xFFFF_FFFF, 0, 0x1234_5678, 0xFFFF_FFFF):
                    both.set_config(slot, register, value)
                    both.config(slot, register)
        assert both.config(FIRST_SLOT + 1, 0x24) != 0


BASES = (
    0x1000_0000,
    0x1200_0000,
    0x1201_0000,
    0x1202_0000,
    0x13FE_0000,
    0x1400_0000,
    0x1C00_0000,
    0xF200_0000,
    0xFFFE_0000,
    0,
)
WINDOWS = {
    0x058: (0x090, 0x08F, 0x0A0, 0x0E0, 0x0BF), 0x060: (0x1F, 0x0F, 0x10, 0x7F, 0x3F),
    0x080: (0x790, 0x7FF, 0x091, 0x0A0), 0x088: (0x1F, 0x10, 0x11, 0x7F, 0x20),
}  # fmt: skip
move = st.one_of(
    st.tuples(st.just("bar"), st.integers(0, 1), st.sampled_from(BASES)),
    st.tuples(st.just("command"), st.integers(0, 1), st.sampled_from([0, 2, 3, 6])),
    st.sampled_from(sorted(WINDOWS)).flatmap(
        lambda register: st.tuples(st.just("window"), st.just(register), st.sampled_from(WINDOWS[register]))
    ),
    st.tuples(st.just("store"), st.sampled_from(BASES[1:]), st.integers(0, 0xFFFF_FFFF)),
    st.tuples(st.just("store"), st.sampled_from(BASES[1:]), st.integers(0, 0xFFFF_FFFF)),
)


@some
@given(st.booleans(), st.lists(move, min_size=30, max_size=80))
def test_memory_is_seen_where_windows_and_base_addresses_meet(
    big_endian: bool, steps: list[tuple[str, int, int]]
) -> None:
    with QtestMachine(big_endian, options=options(E1000, E1000)) as qemu:
        both = Beside(qemu, big_endian, 2)
        without_swap(both)
        for card in (0, 1):
            both.set_config(FIRST_SLOT + card, 0x10, 0x1200_0000 + 0x2_0000 * card)
            both.set_config(FIRST_SLOT + card, 0x04, 2)
        for kind, place, value in steps:
            if kind == "bar":
                both.set_config(FIRST_SLOT + place, 0x10, value)
            elif kind == "command":
                both.set_config(FIRST_SLOT + place, 0x04, value)
            elif kind == "window":
                both.gt(place, value)
            else:
                both.write(place + MULTICAST + 8, value)
            for base in (0x1200_0000, 0x1202_0000, 0x13FE_0000, 0x1C00_0000, 0xF200_0000):
                both.read(base + MULTICAST + 8)


@pytest.mark.parametrize("big_endian", [False, True])
def test_ports_of_cards_hide_others(big_endian: bool) -> None:
    """The USB controller's ports over the timer's and the keyboard's, and away again."""
    with QtestMachine(big_endian) as qemu:
        both = Beside(qemu, big_endian, 0)
        without_swap(both)
        for base in (0x40, 0x60, 0x1000, 0):
            both.set_config(10, 0x20, base | 1, function=2)
            for command in (1, 0):
                both.set_config(10, 0x04, command, function=2)
                for port in (0x3FF, 0x21, 0x100C, 0x2C, 0x3EC):
                    both.write(PORTS + port, 0x5A, 1)
                    both.read(PORTS + port, 1)


interrupt = st.one_of(
    st.tuples(st.just("raise"), st.integers(0, 3), st.just(0)),
    st.tuples(st.just("lower"), st.integers(0, 3), st.just(0)),
    st.tuples(st.just("command"), st.integers(0, 3), st.sampled_from([2, 0x402])),
    st.tuples(st.just("route"), st.just(0), st.sampled_from([0x0B0B_0A0A, 0x0F0E_0C05, 0x8080_8080, 0x0505_0505])),
    st.tuples(st.just("levels"), st.just(0), st.sampled_from([0, 0x5E])),
)


@some
@given(st.booleans(), st.lists(interrupt, min_size=30, max_size=60))
def test_interrupt_pins_reach_the_interrupt_controllers(big_endian: bool, steps: list[tuple[str, int, int]]) -> None:
    slots = (11, 18, 19, 22)  # on board, in slots 1 and 2, and where no board has one
    devices = [f"{E1000},addr={slot:#x}" for slot in slots]
    with QtestMachine(big_endian, options=options(*devices)) as qemu:
        both = Beside(qemu, big_endian, 0)
        without_swap(both)
        for number, slot in enumerate(slots):
            both.pci.attach(slot, 0, EthernetRegisters(f"card{number}").function)
            both.set_config(slot, 0x10, 0x1200_0000 + 0x2_0000 * number)
            both.set_config(slot, 0x04, 2)
        for kind, place, value in steps:
            base = 0x1200_0000 + 0x2_0000 * place
            if kind == "raise":
                both.write(base + IMS, both.swapped(0x10))
                both.write(base + ICS, both.swapped(0x10))
            elif kind == "lower":
                both.ours.read(base + ICR, 4)
                both.qemu.read(base + ICR, 4)
            elif kind == "command":
                both.set_config(slots[place], 0x04, value)
            elif kind == "route":
                both.set_config(10, 0x60, value)
            else:
                both.write(PORTS + 0x4D1, value, 1)
                both.write(PORTS + 0x4D0, value & 0x20, 1)
            for slot in slots:
                both.config(slot, 0x04)
            both.read(PORTS + 0x20, 1)
            both.read(PORTS + 0xA0, 1)
