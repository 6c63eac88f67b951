"""A CD-ROM drive on an IDE channel: it takes packet commands (ATA/ATAPI-7, volume 2, PACKET) and moves their data, as
QEMU 7.2's drive does.

A medium is never changed while the machine runs, so there is no unit attention.
"""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.device import State, StateValue
from rdbg.emu.devices.fields import BYTE, FLAG, Bytes, Number, all_of, load_field
from rdbg.emu.devices.ide import packets
from rdbg.emu.devices.ide.cd_commands import MEDIUM_ERROR, UNREADABLE, CdCommands
from rdbg.emu.devices.ide.drive import (
    BSY,
    DEVICE_RESET,
    DRDY,
    DRQ,
    ERR,
    MOST_TRANSFER,
    READY,
    SECTOR,
    After,
    Cable,
    Work,
)
from rdbg.emu.devices.ide.featured_drive import FeaturedDrive
from rdbg.emu.devices.ide.identify import CD_WORDS, identify_cd, serial_number
from rdbg.emu.devices.ide.packets import CD_SECTOR, RAW_SECTOR
from rdbg.emu.disk import Disk

PACKET_SIZE = 12
USES_DMA, OVERLAPPED = 0x01, 0x02  #: of the features register
COMMAND_PACKET, TO_HOST = 0x01, 0x02  #: interrupt reason, in the sector count register

NO_SECTOR = -1
_PER_CD_SECTOR = CD_SECTOR // SECTOR


