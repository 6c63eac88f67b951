"""What the packet commands of a CD-ROM drive do, as QEMU 7.2's drive does them. The drive moves the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rdbg.emu.devices.ide import packets
from rdbg.emu.devices.ide.packets import CD_SECTOR, RAW_SECTOR

# Sense keys and additional sense codes.
NOT_READY, MEDIUM_ERROR, ILLEGAL_REQUEST = 0x2, 0x3, 0x5
UNREADABLE, BAD_OPERATION, OUT_OF_RANGE, BAD_FIELD = 0x11, 0x20, 0x21, 0x24
WRONG_FORMAT, NO_SAVING, NO_MEDIUM, REMOVAL_PREVENTED = 0x30, 0x39, 0x3A, 0x53

#: Commands that want a medium, and those that move no data (READ CD: perhaps none).
WANT_MEDIUM = frozenset((0x00, 0x25, 0x28, 0x2B, 0x43, 0x51, 0xA8, 0xAD, 0xBE))
WITHOUT_DATA = frozenset((0x00, 0x1B, 0x1E, 0x2B, 0xBB, 0xBE))

#: The answer's most bytes; the drive's buffer has no more.
_CONFIGURATION_MOST = 512
_MEDIA_CLASS = 1 << 4


class PacketDrive(Protocol):
    """The drive, as its packet commands see it."""

    serial: str
    sectors: int  #: of 512 bytes, that the medium has; 0: there is none
    sense_key: int
    sense_code: int
    tray_open: bool
    tray_locked: bool

    @property
    def has_disc(self) -> bool:
        """Whether a medium can be read."""

    @property
    def cd_sectors(self) -> int:
        """Sectors of 2048 bytes that the medium has."""

    def can_move_data(self) -> bool:
        """Whether the CPU has said how many bytes it takes at once; if not, the command is aborted."""

    def succeed(self) -> None:
        """The command is over."""

    def fail(self, key: int, code: int) -> None:
        """The command cannot be done.

        Args:
            key, code: what REQUEST SENSE says of it.
        """

    def reply(self, data: bytes, limit: int) -> None:
        """Answer with the first ``limit`` bytes of data."""

    def read_sectors(self, first: int, count: int, size: int) -> None:
        """Answer with sectors of the medium.

        Args:
            first: number of the first.
            count: how many.
            size: bytes of each that the CPU gets.
        """


class CdCommands:
    """The packet commands of a drive.

    Args:
        drive: whose.
    """

    def __init__(self, drive: PacketDrive) -> None:
        self._drive = drive
        self._commands: dict[int, Callable[[bytes], None]] = {
            0x00: lambda packet: drive.succeed(), 0x03: self._request_sense, 0x12: self._inquiry,
            0x1B: self._start_stop, 0x1E: self._lock, 0x25: self._capacity, 0x28: self._read, 0x2B: self._seek,
            0x43: self._contents, 0x46: self._configuration, 0x4A: self._event, 0x51: self._disc_information,
            0x5A: self._mode_sense, 0xA8: self._read, 0xAD: self._dvd_structure,
            0xBB: lambda packet: drive.succeed(), 0xBD: self._mechanism_status, 0xBE: self._read_cd,
        }  # fmt: skip

    def execute(self, packet: bytes) -> None:
        """Do what a packet says."""
        known = self._commands.get(packet[0])
        if packet[0] in WANT_MEDIUM and not self._drive.has_disc:
            self._drive.fail(NOT_READY, NO_MEDIUM)
        elif known is None:
            self._drive.fail(ILLEGAL_REQUEST, BAD_OPERATION)
        elif packet[0] in WITHOUT_DATA or self._drive.can_move_data():
            known(packet)

    def _answer(self, data: bytes | None, limit: int) -> None:
        """Reply with data; None: a field of the packet cannot be."""
        if data is None:
            self._drive.fail(ILLEGAL_REQUEST, BAD_FIELD)
        else:
            self._drive.reply(data, limit)

    def _request_sense(self, packet: bytes) -> None:
        self._drive.reply(packets.sense(self._drive.sense_key, self._drive.sense_code), packet[4])

    def _inquiry(self, packet: bytes) -> None:
        if packet[1] & 1:
            self._answer(packets.inquiry_page(packet[2], self._drive.serial), packet[4])
        else:
            self._drive.reply(packets.inquiry(), packet[4])

    def _start_stop(self, packet: bytes) -> None:
        start, load_or_eject = packet[4] & 1, packet[4] & 2
        if not packet[4] & 0xF0 and load_or_eject:
            if not start and not self._drive.tray_open and self._drive.tray_locked:
                self._drive.fail(NOT_READY if self._drive.sectors else ILLEGAL_REQUEST, REMOVAL_PREVENTED)
                return
            self._drive.tray_open = not start
        self._drive.succeed()

    def _lock(self, packet: bytes) -> None:
        self._drive.tray_locked = bool(packet[4] & 1)
        self._drive.succeed()

    def _capacity(self, packet: bytes) -> None:
        self._drive.reply(packets.capacity(self._drive.cd_sectors), 8)

    def _is_inside(self, first: int, count: int) -> bool:
        """Whether sectors are on the disc; if not, the command fails."""
        if first < self._drive.cd_sectors and first + count <= self._drive.cd_sectors:
            return True
        self._drive.fail(ILLEGAL_REQUEST, OUT_OF_RANGE)
        return False

    def _read(self, packet: bytes) -> None:
        first = int.from_bytes(packet[2:6], "big")
        count = int.from_bytes(packet[7:9] if packet[0] == 0x28 else packet[6:10], "big")
        if not count:
            self._drive.succeed()
        elif self._is_inside(first, count):
            self._drive.read_sectors(first, count, CD_SECTOR)

    def _read_cd(self, packet: bytes) -> None:
        first, count = int.from_bytes(packet[2:6], "big"), int.from_bytes(packet[6:9], "big")
        wanted = packet[9] & 0xF8
        if not count:
            self._drive.succeed()
        elif not self._is_inside(first, count):
            return
        elif not wanted:
            self._drive.succeed()
        elif self._drive.can_move_data():
            if wanted in (0x10, 0xF8):
                self._drive.read_sectors(first, count, CD_SECTOR if wanted == 0x10 else RAW_SECTOR)
            else:
                self._drive.fail(ILLEGAL_REQUEST, BAD_FIELD)

    def _seek(self, packet: bytes) -> None:
        if self._is_inside(int.from_bytes(packet[2:6], "big"), 1):
            self._drive.succeed()

    def _contents(self, packet: bytes) -> None:
        in_minutes, limit = bool(packet[1] & 2), int.from_bytes(packet[7:9], "big")
        kind = packet[9] >> 6
        data: bytes | None = None
        if kind == 0:
            data = packets.contents(self._drive.cd_sectors, in_minutes, packet[6])
        elif kind == 1:
            data = packets.sessions()
        elif kind == 2:
            data = packets.raw_contents(self._drive.cd_sectors, in_minutes)
        self._answer(data, limit)

    def _configuration(self, packet: bytes) -> None:
        if packet[2] or packet[3]:
            self._drive.fail(ILLEGAL_REQUEST, BAD_FIELD)
            return
        limit = min(int.from_bytes(packet[7:9], "big"), _CONFIGURATION_MOST)
        self._drive.reply(packets.configuration(self._drive.cd_sectors if self._drive.has_disc else 0), limit)

    def _event(self, packet: bytes) -> None:
        limit = int.from_bytes(packet[7:9], "big")
        if not packet[1] & 1:
            self._drive.fail(ILLEGAL_REQUEST, BAD_FIELD)
        elif packet[4] & _MEDIA_CLASS:
            self._drive.reply(packets.media_event(self._drive.tray_open, self._drive.sectors > 0), limit)
        else:
            self._drive.reply(packets.no_event(), limit)

    def _disc_information(self, packet: bytes) -> None:
        data = None if packet[1] & 7 else packets.disc_information()
        self._answer(data, int.from_bytes(packet[7:9], "big"))

    def _mode_sense(self, packet: bytes) -> None:
        kind = packet[2] >> 6
        if kind == 3:
            self._drive.fail(ILLEGAL_REQUEST, NO_SAVING)
            return
        data = None if kind else packets.mode_page(packet[2] & 0x3F, self._drive.tray_locked)
        self._answer(data, int.from_bytes(packet[7:9], "big"))

    def _mechanism_status(self, packet: bytes) -> None:
        self._drive.reply(packets.mechanism_status(), int.from_bytes(packet[8:10], "big"))

    def _dvd_structure(self, packet: bytes) -> None:
        kind = packet[7]
        if kind < 0xFF and self._drive.cd_sectors <= packets.CD_MOST:
            self._drive.fail(ILLEGAL_REQUEST, WRONG_FORMAT)
            return
        data = packets.dvd_structure(kind, packet[6], self._drive.cd_sectors) if not packet[1] else None
        self._answer(data, int.from_bytes(packet[8:10], "big"))
