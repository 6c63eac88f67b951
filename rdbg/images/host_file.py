"""A file or block device that an image stands in."""

from __future__ import annotations

import os
import stat

from rdbg.errors import RdbgError
from rdbg.images.image_lock import lock_image


def identity(path: str) -> tuple[int, int] | None:
    """Device and number of the file that has a name; None: none has it."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


class HostFile:
    """An open file, locked against whoever would write to it meanwhile.

    Args:
        path: its name.
        writable: whether it is going to be written.
        what: it is, for messages.

    Raises:
        RdbgError: it cannot be opened, is no file, or another process uses it.
    """

    def __init__(self, path: str, writable: bool, what: str = "the disk image") -> None:
        self.path = path
        self.writable = writable
        self._fd = -1
        try:
            flags = os.O_RDWR if writable else os.O_RDONLY
            self._fd = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
            status = os.fstat(self._fd)
            if not (stat.S_ISREG(status.st_mode) or stat.S_ISBLK(status.st_mode)):
                kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a character device or a pipe"
                raise RdbgError(f"{path}: cannot use {what}: it is {kind}; give a file")
            self.size = os.lseek(self._fd, 0, os.SEEK_END)  #: bytes
            if not lock_image(self._fd, writable):
                raise RdbgError(
                    f"{path}: cannot use {what}: another process, or another drive, uses it; end that one, or give a "
                    "copy of the file"
                )
        except (OSError, ValueError) as error:
            self.close()
            raise self._failure(what, error, writable) from error
        except RdbgError:
            self.close()
            raise
        self.identity = (status.st_dev, status.st_ino)
        self._changed_ns = status.st_mtime_ns

    def _failure(self, what: str, error: OSError | ValueError, writable: bool) -> RdbgError:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        cure = ""
        if isinstance(error, FileNotFoundError):
            cure = "; make one with qemu-img create, or mend the name"
        elif isinstance(error, IsADirectoryError):
            reason, cure = "it is a folder", "; give a file"
        elif isinstance(error, PermissionError) and writable:
            cure = "; add snapshot=on, which leaves it as it is"
        elif isinstance(error, OSError) and error.errno == 30:  # read-only file system
            cure = "; add snapshot=on, which leaves it as it is"
        return RdbgError(f"{self.path}: cannot open {what}: {reason}{cure}")

    def read(self, offset: int, length: int) -> bytes:
        """Bytes from ``offset``; zeros past the end.

        Raises:
            RdbgError: the host cannot read them.
        """
        out = b""
        try:
            out = os.pread(self._fd, length, offset)
            while 0 < len(out) < length:
                more = os.pread(self._fd, length - len(out), offset + len(out))
                if not more:
                    break
                out += more
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise RdbgError(f"{self.path}: cannot read {length} bytes at offset {offset}: {reason}") from error
        return out.ljust(length, b"\0")

    def write(self, offset: int, data: bytes) -> None:
        """Write all of ``data``.

        Raises:
            RdbgError: the host cannot.
        """
        written = 0
        try:
            while written < len(data):
                written += os.pwrite(self._fd, data[written:], offset + written)
        except OSError as error:
            raise RdbgError(
                f"{self.path}: cannot write {len(data)} bytes at offset {offset}: {error.strerror}"
            ) from error
        self.size = max(self.size, offset + len(data))

    def flush(self) -> None:
        """Let the disk have all that was written.

        Raises:
            RdbgError: it does not take it.
        """
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise RdbgError(f"{self.path}: cannot let the disk have what was written: {error.strerror}") from error

    def note_own_change(self) -> None:
        """What was written so far was written by us."""
        self._changed_ns = os.fstat(self._fd).st_mtime_ns

    def strange_change(self) -> str | None:
        """What another program has done to the file since it was opened, or since `note_own_change`; None: nothing."""
        status = os.fstat(self._fd)
        if stat.S_ISBLK(status.st_mode):
            return None
        if identity(self.path) != self.identity:
            return f"{self.path}: deleted, moved away or replaced while the guest runs; the file that was there is used"
        if status.st_mtime_ns != self._changed_ns:
            return (
                f"{self.path}: another program has written to the image while the guest runs; what the guest reads of "
                "it from now on may be neither the old nor the new"
            )
        return None

    @property
    def is_open(self) -> bool:
        """Whether it is open still."""
        return self._fd >= 0

    def close(self) -> None:
        """Let go of it. May be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
