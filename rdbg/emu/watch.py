"""What is watched: ranges of memory and of device registers, and what counts as an access."""

from __future__ import annotations

from enum import Enum

from rdbg.quick_dataclass import dataclass


class Access(Enum):
    """What a watchpoint watches for."""

    WRITE = "write"  #: by anybody but the debugger: stores, devices, a reset that loads images again, the host
    READ = "read"
    ACCESS = "access"


class Space(Enum):
    """What an address counts."""

    MEMORY = "memory"  #: bytes of the machine's pages, all backings one after another
    DEVICE = "device"  #: guest-physical addresses where no memory is


@dataclass(frozen=True)
class Extent:
    """What stands behind a range of virtual addresses.

    Args:
        space: MEMORY or DEVICE.
        address: first byte, in that space. What two virtual addresses share is the same byte here.
        length: bytes.
        virtual: where it was asked for.
    """

    space: Space
    address: int
    length: int
    virtual: int


@dataclass(frozen=True)
class Watch:
    """A watched range.

    Args:
        address: first byte, virtual.
        length: bytes, at least 1.
        access: which accesses count.
        storage: what stands behind it, if writes count by whatever address they are made. Empty: only accesses by these
            virtual addresses count. Reads always count by virtual address.
        commands: whether stores by these virtual addresses count beside that: they may be commands to what is there (a
            flash chip), and change nothing.
    """

    address: int
    length: int
    access: Access
    storage: tuple[Extent, ...] = ()
    commands: bool = False
