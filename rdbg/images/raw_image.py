"""Images that hold a disk's bytes as they are."""

from __future__ import annotations

from rdbg.emu.disk import SECTOR_SIZE
from rdbg.images.host_file import HostFile


class RawImage:
    """A raw image. Where the file does not end with a whole sector, zeros fill it, as in QEMU.

    Args:
        file: is closed with it.
    """

    def __init__(self, file: HostFile) -> None:
        self._file = file
        self.path = file.path
        self.size = -(-file.size // SECTOR_SIZE) * SECTOR_SIZE

    @property
    def files(self) -> list[HostFile]:
        """The one file."""
        return [self._file]

    def read(self, offset: int, length: int) -> bytes:
        """Bytes; see DiskImage."""
        return self._file.read(offset, length)

    def write(self, offset: int, data: bytes) -> None:
        """Change bytes; see DiskImage."""
        self._file.write(offset, data)

    def write_out(self) -> None:
        """Nothing waits."""

    def flush(self) -> None:
        """Let the disk have it all."""
        self._file.flush()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
