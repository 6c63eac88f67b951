"""A folder of the host as a disk with a FAT file system: QEMU's ``fat:DIR``. It is made by mtools when it is opened."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from struct import pack

from rdbg.emu.disk import SECTOR_SIZE
from rdbg.errors import RdbgError
from rdbg.images.folder_disk import FolderDisk, parse_folder
from rdbg.images.host_file import HostFile
from rdbg.images.raw_image import RawImage

_LABEL = "QEMU VVFAT"  #: QEMU's
_SERIAL_NUMBER = "12345678"
_INSTALL = "fat: needs mtools; on Debian: apt install mtools"
_SECONDS = 120


class FolderImage(RawImage):
    """The disk that was made of a folder. It has no file that others could change."""

    @property
    def files(self) -> list[HostFile]:
        """None."""
        return []


def open_folder(text: str) -> FolderImage:
    """Make a disk of a folder, as it is now.

    Args:
        text: ``fat:...``.

    Raises:
        RdbgError: mtools is missing, it is no folder, or does not fit.
    """
    disk = parse_folder(text)
    _check(disk)
    handle, path = tempfile.mkstemp(prefix="rdbg-fat-")
    try:
        with open(handle, "r+b") as file:
            file.truncate(disk.sectors * SECTOR_SIZE)
            if not disk.floppy:
                file.write(_partition_table(disk))
        place = f"{path}@@{disk.start * SECTOR_SIZE}"
        _run(disk, "mformat", "-i", place, *_format(disk), "::")
        # Absolute: mtools would take "-x/file" for an option, and "c:/file" for one of its drives.
        folder = os.path.abspath(disk.folder)
        entries = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
        if entries:
            _run(disk, "mcopy", "-i", place, "-s", "-m", "-Q", "-D", "a", "-D", "A", *entries, "::/")
        made = FolderImage(HostFile(path, False))
    finally:
        os.unlink(path)  # what is open stays
    made.path = text
    return made


def _check(disk: FolderDisk) -> None:
    if not os.path.isdir(disk.folder):
        raise RdbgError(f"fat:{disk.folder}: no folder; mend the name")
    if shutil.which("mformat") is None:
        raise RdbgError(_INSTALL)
    room = (disk.sectors - disk.start) * SECTOR_SIZE
    size = 0
    for path, status in _entries(disk.folder):
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise RdbgError(f"{path}: neither a file nor a folder; fat: takes no others, so move it out of there")
        size += status.st_size
        if size > room:
            raise RdbgError(
                f"fat:{disk.folder}: does not fit: a FAT{disk.bits} disk as QEMU's has {room} bytes; name a smaller "
                "folder, or make an image of your own"
            )


def _entries(folder: str, behind: tuple[tuple[int, int], ...] = ()) -> Iterator[tuple[str, os.stat_result]]:
    """What is in a folder and those below; links are followed, as in QEMU."""
    try:
        status = os.stat(folder)
        here = (status.st_dev, status.st_ino)
        if here in behind:
            raise RdbgError(f"{folder}: a link to a folder that it is in; take it out of there")
        seen: dict[str, str] = {}
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            other = seen.setdefault(name.casefold(), name)
            if other != name:
                raise RdbgError(f"{path}: FAT cannot tell it from {other}; rename one")
            status = os.stat(path)
            yield path, status
            if stat.S_ISDIR(status.st_mode):
                yield from _entries(path, (*behind, here))
            elif not os.access(path, os.R_OK):
                raise RdbgError(f"{path}: cannot be read; change its mode, or take it out of there")
    except OSError as error:
        raise RdbgError(f"{error.filename}: {error.strerror}; mend it, or take it out of there") from error


def _partition_table(disk: FolderDisk) -> bytes:
    """The disk's first sector: one active partition that reaches to the end."""
    cylinders, heads, sectors = disk.geometry
    kind = {12: 0x01, 16: 0x06, 32: 0x0B}[disk.bits]
    last = cylinders - 1
    entry = pack(
        "<8B2I", 0x80, 1, 1, 0, kind, heads - 1, sectors | (last >> 8) << 6, last & 0xFF,
        disk.start, disk.sectors - disk.start,
    )  # fmt: skip
    return bytes(440) + pack("<IH", 0xBE1AFDFA, 0) + entry.ljust(64, b"\0") + b"\x55\xaa"


def _format(disk: FolderDisk) -> list[str]:
    cylinders, heads, sectors = disk.geometry
    words = ["-T", str(disk.sectors - disk.start), "-h", str(heads), "-s", str(sectors), "-H", str(disk.start)]
    words += ["-v", _LABEL, "-N", _SERIAL_NUMBER]
    if disk.floppy:
        return [*words, "-c", "2", "-m", "0xf0"] if disk.bits == 12 else [*words, "-c", "1", "-m", "0xf0"]
    return [*words, "-F"] if disk.bits == 32 else [*words, "-c", "16", "-m", "0xf8"]


def _run(disk: FolderDisk, program: str, *words: str) -> None:
    surroundings = {**os.environ, "MTOOLS_SKIP_CHECK": "1", "MTOOLSRC": os.devnull, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    try:
        done = subprocess.run(
            [program, *words], stdin=subprocess.DEVNULL, capture_output=True, env=surroundings, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RdbgError(f"fat:{disk.folder}: {program}: {error}") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise RdbgError(f"fat:{disk.folder}: {program} makes no file system of it: {said[-1] if said else 'no reason'}")
