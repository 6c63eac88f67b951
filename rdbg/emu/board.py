"""What a board gives to the machine that is built from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from rdbg.emu.device import Device
from rdbg.emu.devices.pci import PciFunction
from rdbg.emu.disk import Disk
from rdbg.emu.endpoint import Endpoint
from rdbg.emu.memory_map import MemoryMap
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class ResetState:
    """The CPU's registers after reset where they differ from the architecture's.

    Args:
        pc: virtual address of the first instruction.
        registers: general register number -> value (a0 = 4, ...).
        status: CP0 Status, or None for the architecture's reset value (BEV and ERL set).
    """

    pc: int
    registers: dict[int, int] = field(default_factory=dict)
    status: int | None = None


@dataclass(frozen=True)
class Board:
    """A board, wired: its memory map, its devices in a fixed order, where it meets the outside world.

    Args:
        name: e.g. ``malta``.
        memory_map: the guest-physical address space.
        devices: all devices, in the order in which they are reset, saved and loaded.
        endpoints: what is behind each: a SerialDevice (SERIAL, CONSOLE, ENTROPY), a NetworkDevice (NETWORK), a Disk
            (DISK) or a Gpio (GPIO).
        reset_state: where and how the CPU starts after power-on and each reset.
        cpu_clock_hz: frequency that Count derives from (Count ticks at half of it).
        pci: what is on its PCI bus, by slot and function.
        cpu_irq_timer: hardware line (0-5) that the Compare interrupt drives.
    """

    name: str
    memory_map: MemoryMap
    devices: tuple[Device, ...]
    endpoints: Mapping[Endpoint, Device | Disk]
    reset_state: ResetState
    cpu_clock_hz: int = 320_000_000
    cpu_irq_timer: int = 5
    pci: Mapping[tuple[int, int], PciFunction] = field(default_factory=dict)

    def require_names(self) -> None:
        """Check that names, which key what snapshots say of devices, differ.

        Raises:
            RdbgError: they do not.
        """
        seen: set[str] = set()
        for device in self.devices:
            if device.name in seen:
                raise RdbgError(f"two devices of this board are named {device.name!r}: device names must differ")
            seen.add(device.name)
