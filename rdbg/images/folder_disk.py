"""What ``-drive file=fat:DIR`` says."""

from __future__ import annotations

import re

from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass

PREFIX = "fat:"
_FORM = re.compile(r"fat:((?:(?:rw|floppy|12|16|32):)*)(.*)", re.DOTALL)


@dataclass(frozen=True)
class FolderDisk:
    """What ``fat:[rw:][floppy:][12:|16:|32:]DIR`` asks for.

    Args:
        folder: of the host.
        bits: of an entry of the file allocation table.
        floppy: the file system begins with the disk; else it is in the disk's first partition.
        writable: ``rw``.
    """

    folder: str
    bits: int = 16
    floppy: bool = False
    writable: bool = False

    @property
    def geometry(self) -> tuple[int, int, int]:
        """Cylinders, heads and sectors, as QEMU has them."""
        if self.floppy:
            return 80, 2, 36
        return (64 if self.bits == 12 else 1024), 16, 63

    @property
    def start(self) -> int:
        """The sector at which the file system begins."""
        return 0 if self.floppy else self.geometry[2]

    @property
    def sectors(self) -> int:
        """Of the whole disk."""
        cylinders, heads, sectors = self.geometry
        return cylinders * heads * sectors


def parse_folder(text: str) -> FolderDisk:
    """Understand ``fat:...``.

    Raises:
        RdbgError: it names no folder.
    """
    words, folder = _FORM.findall(text)[0]
    said = words.split(":")
    if not folder:
        raise RdbgError(f"{text}: names no folder; write fat:rw:DIR")
    floppy = "floppy" in said
    bits = next((int(word) for word in said if word.isdigit()), 12 if floppy else 16)
    if floppy and bits == 32:
        raise RdbgError(f"{text}: a floppy disk is too small for FAT32; drop 32:")
    return FolderDisk(folder, bits, floppy, "rw" in said)
