"""A machine's devices as a debugger sees them; looking changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rdbg.emu import core as cpu
from rdbg.emu.board import Board
from rdbg.emu.bus import Bus, BusError
from rdbg.emu.device import SerialDevice
from rdbg.emu.devices.gpio import Gpio
from rdbg.emu.endpoint import Endpoint
from rdbg.emu.loaders.placement import ImageLoader
from rdbg.emu.machine_api import DeviceLoad, Extent, Report, Space
from rdbg.emu.machine_states import MachineStates
from rdbg.emu.pci_report import pci_report
from rdbg.emu.spec import MachineSpec
from rdbg.emu.tlb_report import tlb_report


class DeviceView:
    """What stands on a board, and what its registers would give.

    Args:
        spec: of the machine.
        core: its CPU.
        board: has the devices.
        bus: where they stand.
        states: undoes what looking does to them.
    """

    def __init__(self, spec: MachineSpec, core: cpu.Core, board: Board, bus: Bus, states: MachineStates) -> None:
        self._spec = spec
        self._core = core
        self._board = board
        self._bus = bus
        self._states = states
        self._gpios = [device for device in board.endpoints.values() if isinstance(device, Gpio)]
        #: The pins that can be driven from outside: by name, their endpoint and number there.
        self.pins: Mapping[str, tuple[Endpoint, int]] = {
            pin: (gpio.endpoint, bit) for gpio in self._gpios for bit, pin in enumerate(gpio.pins) if pin
        }

    def peek(self, address: int, length: int) -> bytes:
        """What loads from devices would give now, from a guest-physical address on, up to where nothing answers. The
        devices do not notice."""
        out = bytearray()
        with self._states.undone():
            try:
                while len(out) < length:
                    at, left = address + len(out), length - len(out)
                    size = next(size for size in (4, 2, 1) if at % size == 0 and size <= left)
                    out += self._bus.read(at, size).to_bytes(size, "big" if self._spec.big_endian else "little")
            except BusError:
                pass
        return bytes(out)

    def load(self, address: int, size: int) -> DeviceLoad | None:
        """What a load from a virtual address would take from outside, if a device answers there. Nothing changes."""
        physical = self._core.translate(address)
        found = None if physical is None else self._bus.answers(physical, size)
        if found is None:
            return None
        device, offset = found
        if isinstance(device, SerialDevice):
            for endpoint, each in self._board.endpoints.items():
                waiting = device.received(offset, size) if each is device else b""
                if waiting:
                    return DeviceLoad(device.name, endpoint, waiting)
        return DeviceLoad(device.name)

    def loaded_from(self, extents: Sequence[Extent]) -> str:
        """What the first byte in memory was loaded from at power-on, in words; empty: from nothing, as far as is
        known."""
        for extent in extents:
            if extent.space is not Space.MEMORY:
                continue
            for device in self._board.devices:
                if not isinstance(device, ImageLoader):
                    continue
                for piece in reversed(device.pieces):
                    first = self._bus.first_byte(piece.backing) + piece.offset
                    if first <= extent.address < first + len(piece.data):
                        return piece.what
        return ""

    def reports(self) -> Mapping[str, Report]:
        """The TLB, the PCI bus and the pins in words."""
        entries = Report(
            "what the TLB translates now",
            lambda: tlb_report(self._core.registers.tlb(), self._core.registers.read_cp0(10, 0) & 0xFF),
        )
        names = {card.slot: card.name for card in self._spec.plugged if card.slot is not None}
        bus = Report(
            "what is on the PCI bus",
            lambda: pci_report(self._board.pci, names) if self._board.pci else "this board has no PCI bus\n",
        )
        pins = Report(
            "the pins of the board and their levels",
            lambda: "".join(gpio.report() for gpio in self._gpios) or "this board has no pins\n",
        )
        return {"tlb": entries, "pci": bus, "gpio": pins}
