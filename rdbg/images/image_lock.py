"""Locks on disk images, as QEMU takes them: neither of the two uses an image that the other writes to.

Byte 100 + p of the file is locked by whoever does p, byte 200 + p by whoever does not want others to do p
(open file description locks).
"""

from __future__ import annotations

import fcntl
import struct
from contextlib import suppress

#: Of `man 2 fcntl`; Python has no names for them.
_OFD_GETLK, _OFD_SETLK = 36, 37
_FLOCK = struct.Struct("hhqqi")

_DOES, _MINDS = 100, 200
_READ, _WRITE, _RESIZE = 0, 1, 3
_ALL = (_READ, _WRITE, _RESIZE)


def lock_image(descriptor: int, writes: bool) -> bool:
    """Lock an open image for as long as it is open; False: another process uses it in a way that excludes that.

    Args:
        descriptor: of the file.
        writes: it is going to be written, else only read.
    """
    does = _ALL if writes else (_READ,)
    minds = (_WRITE, _RESIZE)
    with suppress(OSError):  # a file system without such locks
        for byte in [*(_DOES + what for what in does), *(_MINDS + what for what in minds)]:
            _lock(descriptor, fcntl.F_RDLCK, byte)
        return not any(_is_locked(descriptor, _MINDS + what) for what in does) and not any(
            _is_locked(descriptor, _DOES + what) for what in minds
        )
    return True


def _lock(descriptor: int, kind: int, byte: int) -> None:
    fcntl.fcntl(descriptor, _OFD_SETLK, _FLOCK.pack(kind, 0, byte, 1, 0))


def _is_locked(descriptor: int, byte: int) -> bool:
    """Whether somebody else has locked a byte."""
    found = fcntl.fcntl(descriptor, _OFD_GETLK, _FLOCK.pack(fcntl.F_WRLCK, 0, byte, 1, 0))
    return bool(_FLOCK.unpack(found)[0] != fcntl.F_UNLCK)
