"""What a card that is plugged into a board is, and what it finds there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field

from rdbg.emu.device import Device, System
from rdbg.emu.devices.pci import PciFunction
from rdbg.emu.disk import Disk
from rdbg.emu.endpoint import Endpoint
from rdbg.emu.spec import Plugged
from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class CardHost:
    """What a card finds where it is plugged in.

    Args:
        system: the machine.
        disks: what is in each drive, by the drive's name.
        big_endian: byte order of the CPU.
    """

    system: System
    disks: Mapping[str, Disk]
    big_endian: bool


@dataclass(frozen=True)
class Card:
    """A card that has been built.

    Args:
        function: goes into the slot.
        devices: what else of it is reset, saved and loaded, in this order, before the function.
        endpoints: where it meets the outside world.
    """

    function: PciFunction
    devices: tuple[Device, ...] = ()
    endpoints: Mapping[Endpoint, Device] = field(default_factory=dict)


#: Makes a card: the name that is its own in the machine (the model's, with a number from the second one on), what is to
#: be built, the parts that go into it, and where.
CardBuilder = Callable[[str, Plugged, tuple[Plugged, ...], CardHost], Card]
