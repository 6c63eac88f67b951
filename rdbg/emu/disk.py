"""Disks as a drive's electronics see them: sectors that can be read and written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import Protocol

from rdbg.emu.disk_overlay import MOST_DISK_PAGES, MOST_DISKS, DiskOverlay
from rdbg.emu.disk_write import FLUSH, DiskWrite, encode_disk_write
from rdbg.emu.endpoint import Endpoint, EndpointKind
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.spec import Drive
from rdbg.errors import RdbgError

SECTOR_SIZE = 512
_SECTORS = PAGE_SIZE // SECTOR_SIZE  # in a page


class DiskError(RdbgError):
    """A disk cannot give what stands in a sector, or take it: a drive reports an uncorrectable error to the guest.

    It happens at the same place each time: whatever cannot be read once cannot be read in a replay.
    """


class DiskSource(Protocol):
    """What a disk holds before the guest has written anything: it never changes."""

    def read(self, page: int, count: int = 1) -> bytes:
        """The bytes of ``count`` pages of 4096 bytes; after the end of the medium there are zeros.

        Raises:
            DiskError: some of them cannot be had.
        """


class NoContents:
    """The source of a disk that has no image.

    Args:
        name: of the disk.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def read(self, page: int, count: int = 1) -> bytes:
        """Nothing can be read."""
        raise DiskError(f"disk {self._name}: there is no image to read its page {page} from")


class Disk:
    """A disk: a source that never changes, and above it what the guest has written, which is a part of the machine's
    pages.

    Args:
        drive: what it is.
        number: of the disk in the machine.
        overlay: where its written pages are.
        source: the rest.
        output: takes what leaves for the image: `rdbg.emu.disk_write`.
    """

    def __init__(
        self, drive: Drive, number: int, overlay: DiskOverlay, source: DiskSource, output: Callable[[bytes], None]
    ) -> None:
        self.name = drive.name
        self.endpoint = Endpoint(EndpointKind.DISK, number)
        self.sectors = drive.size_bytes // SECTOR_SIZE  #: 0: a drive without a medium
        self.read_only = drive.read_only
        self.cdrom = drive.media == "cdrom"
        self.serial = drive.serial
        self._number = number
        self._overlay = overlay
        self._source = source
        self._output = output

    def read(self, sector: int, count: int) -> bytes:
        """The bytes of ``count`` sectors of 512 bytes.

        Raises:
            DiskError: they are beyond the end, or cannot be had.
        """
        self._check(sector, count, "reads")
        page, first = divmod(sector, _SECTORS)
        written = self._overlay.find_all(self._number, page, -(-(first + count) // _SECTORS))
        out: list[bytes] = []
        for is_written, run in groupby(written, bool):
            pages = list(run)
            out += map(self._overlay.content, pages) if is_written else [self._source.read(page, len(pages))]
            page += len(pages)
        return b"".join(out)[first * SECTOR_SIZE : (first + count) * SECTOR_SIZE]

    def write(self, sector: int, data: bytes) -> None:
        """Write whole sectors: all of them or, if one cannot be, none.

        Raises:
            DiskError: they are beyond the end, or the disk is read-only, or what stands beside them cannot be had.
        """
        self._check(sector, len(data) // SECTOR_SIZE, "writes")
        if not data:
            return
        if self.read_only or len(data) % SECTOR_SIZE:
            raise DiskError(f"disk {self.name}: {len(data)} bytes cannot be written at sector {sector}")
        pieces: list[tuple[int, int, bytes, bytes]] = []
        at = 0
        while at < len(data):
            page, first = divmod(sector + at // SECTOR_SIZE, _SECTORS)
            start = first * SECTOR_SIZE
            size = min(len(data) - at, PAGE_SIZE - start)
            whole = size == PAGE_SIZE or self._overlay.find(self._number, page) is not None
            pieces.append((page, start, data[at : at + size], b"" if whole else self._source.read(page)))
            at += size
        try:
            self._overlay.check_room(self._number, [page for page, *_ in pieces])
            for page, start, piece, before in pieces:
                found = self._overlay.make(self._number, page)
                if before:
                    self._overlay.fill(found, 0, before)
                self._overlay.fill(found, start, piece)
        except RdbgError as error:
            raise DiskError(f"disk {self.name}: {error}") from error
        self._output(encode_disk_write(DiskWrite(sector, data)))

    def flush(self) -> None:
        """What was written so far is to last before anything that is written later."""
        self._output(encode_disk_write(FLUSH))

    def _check(self, sector: int, count: int, does: str) -> None:
        if sector < 0 or count < 0 or sector + count > self.sectors:
            raise DiskError(
                f"disk {self.name}: the guest {does} {count} sectors at {sector}, and there are {self.sectors}"
            )


def make_disks(
    drives: Sequence[Drive],
    overlay: DiskOverlay,
    sources: Sequence[DiskSource] | None,
    output: Callable[[Endpoint, bytes], None],
) -> dict[str, Disk]:
    """What is in each drive, by the drive's name.

    Args:
        drives: of a machine.
        overlay: of the machine.
        sources: what the drives hold at first, in their order; None: nothing can be read.
        output: takes what leaves for the images.

    Raises:
        RdbgError: a drive cannot be as it is described.
    """
    made: dict[str, Disk] = {}
    if len(drives) > MOST_DISKS:
        raise RdbgError(f"a machine has at most {MOST_DISKS} drives, not {len(drives)}")
    for number, drive in enumerate(drives):
        if drive.size_bytes % SECTOR_SIZE or drive.size_bytes > MOST_DISK_PAGES * PAGE_SIZE:
            most = MOST_DISK_PAGES * PAGE_SIZE >> 40
            raise RdbgError(
                f"drive {drive.name!r} cannot have {drive.size_bytes} bytes: they are in sectors of {SECTOR_SIZE}, up "
                f"to {most} TiB"
            )
        if drive.media not in ("disk", "cdrom") or drive.name in made:
            raise RdbgError(f"drive {drive.name!r} is there twice, or is neither a disk nor a cdrom")
        source = NoContents(drive.name) if sources is None else sources[number]
        made[drive.name] = Disk(drive, number, overlay, source, partial(output, Endpoint(EndpointKind.DISK, number)))
    return made
