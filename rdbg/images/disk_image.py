"""What every disk image can do, whatever its format."""

from __future__ import annotations

from typing import Protocol

from rdbg.images.host_file import HostFile


class DiskImage(Protocol):
    """An open disk image."""

    path: str
    size: int  #: bytes that a guest sees, whole sectors

    @property
    def files(self) -> list[HostFile]:
        """The files that it stands in: its own first, then those behind it."""

    def read(self, offset: int, length: int) -> bytes:
        """Bytes as a guest sees them; zeros past the end.

        Raises:
            RdbgError: they cannot be read, or the image is damaged.
        """

    def write(self, offset: int, data: bytes) -> None:
        """Change bytes within the size. They reach the file no later than with `flush`.

        Raises:
            RdbgError: they cannot be written, or the image is damaged.
        """

    def write_out(self) -> None:
        """Let the file have all that was written, so that the end of this process loses nothing.

        Raises:
            RdbgError: it cannot be written.
        """

    def flush(self) -> None:
        """Let the disk have all that was written, so that a power cut loses nothing.

        Raises:
            RdbgError: it cannot be written.
        """

    def close(self) -> None:
        """Write what waits, and let go of the files. May be called twice."""
