"""A CD-ROM drive on an IDE channel: packet commands (ATA/ATAPI-7, volume 2, PACKET), as QEMU 7.2's drive takes them.

A medium is never changed while the machine runs, so there is no unit attention.
"""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.device import State, StateValue
from rdbg.emu.devices.fields import BYTE, FLAG, Bytes, Number, all_of, load_field
from rdbg.emu.devices.ide import packets
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
from rdbg.emu.disk import Disk, DiskError

PACKET_SIZE = 12
USES_DMA, OVERLAPPED = 0x01, 0x02  #: of the features register
COMMAND_PACKET, TO_HOST = 0x01, 0x02  #: interrupt reason, in the sector count register

# Sense keys and additional sense codes.
NOT_READY, MEDIUM_ERROR, ILLEGAL_REQUEST = 0x2, 0x3, 0x5
UNREADABLE, BAD_OPERATION, OUT_OF_RANGE, BAD_FIELD = 0x11, 0x20, 0x21, 0x24
WRONG_FORMAT, NO_SAVING, NO_MEDIUM, REMOVAL_PREVENTED = 0x30, 0x39, 0x3A, 0x53

NO_SECTOR = -1
_PER_CD_SECTOR = CD_SECTOR // SECTOR
#: The answer's most bytes; the drive's buffer has no more.
_CONFIGURATION_MOST = 512
_MEDIA_CLASS = 1 << 4


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
        self._serial = serial_number(disk, number)
        super().__init__(cable, unit, disk, CD_WORDS)
        self.tray_open = False
        self._commands: dict[int, Callable[[], bool]] = {
            DEVICE_RESET: self._device_reset, 0x20: self._not_a_disk, 0xEC: self._not_a_disk,
            0x90: self.diagnose_command, 0xA0: self._packet, 0xA1: self._identify,
            0xE7: self.flush, 0xEF: self.set_features,
        }  # fmt: skip
        self._packets: dict[int, Callable[[bytes], None]] = {
            0x00: lambda packet: self._succeed(), 0x03: self._request_sense, 0x12: self._inquiry,
            0x1B: self._start_stop, 0x1E: self._lock, 0x25: self._capacity, 0x28: self._read, 0x2B: self._seek,
            0x43: self._contents, 0x46: self._configuration, 0x4A: self._event, 0x51: self._disc_information,
            0x5A: self._mode_sense, 0xA8: self._read, 0xAD: self._dvd_structure,
            0xBB: lambda packet: self._succeed(), 0xBD: self._mechanism_status, 0xBE: self._read_cd,
        }  # fmt: skip

    #: Packet commands that want a medium, and those that move no data (READ CD: perhaps none).
    WANT_MEDIUM = frozenset((0x00, 0x25, 0x28, 0x2B, 0x43, 0x51, 0xA8, 0xAD, 0xBE))
    WITHOUT_DATA = frozenset((0x00, 0x1B, 0x1E, 0x2B, 0xBB, 0xBE))

    @property
    def _has_disc(self) -> bool:
        return self.sectors > 0 and not self.tray_open

    @property
    def _cd_sectors(self) -> int:
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
        self.offer(identify_cd(self._serial, self.changing_words()), After.NOTHING)
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
            self._execute_packet(bytes(self.buffer))
        elif after == After.REPLY:
            self._continue()
        else:
            self.stop_transfer()

    def _execute_packet(self, packet: bytes) -> None:
        known = self._packets.get(packet[0])
        if packet[0] in self.WANT_MEDIUM and not self._has_disc:
            self._fail(NOT_READY, NO_MEDIUM)
        elif known is None:
            self._fail(ILLEGAL_REQUEST, BAD_OPERATION)
        elif packet[0] in self.WITHOUT_DATA or self._can_move_data():
            known(packet)

    def _can_move_data(self) -> bool:
        """Whether the CPU has said how many bytes it takes at once; if not, the command is aborted, as on QEMU without
        an interrupt."""
        if self.uses_dma or self._byte_count_limit():
            return True
        self.abort()
        return False

    def _byte_count_limit(self) -> int:
        limit = self.cylinder_high << 8 | self.cylinder_low
        return 0xFFFE if limit == 0xFFFF else limit

    def _succeed(self) -> None:
        self.error = 0
        self.status = READY
        self.stop_transfer()
        self.count = self.count & ~7 | TO_HOST | COMMAND_PACKET
        self.cable.request_interrupt()

    def _fail(self, key: int, code: int) -> None:
        self.stop_transfer()
        self.error = key << 4
        self.status = DRDY | ERR
        self.count = self.count & ~7 | TO_HOST | COMMAND_PACKET
        self.sense_key, self.sense_code = key, code
        self.cable.request_interrupt()

    def _reply(self, data: bytes, limit: int) -> None:
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

    def _reply_or_fail(self, data: bytes | None, limit: int) -> None:
        if data is None:
            self._fail(ILLEGAL_REQUEST, BAD_FIELD)
        else:
            self._reply(data, limit)

    def _read_sectors(self, first: int, count: int, size: int) -> None:
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
            self._succeed()
            return
        if self.sector_number != NO_SECTOR and self.index >= self.sector_size:
            if not self.burst_left:
                self.cable.begin(self, Work.PACKET_READ, _PER_CD_SECTOR)
                return
            if not self._fetch_sector():
                return
        self._offer_burst()

    def _fetch_sector(self) -> bool:
        assert self.disk is not None
        try:
            data = self.disk.read(self.sector_number * _PER_CD_SECTOR, _PER_CD_SECTOR)
        except DiskError as error:
            self.cable.log(str(error))
            self._fail(MEDIUM_ERROR, UNREADABLE)
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
        segments, _ = self.cable.dma_segments(self.left, whole=False)
        for address, length in segments:
            at = 0
            while at < length:
                if self.index >= len(self.data) or (self.sector_number != NO_SECTOR and not self.index):
                    if not self._fetch_sector():
                        self.cable.end_dma()
                        return
                piece = self.data[self.index : self.index + length - at]
                detail = "answer" if self.sector_number == NO_SECTOR else f"sector {self.sector_number - 1}"
                self.cable.dma_write(address + at, piece, detail)
                at += len(piece)
                self.index += len(piece)
                self.left -= len(piece)
        if not self.left:
            self._succeed()
        self.cable.end_dma()

    # --- packet commands ---------------------------------------------------------------------
    def _request_sense(self, packet: bytes) -> None:
        self._reply(packets.sense(self.sense_key, self.sense_code), packet[4])

    def _inquiry(self, packet: bytes) -> None:
        if packet[1] & 1:
            self._reply_or_fail(packets.inquiry_page(packet[2], self._serial), packet[4])
        else:
            self._reply(packets.inquiry(), packet[4])

    def _start_stop(self, packet: bytes) -> None:
        start, load_or_eject = packet[4] & 1, packet[4] & 2
        if not packet[4] & 0xF0 and load_or_eject:
            if not start and not self.tray_open and self.tray_locked:
                self._fail(NOT_READY if self.sectors else ILLEGAL_REQUEST, REMOVAL_PREVENTED)
                return
            self.tray_open = not start
        self._succeed()

    def _lock(self, packet: bytes) -> None:
        self.tray_locked = bool(packet[4] & 1)
        self._succeed()

    def _capacity(self, packet: bytes) -> None:
        self._reply(packets.capacity(self._cd_sectors), 8)

    def _is_inside(self, first: int, count: int) -> bool:
        """Whether sectors are on the disc; if not, the command fails."""
        if first < self._cd_sectors and first + count <= self._cd_sectors:
            return True
        self._fail(ILLEGAL_REQUEST, OUT_OF_RANGE)
        return False

    def _read(self, packet: bytes) -> None:
        first = int.from_bytes(packet[2:6], "big")
        count = int.from_bytes(packet[7:9] if packet[0] == 0x28 else packet[6:10], "big")
        if not count:
            self._succeed()
        elif self._is_inside(first, count):
            self._read_sectors(first, count, CD_SECTOR)

    def _read_cd(self, packet: bytes) -> None:
        first, count = int.from_bytes(packet[2:6], "big"), int.from_bytes(packet[6:9], "big")
        wanted = packet[9] & 0xF8
        if not count:
            self._succeed()
        elif not self._is_inside(first, count):
            return
        elif not wanted:
            self._succeed()
        elif self._can_move_data():
            if wanted in (0x10, 0xF8):
                self._read_sectors(first, count, CD_SECTOR if wanted == 0x10 else RAW_SECTOR)
            else:
                self._fail(ILLEGAL_REQUEST, BAD_FIELD)

    def _seek(self, packet: bytes) -> None:
        if self._is_inside(int.from_bytes(packet[2:6], "big"), 1):
            self._succeed()

    def _contents(self, packet: bytes) -> None:
        in_minutes, limit = bool(packet[1] & 2), int.from_bytes(packet[7:9], "big")
        kind = packet[9] >> 6
        data: bytes | None = None
        if kind == 0:
            data = packets.contents(self._cd_sectors, in_minutes, packet[6])
        elif kind == 1:
            data = packets.sessions()
        elif kind == 2:
            data = packets.raw_contents(self._cd_sectors, in_minutes)
        self._reply_or_fail(data, limit)

    def _configuration(self, packet: bytes) -> None:
        if packet[2] or packet[3]:
            self._fail(ILLEGAL_REQUEST, BAD_FIELD)
            return
        limit = min(int.from_bytes(packet[7:9], "big"), _CONFIGURATION_MOST)
        self._reply(packets.configuration(self._cd_sectors if self._has_disc else 0), limit)

    def _event(self, packet: bytes) -> None:
        limit = int.from_bytes(packet[7:9], "big")
        if not packet[1] & 1:
            self._fail(ILLEGAL_REQUEST, BAD_FIELD)
        elif packet[4] & _MEDIA_CLASS:
            self._reply(packets.media_event(self.tray_open, self.sectors > 0), limit)
        else:
            self._reply(packets.no_event(), limit)

    def _disc_information(self, packet: bytes) -> None:
        data = None if packet[1] & 7 else packets.disc_information()
        self._reply_or_fail(data, int.from_bytes(packet[7:9], "big"))

    def _mode_sense(self, packet: bytes) -> None:
        kind = packet[2] >> 6
        if kind == 3:
            self._fail(ILLEGAL_REQUEST, NO_SAVING)
            return
        data = None if kind else packets.mode_page(packet[2] & 0x3F, self.tray_locked)
        self._reply_or_fail(data, int.from_bytes(packet[7:9], "big"))

    def _mechanism_status(self, packet: bytes) -> None:
        self._reply(packets.mechanism_status(), int.from_bytes(packet[8:10], "big"))

    def _dvd_structure(self, packet: bytes) -> None:
        kind = packet[7]
        if kind < 0xFF and self._cd_sectors <= packets.CD_MOST:
            self._fail(ILLEGAL_REQUEST, WRONG_FORMAT)
            return
        data = packets.dvd_structure(kind, packet[6], self._cd_sectors) if not packet[1] else None
        self._reply_or_fail(data, int.from_bytes(packet[8:10], "big"))

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
