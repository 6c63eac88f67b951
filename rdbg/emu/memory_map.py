"""What a board says of its guest-physical address space, before any CPU exists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from enum import Enum

from rdbg.emu.device import Device
from rdbg.quick_dataclass import dataclass

PAGE_SIZE = 4096


class Endian(Enum):
    """Byte order of a device's registers as seen from the bus."""

    LITTLE = "little"
    BIG = "big"
    NATIVE = "native"


@dataclass(frozen=True)
class Backing:
    """A piece of storage that regions show: RAM, ROM or the array of a flash chip.

    Args:
        name: unique in the machine, e.g. ``ram`` or ``flash``.
        size: bytes, a multiple of the page size.
        writable: whether guest stores reach it directly.
        initial: the bytes it holds at power-on from offset 0; the rest is ``fill``.
        fill: the byte that fills what ``initial`` leaves.
    """

    name: str
    size: int
    writable: bool
    initial: bytes = field(default=b"", repr=False)
    fill: int = 0


@dataclass(frozen=True)
class MemoryRegion:
    """A window of the guest-physical address space onto a backing (RAM, ROM, flash in read mode).

    Args:
        base: guest-physical address, page aligned.
        size: bytes, a multiple of the page size.
        backing: name of the backing shown.
        offset: byte offset in the backing of the window's first byte, page aligned.
        device: the device that takes stores when the backing is not writable (and loads too,
            while its ``direct_reads`` is false): a flash chip. ``None``: stores are ignored.
    """

    base: int
    size: int
    backing: str
    offset: int = 0
    device: Device | None = None


@dataclass(frozen=True)
class IoRegion:
    """A window of the guest-physical address space onto a device's registers.

    Args:
        base: guest-physical address, any alignment.
        size: bytes.
        device: receives ``read(offset, size)`` and ``write(offset, size, value)`` with
            ``offset = address - base + offset``.
        offset: added to the offset that the device sees.
        endian: byte order of the registers; the bus swaps where the CPU's differs.
    """

    base: int
    size: int
    device: Device
    offset: int = 0
    endian: Endian = Endian.NATIVE


@dataclass(frozen=True)
class MemoryMap:
    """The whole guest-physical address space of a board.

    Where windows overlap, memory wins over devices, and the first one listed wins over later ones.

    Args:
        backings: storage, in the order in which pages are numbered.
        memory: windows onto storage.
        io: windows onto devices.
        ignored: (base, size) ranges where unclaimed loads give ``ignored_value`` and stores vanish; anywhere else an
            unclaimed access is a bus error.
        moving: gives the windows onto devices that the guest can move, as they stand now (PCI I/O behind a north
            bridge). It is asked again after each ``System.mapping_changed``; they come after ``io``.
    """

    backings: tuple[Backing, ...]
    memory: tuple[MemoryRegion, ...]
    io: tuple[IoRegion, ...]
    ignored: tuple[tuple[int, int], ...] = ()
    ignored_value: int = 0
    moving: Callable[[], tuple[IoRegion, ...]] | None = None
