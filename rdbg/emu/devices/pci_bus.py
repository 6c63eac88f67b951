"""PCI bus 0: which function answers a configuration access, what base addresses show, interrupt lines, bus masters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from rdbg.emu.bus import BusError
from rdbg.emu.device import Device, System
from rdbg.emu.devices.pci import BarKind, PciFunction
from rdbg.emu.dma_name import Detail, detail_after
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.errors import UsageError

LINES = 4  #: interrupt lines of the bus
SLOTS = 32


class Placed(NamedTuple):
    """What a base address shows."""

    base: int
    size: int
    device: Device


def no_line(line: int, level: bool) -> None:
    """An interrupt line that leads nowhere."""


class PciBus:
    """Bus 0. Absent functions read as ones.

    Args:
        system: the machine: told of what moves, and asked for memory.
        line_of: (slot, interrupt pin from 0) -> the line of the bus, 0 to 3, that the pin is wired to.
        first_free: the first slot that is given to a card for which none is named.
    """

    def __init__(self, system: System, line_of: Callable[[int, int], int], first_free: int = 0) -> None:
        self._system = system
        self._line_of = line_of
        self._first_free = first_free
        self._functions: dict[tuple[int, int], PciFunction] = {}
        self._lines: dict[str, tuple[int, ...]] = {}  # of each pin of a slot, by the function's name
        self._drive_line: Callable[[int, bool], None] = no_line
        self._placed: dict[BarKind, tuple[Placed, ...]] = {}

    # --- building ----------------------------------------------------------------------------
    def attach(self, device: int, function: int, target: PciFunction) -> None:
        """Put a function on the bus.

        Raises:
            UsageError: there is no such slot, or another function has it.
        """
        other = self._functions.get((device, function))
        if other is not None:
            raise UsageError(f"{target.name} cannot have PCI slot {device:#x}: {other.name} is there")
        if not 0 <= device < SLOTS:
            raise UsageError(f"{target.name} cannot have PCI slot {device:#x}: there are 0 to {SLOTS - 1:#x}")
        self._functions[device, function] = target
        self._lines[target.name] = tuple(self._line_of(device, pin) for pin in range(LINES))
        target.attached(self)

    @property
    def functions(self) -> Mapping[tuple[int, int], PciFunction]:
        """What stands on it, by slot and function."""
        return self._functions

    def free_slot(self) -> int:
        """The slot for a card for which none is named.

        Raises:
            UsageError: all are taken.
        """
        taken = {device for device, _ in self._functions}
        for slot in range(self._first_free, SLOTS):
            if slot not in taken:
                return slot
        raise UsageError(f"there are more cards than PCI slots: {SLOTS - self._first_free} of them have room")

    def connect_lines(self, drive: Callable[[int, bool], None]) -> None:
        """Lead the interrupt lines to an interrupt router, which is told (line, level) when one may have changed."""
        self._drive_line = drive

    # --- configuration -----------------------------------------------------------------------
    def _target(self, address: int) -> PciFunction | None:
        """The function that a CONFIG_ADDRESS value names."""
        if address >> 16 & 0xFF:
            return None
        return self._functions.get((address >> 11 & 0x1F, address >> 8 & 7))

    def config_read(self, address: int, size: int) -> int:
        """A configuration load at a CONFIG_ADDRESS value (register number and byte in its low bits)."""
        target = self._target(address)
        return (1 << (8 * size)) - 1 if target is None else target.read(address & 0xFF, size)

    def config_write(self, address: int, size: int, value: int) -> None:
        """A configuration store at a CONFIG_ADDRESS value."""
        target = self._target(address)
        if target is not None:
            target.write(address & 0xFF, size, value)

    # --- base addresses ----------------------------------------------------------------------
    def next_stamp(self) -> int:
        """A number above all that base addresses have."""
        return 1 + max(max(function.stamps, default=0) for function in self._functions.values())

    def bars_moved(self) -> None:
        """A base address shows or hides something."""
        self._placed.clear()
        self._system.mapping_changed()

    def placed(self, kind: BarKind) -> tuple[Placed, ...]:
        """What base addresses show now of ports or of memory; what came last stands first, and is seen."""
        found = self._placed.get(kind)
        if found is None:
            stamped = [
                (stamp, Placed(place, bar.size, bar.device))
                for function in self._functions.values()
                for bar, place, stamp in zip(function.bars, function.places, function.stamps, strict=True)
                if place is not None and bar.kind == kind
            ]
            stamped.sort(key=lambda pair: -pair[0])
            found = self._placed[kind] = tuple(placed for _, placed in stamped)
        return found

    def find_port(self, port: int) -> tuple[Device, int] | None:
        """Who answers at a port because of a base address, and where its ports begin."""
        for base, size, device in self.placed("io"):
            if base <= port < base + size:
                return device, base
        return None

    # --- interrupts --------------------------------------------------------------------------
    def line_level(self, line: int) -> bool:
        """Whether any function drives a line."""
        return any(function.drives_irq and self._line(function) == line for function in self._functions.values())

    def _line(self, function: PciFunction) -> int:
        return self._lines[function.name][function.identity.interrupt_pin - 1]

    def interrupt_changed(self, function: PciFunction) -> None:
        """A function drives its interrupt pin otherwise than before."""
        line = self._line(function)
        self._drive_line(line, self.line_level(line))

    def interrupt_disable_changed(self, function: PciFunction) -> None:
        """A function's interrupts have been disabled or enabled: as on QEMU the lines of all its pins are driven anew,
        which is seen where the guest has routed them otherwise in between."""
        for line in self._lines[function.name]:
            self._drive_line(line, self.line_level(line))

    # --- bus masters -------------------------------------------------------------------------
    def dma_read(self, address: int, size: int, source: Device | str, detail: Detail) -> bytes:
        """Bytes of memory; zeros where nothing answers."""
        try:
            return self._system.dma_read(address, size, source, detail=detail)
        except BusError:
            return b"".join(self._read_page(at, length, source, detail) for at, length in _pages(address, size))

    def _read_page(self, address: int, size: int, source: Device | str, detail: Detail) -> bytes:
        try:
            return self._system.dma_read(address, size, source, detail=detail)
        except BusError:
            return bytes(size)

    def dma_write(self, address: int, data: bytes, source: Device | str, detail: Detail) -> None:
        """Write to memory; what nobody takes goes nowhere."""
        try:
            self._system.dma_write(address, data, source, detail=detail)
        except BusError as error:
            # What comes before it is written; the rest of its page is not: a page answers as a whole or not at all.
            following = (error.address | (PAGE_SIZE - 1)) + 1 - address
            if 0 < following < len(data):
                self.dma_write(address + following, data[following:], source, detail_after(detail, following))

    def dma_table(self, address: int, most: int, last: int) -> bytes | None:
        """Entries of a table; None: see `System.dma_table`."""
        return self._system.dma_table(address, most, last)

    def dma_write_pieces(self, pieces: list[tuple[int, int]], data: bytes) -> bool:
        """Write to several places; False: see `System.dma_write_pieces`."""
        return self._system.dma_write_pieces(pieces, data)


def _pages(address: int, size: int) -> list[tuple[int, int]]:
    """(address, bytes) of each page of a range."""
    pieces: list[tuple[int, int]] = []
    end = address + size
    while address < end:
        until = min(end, (address | (PAGE_SIZE - 1)) + 1)
        pieces.append((address, until - address))
        address = until
    return pieces
