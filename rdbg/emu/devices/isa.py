"""The ports that the CPU sees, 64 KiB of them: those of PCI cards, and the ISA bus behind the south bridge. A port that
nobody answers reads as ones."""

from __future__ import annotations

from typing import Protocol

from rdbg.emu.device import Bridge, Device, State
from rdbg.emu.devices.pci_bus import PciBus


class MovablePorts(Protocol):
    """Ports whose place the guest chooses in a configuration register."""

    def port_range(self) -> tuple[int, int] | None:
        """First port and number of ports now; None: not enabled."""

    @property
    def port_device(self) -> Device:
        """Who answers, with offsets from the first port."""


class IsaBus(Bridge):
    """Port dispatch. Has no state: what moves is saved by the function that moves it.

    Args:
        name: unique in the machine.
        pci: the bus whose cards' ports hide those of ISA.
    """

    def __init__(self, name: str, pci: PciBus) -> None:
        super().__init__(name)
        self._pci = pci
        self._fixed: dict[int, tuple[Device, int]] = {}
        self._movable: list[MovablePorts] = []

    def attach(self, base: int, size: int, device: Device, offset: int = 0) -> None:
        """Give ports to a device; it sees ``port - base + offset``."""
        for port in range(base, base + size):
            if port in self._fixed:
                raise ValueError(f"port {port:#x} is claimed by {self._fixed[port][0].name} and {device.name}")
            self._fixed[port] = (device, base - offset)

    def attach_movable(self, ports: MovablePorts) -> None:
        """Ports of the south bridge that move at run time. Fixed ones win over them."""
        self._movable.append(ports)

    def _find(self, port: int) -> tuple[Device, int] | None:
        found = self._pci.find_port(port) or self._fixed.get(port)
        if found is None:
            for ports in self._movable:
                place = ports.port_range()
                if place is not None and place[0] <= port < place[0] + place[1]:
                    return ports.port_device, place[0]
        return found

    def route(self, offset: int, size: int) -> tuple[Device, int] | None:
        """The device of a card's or of fixed ports that the access lies in as a whole."""
        found = self._pci.find_port(offset) or self._fixed.get(offset)
        if found is None or found != self._find(offset + size - 1):
            return None
        return found[0], offset - found[1]

    def arrangement(self) -> tuple[object, ...]:
        """Where the ports of cards are."""
        return self._pci.placed("io")

    def read(self, offset: int, size: int) -> int:
        """A load from port ``offset``; it splits where it leaves a device."""
        found = self._find(offset)
        if size == 1 or found == self._find(offset + size - 1):
            if found is None:
                return (1 << (8 * size)) - 1
            return found[0].read(offset - found[1], size)
        half = size // 2
        return self.read(offset, half) | self.read(offset + half, half) << (8 * half)

    def stable_until(self, offset: int, size: int) -> int:
        """As the device at that port says."""
        found = self._find(offset)
        return found[0].stable_until(offset - found[1], size) if size == 1 and found is not None else 0

    def is_idle_store(self, offset: int, size: int, value: int) -> bool:
        """As the device at that port says."""
        found = self._find(offset)
        return size == 1 and found is not None and found[0].is_idle_store(offset - found[1], size, value)

    def write(self, offset: int, size: int, value: int) -> None:
        """A store to port ``offset``; it splits where it leaves a device."""
        found = self._find(offset)
        if size == 1 or found == self._find(offset + size - 1):
            if found is not None:
                found[0].write(offset - found[1], size, value)
            return
        half = size // 2
        self.write(offset, half, value & ((1 << (8 * half)) - 1))
        self.write(offset + half, half, value >> (8 * half))

    def reset(self) -> None:
        """Nothing of its own."""

    def save(self) -> State:
        """Nothing of its own."""
        return {}

    def load(self, state: State) -> None:
        """Nothing of its own."""
