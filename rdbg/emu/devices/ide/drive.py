"""What all drives on an IDE channel have in common (ATA/ATAPI-7, volume 2): task file registers, and data that the CPU
moves through the data port.

Where QEMU 7.2's drives differ from the standard, these do what those do, since guests are known to run on them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

from rdbg.emu.device import State, StateValue
from rdbg.emu.devices.fields import BYTE, FLAG, Bytes, Kind, Number, all_of, load_field, save_fields
from rdbg.emu.devices.ide.bus_master import IdeBusMaster
from rdbg.emu.disk import Disk, DiskError
from rdbg.errors import RdbgError

# Status register.
ERR, DRQ, DSC, DRDY, BSY = 0x01, 0x08, 0x10, 0x40, 0x80
READY = DRDY | DSC
# Error register.
ABRT, UNC = 0x04, 0x40
PASSED = 0x01  #: after a diagnostic
# Device register.
LBA, SECOND = 0x40, 0x10
ALWAYS_SET = 0xA0

SECTOR = 512
MOST_TRANSFER = 65536 * SECTOR


class Work(IntEnum):
    """What a drive does while it is busy, or, of a transfer by DMA, while the CPU waits for its end."""

    NONE = 0
    READ = 1  #: sectors that the CPU will fetch
    WRITE = 2  #: sectors that the CPU has brought
    FLUSH = 3
    DMA = 4
    RESET = 5  #: both drives of the channel
    PACKET_READ = 6  #: a sector of a CD that the CPU will fetch


class After(IntEnum):
    """What follows when the CPU has moved all data."""

    NOTHING = 0
    READ = 1
    WRITE = 2
    PACKET = 3
    REPLY = 4


class Cable(Protocol):
    """The channel, as a drive on it sees it."""

    master: IdeBusMaster  #: moves what the drive transfers by DMA

    def request_interrupt(self) -> None:
        """Raise the channel's interrupt, unless the CPU does not want it."""

    def begin(self, drive: IdeDrive, work: Work, sectors: int = 0) -> None:
        """Call the drive's ``finish`` when a piece of work is done.

        Args:
            drive: who works.
            work: what at.
            sectors: of 512 bytes, that it moves.
        """

    def cancel(self) -> None:
        """Forget the work, and a DMA transfer that waits for the bus master."""

    def begin_dma(self, drive: IdeDrive) -> None:
        """A transfer by DMA is wanted: the drive's ``finish`` is called once the bus master has been started."""

    def end_dma(self, more: bool = False) -> None:
        """The drive's transfer is over.

        Args:
            more: the bus master's table has room for more than was transferred.
        """

    def log(self, message: str) -> None:
        """One line about something that is not as it should be."""


_REGISTERS = all_of(
    BYTE, "features", "error", "sector", "cylinder_low", "cylinder_high", "device", "status",
    "old_features", "old_count", "old_sector", "old_cylinder_low", "old_cylinder_high",
)  # fmt: skip


