"""What is watched: ranges of memory and of device registers, and what counts as an access."""

from __future__ import annotations

from enum import Enum

from rdbg.emu.dma_name import Detail
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


@dataclass(frozen=True)
class WatchHit:
    """A watched access.

    Args:
        watch: the watch that was hit.
        address: first byte accessed that lies in the watched range.
        access: WRITE or READ, what the instruction did.
        by: who has changed it, if that was no store of the CPU: each writer as users see it, in order.
    """

    watch: Watch
    address: int
    access: Access
    by: tuple[str, ...] = ()


class Writer(Enum):
    """Who changed memory."""

    STORE = "store"  #: an instruction
    DEVICE = "device"  #: a device: a flash chip that erases, a disk or a network card by DMA
    RESET = "reset"  #: a reset, which loads images again
    HOST = "host"  #: the host, as the answer to a call (semihosting)
    DEBUGGER = "debugger"


@dataclass(frozen=True)
class Write:
    """A write that was seen happening.

    Args:
        writer: who made it.
        before: icount before the instruction that made it, or led to it. What happened between two instructions (a
            device's timer, an input, a reset, the debugger) has ``after`` here.
        after: icount after it.
        pc: address of the instruction (of the first of its step); of the next one for the debugger; else 0 between
            instructions.
        address: first byte written that was asked for, as the virtual address that was asked for.
        through: virtual address by which an instruction wrote it; None: no instruction did.
        old: the bytes before, of those that were asked for and written; empty for device registers.
        new: the bytes written.
        by: the writer as users see it: ``device flash``, ``ide0 DMA, sector 2048``; empty for an instruction.
        detail: what a device has written by DMA, from the first of these bytes on.
    """

    writer: Writer
    before: int
    after: int
    pc: int
    address: int
    through: int | None
    old: bytes
    new: bytes
    by: str = ""
    detail: Detail = ""
