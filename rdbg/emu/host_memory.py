"""Large pieces of memory from the host."""

from __future__ import annotations

import mmap


def large_memory(size: int) -> mmap.mmap:
    """Zeroed memory that the host may keep in huge pages: filling it for the first time is several times cheaper then,
    which is most of the cost of a guest's or a checkpoint's first touch.

    Args:
        size: bytes.
    """
    memory = mmap.mmap(-1, size)
    advice = getattr(mmap, "MADV_HUGEPAGE", None)
    if advice is not None:
        try:
            memory.madvise(advice)
        except OSError:
            pass  # a kernel without them: it is slower, nothing else
    return memory