class IdeDrive(ABC):
    """A drive: or, without a disk, what a channel shows where none is connected.

    Args:
        cable: the channel.
        unit: 0 or 1 on it.
        disk: the medium.
    """

    FIELDS: dict[str, Kind] = _REGISTERS | {
        "count": Number(0, 65536),  #: sector count; 256 and 65536 while a command runs
        "wide": FLAG,  #: the command has 48-bit addresses
        "position": Number(0, MOST_TRANSFER),
        "to_host": FLAG,
        "after": Number(0, max(After)),
        "identified": FLAG,
    }

    def __init__(self, cable: Cable, unit: int, disk: Disk | None) -> None:
        self.cable = cable
        self.unit = unit
        self.disk = disk
        self.is_present = disk is not None
        self.sectors = 0 if disk is None else disk.sectors
        self.identified = False
        self.features = self.old_features = 0
        self.clear_registers()

    # --- registers ---------------------------------------------------------------------------
    def clear_registers(self) -> None:
        """What any reset does."""
        self.features = self.error = self.count = self.sector = self.cylinder_low = self.cylinder_high = 0
        self.old_features = self.old_count = self.old_sector = self.old_cylinder_low = self.old_cylinder_high = 0
        self.device = ALWAYS_SET
        self.status = READY
        self.wide = False
        self.after = After.NOTHING
        self.buffer = bytearray()
        self.position = 0
        self.to_host = True
        self.show_signature()

    def show_signature(self) -> None:
        """Say in the address registers what sort of drive this is."""
        self.device &= SECOND | ALWAYS_SET
        self.count = self.sector = 1
        self.cylinder_low = self.cylinder_high = 0 if self.is_present else 0xFF

    def diagnose(self) -> None:
        """EXECUTE DEVICE DIAGNOSTIC, also at the end of a reset."""
        self.pass_diagnostic()
        self.status = READY
        self.cable.request_interrupt()

    def pass_diagnostic(self) -> None:
        """Show that this drive, and the other if there is one, are well."""
        self.show_signature()
        self.device = ALWAYS_SET
        self.error = PASSED

    def abort(self) -> None:
        """End a command with an error: it is not known, or cannot be done."""
        self.stop_transfer()
        self.status = DRDY | ERR
        self.error = ABRT

    # --- commands ----------------------------------------------------------------------------
    @abstractmethod
    def commands(self) -> dict[int, Callable[[], bool]]:
        """What it can do, by command code. Each gives whether the command is over: then the interrupt is requested."""

    @abstractmethod
    def finish(self, work: Work) -> None:
        """A piece of work that `Cable.begin` or `Cable.begin_dma` was told of is done."""

    @abstractmethod
    def dma_sectors(self) -> int:
        """How many sectors of 512 bytes the transfer by DMA moves."""

    @abstractmethod
    def transferred(self) -> None:
        """The CPU has moved all data: what ``after`` says follows."""

    #: Commands after which the drive says that it has found the place.
    SEEKING: frozenset[int] = frozenset()

    def execute(self, command: int) -> None:
        """The CPU stores to the command register of the selected drive."""
        if self.unit and not self.is_present:
            return
        known = self.commands().get(command)
        if self.status & (BSY | DRQ) and not (command == DEVICE_RESET and known is not None):
            return
        if known is None:
            self.abort()
            self.cable.request_interrupt()
            return
        self.status = DRDY | BSY
        self.error = 0
        if known():
            self.status &= ~BSY
            if command in self.SEEKING and not self.error:
                self.status |= DSC
            self.cable.request_interrupt()

    def read_disk(self, sector: int, count: int) -> bytes | None:
        """Sectors of the medium; None: they cannot be read, which is logged."""
        if self.disk is None:
            return None
        try:
            return self.disk.read(sector, count)
        except DiskError as error:
            self.cable.log(str(error))
            return None

    # --- data that the CPU moves -------------------------------------------------------------
    def offer(self, data: bytes, after: After) -> None:
        """Let the CPU fetch data."""
        self._start_transfer(bytearray(data), True, after)

    def ask(self, size: int, after: After) -> None:
        """Let the CPU bring data."""
        self._start_transfer(bytearray(size), False, after)

    def _start_transfer(self, buffer: bytearray, to_host: bool, after: After) -> None:
        self.buffer = buffer
        self.position = 0
        self.to_host = to_host
        self.after = after
        if not self.status & ERR:
            self.status |= DRQ

    def stop_transfer(self) -> None:
        """No data are to be moved."""
        self.buffer = bytearray()
        self.position = 0
        self.after = After.NOTHING
        self.status &= ~DRQ

    def read_data(self, size: int) -> int:
        """The CPU loads from the data port."""
        start = self.position
        end = start + size
        if not self.status & DRQ or not self.to_host or end > len(self.buffer):
            return 0
        value = int.from_bytes(self.buffer[start:end], "little")
        self.position = end
        if end == len(self.buffer):
            self.status &= ~DRQ
            self.transferred()
        return value

    def write_data(self, size: int, value: int) -> None:
        """The CPU stores to the data port."""
        end = self.position + size
        if not self.status & DRQ or self.to_host or end > len(self.buffer):
            return
        self.buffer[self.position : end] = value.to_bytes(size, "little")
        self.position = end
        if end == len(self.buffer):
            self.status &= ~DRQ
            self.transferred()

    # --- state -------------------------------------------------------------------------------
    def save(self) -> dict[str, StateValue]:
        """All of it but the medium."""
        return save_fields(self, self.FIELDS) | {"buffer": bytes(self.buffer)}

    def load(self, name: str, state: State) -> None:
        """Take back what ``save`` gave.

        Args:
            name: the channel's.
            state: what was saved.

        Raises:
            RdbgError: it is damaged.
        """
        for field, kind in self.FIELDS.items():
            setattr(self, field, load_field(name, field, kind, state))
        buffer = load_field(name, "buffer", Bytes(0, MOST_TRANSFER), state)
        assert isinstance(buffer, bytes)
        if self.position > len(buffer):
            raise RdbgError(f"saved state of device {name!r} is damaged: 'position' is beyond the data")
        self.buffer = bytearray(buffer)


DEVICE_RESET = 0x08
