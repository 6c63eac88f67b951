"""Reading files that are named by a user or by another file: those only that can be read to an end."""

from __future__ import annotations

import os
import stat

from rdbg.errors import RdbgError

#: More than any image: a kernel with all its debugging information takes 400 MB.
MOST_BYTES = 512 << 20


def open_regular(path: str, what: str) -> int:
    """A descriptor for reading a file. A device or a FIFO may never end, and opening it may wait for ever.

    Args:
        path: its name.
        what: it is, for messages; e.g. ``the kernel image``.

    Raises:
        RdbgError: it cannot be opened, or it is no regular file.
    """
    if not path:
        raise RdbgError(f"cannot read {what}: its name is empty; give a file")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError) as error:  # the latter: a name that no file can have
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise RdbgError(f"{path}: cannot read {what}: {reason}") from error
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    kind = "a folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "a device or a pipe"
    os.close(descriptor)
    raise RdbgError(f"{path}: cannot read {what}: it is {kind}; give a file")


def read_regular(path: str, what: str, most: int = MOST_BYTES) -> bytes:
    """All of a file.

    Args:
        path: its name.
        what: it is, for messages.
        most: bytes that it may have.

    Raises:
        RdbgError: it cannot be read, is no regular file, or is larger.
    """
    with open(open_regular(path, what), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise RdbgError(f"{path}: {what} has {size} bytes, and the most that can be is {most}; give another file")
        try:
            return file.read(most + 1)[:most]
        except OSError as error:
            raise RdbgError(f"{path}: cannot read {what}: {error.strerror}") from error
