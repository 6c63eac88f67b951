"""Drives as a command line asks for them."""

from __future__ import annotations

from rdbg.images.cache_mode import CacheMode
from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class DriveOptions:
    """A drive.

    Args:
        name: the user's id, or QEMU's name for its place.
        bus: ``ide``, ``virtio``, or ``none``: a card that names it has it, or nothing.
        index: place on the bus.
        media: ``disk`` or ``cdrom``.
        file: its image, or ``fat:DIR``; None: there is no medium in it.
        format: ``raw`` or ``qcow2``; None: what the file begins with tells.
        snapshot: what the guest writes does not go to the image.
        read_only: the guest cannot write.
        cache: when the host's disk is to have what was written.
        serial: number that the drive says of itself; empty: its own.
    """

    name: str
    bus: str
    index: int
    media: str = "disk"
    file: str | None = None
    format: str | None = None
    snapshot: bool = False
    read_only: bool = False
    cache: CacheMode = CacheMode.WRITEBACK
    serial: str = ""


@dataclass(frozen=True)
class DriveLine:
    """An option that describes a drive, or a node that another one refers to.

    Args:
        option: as it was typed.
        interface: ``ide``, ``virtio`` or ``none``.
        index: the place asked for; None: the next free one.
        drive: the rest; its name is empty if none was given.
        refers: node or drive that has the file; empty: none.
    """

    option: str
    interface: str
    index: int | None
    drive: DriveOptions
    refers: str = ""