class CdDrive(FeaturedDrive):
    """A CD-ROM drive.

    Args:
        cable: the channel.
        unit: 0 or 1 on it.
        disk: the medium; one without sectors: the drive is empty.
        number: of the drive's place in the machine, from 1.
    """

    FIELDS = (
        FeaturedDrive.FIELDS
        | all_of(BYTE, "sense_key", "sense_code")
        | all_of(FLAG, "uses_dma", "tray_locked", "tray_open")
        | all_of(Number(0, 1 << 44), "left", "burst_left")
        | {
            "index": Number(0, MOST_TRANSFER),  #: how much of ``data`` has been moved
            "sector_number": Number(NO_SECTOR, 1 << 32),  #: that is read next; NO_SECTOR: it is an answer
            "sector_size": Number(0, RAW_SECTOR),
        }
    )

    SEEKING = frozenset((0xEF,))

    def __init__(self, cable: Cable, unit: int, disk: Disk, number: int) -> None:
        self.serial = serial_number(disk, number)
        super().__init__(cable, unit, disk, CD_WORDS)
        self.tray_open = False
        self._commands: dict[int, Callable[[], bool]] = {
            DEVICE_RESET: self._device_reset, 0x20: self._not_a_disk, 0xEC: self._not_a_disk,
            0x90: self.diagnose_command, 0xA0: self._packet, 0xA1: self._identify,
            0xE7: self.flush, 0xEF: self.set_features,
        }  # fmt: skip
        self._packet_commands = CdCommands(self)

    @property
    def has_disc(self) -> bool:
        """Whether a medium can be read."""
        return self.sectors > 0 and not self.tray_open

    @property
    def cd_sectors(self) -> int:
        """Sectors of 2048 bytes that the medium has."""
        return self.sectors // _PER_CD_SECTOR

    def clear_registers(self) -> None:
        """What any reset does."""
        super().clear_registers()
        self.sense_key = self.sense_code = 0
        self.uses_dma = self.tray_locked = self.tray_open = False
        self.left = self.burst_left = self.index = self.sector_size = 0
        self.sector_number = NO_SECTOR
        self.data = b""

    def show_signature(self) -> None:
        """Say in the address registers that this is a packet drive."""
        super().show_signature()
        self.cylinder_low, self.cylinder_high = 0x14, 0xEB

    def diagnose(self) -> None:
        """As a disk does, but it does not say that it is ready."""
        self.pass_diagnostic()
        self.status = 0

    # --- ATA commands ------------------------------------------------------------------------
    def commands(self) -> dict[int, Callable[[], bool]]:
        """By command code."""
        return self._commands

    def _device_reset(self) -> bool:
        self.stop_transfer()
        self.cable.cancel()
        self.clear_registers()
        self.status = 0
        return False

    def _not_a_disk(self) -> bool:
        self.show_signature()
        self.abort()
        return True

    def _identify(self) -> bool:
        self.status = READY
        self.offer(identify_cd(self.serial, self.changing_words()), After.NOTHING)
        self.cable.request_interrupt()
        return False

    def _packet(self) -> bool:
        if self.features & OVERLAPPED:
            self.abort()
            return True
        self.status = READY
        self.uses_dma = bool(self.features & USES_DMA)
        self.count = COMMAND_PACKET
        self.ask(PACKET_SIZE, After.PACKET)
        return False

    # --- packets -----------------------------------------------------------------------------
    def transferred(self) -> None:
        """The CPU has moved all data."""
        after = self.after
        if after == After.PACKET:
            self._packet_commands.execute(bytes(self.buffer))
        elif after == After.REPLY:
            self._continue()
        else:
            self.stop_transfer()

    def can_move_data(self) -> bool:
        """Whether the CPU has said how many bytes it takes at once; if not, the command is aborted, as on QEMU without
        an interrupt."""
        if self.uses_dma or self._byte_count_limit():
            return True
        self.abort()
        return False

    def _byte_count_limit(self) -> int:
        limit = self.cylinder_high << 8 | self.cylinder_low
        return 0xFFFE if limit == 0xFFFF else limit

    def succeed(self) -> None:
        self.error = 0
        self.status = READY
        self.stop_transfer()
        self.count = self.count & ~7 | TO_HOST | COMMAND_PACKET
        self.cable.request_interrupt()

    def fail(self, key: int, code: int) -> None:
        self.stop_transfer()
        self.error = key << 4
        self.status = DRDY | ERR
        self.count = self.count & ~7 | TO_HOST | COMMAND_PACKET
        self.sense_key, self.sense_code = key, code
        self.cable.request_interrupt()

    def reply(self, data: bytes, limit: int) -> None:
        self.data = data[:limit]
        self.left = len(self.data)
        self.burst_left = self.index = 0
        self.sector_number = NO_SECTOR
        self.status = READY
        if self.uses_dma:
            self.status |= DRQ
            self.cable.begin_dma(self)
        else:
            self._continue()

    def read_sectors(self, first: int, count: int, size: int) -> None:
        self.sector_number = first
        self.sector_size = size
        self.left = count * size
        self.burst_left = 0
        self.status = READY
        if self.uses_dma:
            self.index = 0
            self.status |= DRQ | BSY
            self.cable.begin_dma(self)
        else:
            self.index = size
            self._continue()

    # --- data that the CPU fetches -----------------------------------------------------------
    def _continue(self) -> None:
        """Offer the next bytes of an answer, or of sectors that are read."""
        if self.left <= 0:
            self.succeed()
            return
        if self.sector_number != NO_SECTOR and self.index >= self.sector_size:
            if not self.burst_left:
                self.cable.begin(self, Work.PACKET_READ, _PER_CD_SECTOR)
                return
            if not self._fetch_sector():
                return
        self._offer_burst()

    def _fetch_sector(self) -> bool:
        data = self.read_disk(self.sector_number * _PER_CD_SECTOR, _PER_CD_SECTOR)
        if data is None:
            self.fail(MEDIUM_ERROR, UNREADABLE)
            return False
        self.data = data if self.sector_size == CD_SECTOR else packets.raw_sector(data, self.sector_number)
        self.sector_number += 1
        self.index = 0
        return True

    def _offer_burst(self) -> None:
        """One interrupt announces as many bytes as the CPU takes at once; a burst goes on over sectors."""
        is_new = not self.burst_left
        if is_new:
            self.count = self.count & ~7 | TO_HOST
            limit = self._byte_count_limit()
            self.burst_left = self.left if self.left <= limit else limit & ~1
            self.cylinder_low, self.cylinder_high = self.burst_left & 0xFF, self.burst_left >> 8 & 0xFF
        size = self.burst_left
        if self.sector_number != NO_SECTOR:
            size = min(size, self.sector_size - self.index)
        self.left -= size
        self.burst_left -= size
        start = self.index
        self.index += size
        self.offer(self.data[start : start + size], After.REPLY)
        if is_new:
            self.cable.request_interrupt()

    # --- DMA ---------------------------------------------------------------------------------
    def dma_sectors(self) -> int:
        """How many the transfer moves."""
        return -(-self.left // SECTOR)

    def finish(self, work: Work) -> None:
        """A piece of work is done."""
        if work is Work.FLUSH:
            self.finish_flush()
        elif work is Work.DMA:
            self._finish_dma()
        elif work is Work.PACKET_READ:
            self.status &= ~BSY
            if self._fetch_sector():
                self._offer_burst()

    def _finish_dma(self) -> None:
        """Move all data at once: the time that it takes has passed. As on QEMU a table that is too short leaves the
        drive waiting for a reset."""
        segments, _ = self.cable.master.segments(self.left, whole=False)
        for address, length in segments:
            at = 0
            while at < length:
                if self.index >= len(self.data) or (self.sector_number != NO_SECTOR and not self.index):
                    if not self._fetch_sector():
                        self.cable.end_dma()
                        return
                piece = self.data[self.index : self.index + length - at]
                detail = "answer" if self.sector_number == NO_SECTOR else f"sector {self.sector_number - 1}"
                self.cable.master.write(address + at, piece, detail)
                at += len(piece)
                self.index += len(piece)
                self.left -= len(piece)
        if not self.left:
            self.succeed()
        self.cable.end_dma()

    # --- state -------------------------------------------------------------------------------
    def save(self) -> dict[str, StateValue]:
        """All of it but the medium."""
        return super().save() | {"data": self.data}

    def load(self, name: str, state: State) -> None:
        """Take back what ``save`` gave."""
        super().load(name, state)
        data = load_field(name, "data", Bytes(0, MOST_TRANSFER), state)
        assert isinstance(data, bytes)
        self.data = data
