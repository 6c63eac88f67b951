"""When the host's disk is to have what was written to an image."""

from __future__ import annotations

from enum import Enum


class CacheMode(Enum):
    """What a flush of the guest does, and whether each write is one."""

    WRITEBACK = "writeback"
    NONE = "none"
    WRITETHROUGH = "writethrough"
    DIRECTSYNC = "directsync"
    UNSAFE = "unsafe"

    @property
    def waits_at_flush(self) -> bool:
        """Whether a flush waits for the host's disk."""
        return self is not CacheMode.UNSAFE

    @property
    def flushes_always(self) -> bool:
        """Whether each write is flushed."""
        return self in (CacheMode.WRITETHROUGH, CacheMode.DIRECTSYNC)
