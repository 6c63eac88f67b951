"""Guest memory with a fence behind it: what is written past its end ends the process."""

from __future__ import annotations

import ctypes
import mmap
import os

#: Bytes behind the guest's memory that nobody may touch.
_FENCE = 64 << 20
_PROT_NONE = 0


class GuardedMemory(mmap.mmap):
    """In `guest_memory`'s place; longer by the fence, of which its length says nothing.

    Args:
        size: bytes.
    """

    _size: int

    def __new__(cls, size: int) -> GuardedMemory:
        """Map it, fence included."""
        memory = super().__new__(cls, -1, size + _FENCE)
        memory._size = size
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        library = ctypes.CDLL(None, use_errno=True)
        if library.mprotect(ctypes.c_void_p(start + size), ctypes.c_size_t(_FENCE), _PROT_NONE):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return memory

    def __len__(self) -> int:
        return self._size
