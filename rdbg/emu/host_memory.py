"""Large pieces of memory from the host."""

from __future__ import annotations

import mmap

from rdbg.errors import RdbgError


def large_memory(size: int) -> mmap.mmap:
    """Zeroed memory that the host may keep in huge pages: filling it for the first time is several times cheaper then,
    which is most of the cost of a guest's or a checkpoint's first touch.

    Args:
        size: bytes.

    Raises:
        RdbgError: the host has not so much.
    """
    memory = _mapped(size)
    advice = getattr(mmap, "MADV_HUGEPAGE", None)
    if advice is not None:
        try:
            memory.madvise(advice)
        except OSError:
            pass  # a kernel without them: it is slower, nothing else
    return memory


def require_address_space(size: int, what: str) -> None:
    """Check that the host would give so much address space: some libraries end the process where they get none.

    Args:
        size: bytes.
        what: it is for, for the message.

    Raises:
        RdbgError: it would not.
    """
    try:
        _mapped(size).close()
    except RdbgError as error:
        raise RdbgError(f"{what}: {error}") from error


def _mapped(size: int) -> mmap.mmap:
    try:
        # Private: Python's default is shared, and a copy of this process would run in our guest's memory.
        return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise RdbgError(
            f"the host gives no {size >> 20} MiB of memory more ({error.strerror}); close something, or raise the "
            "limit (ulimit -v)"
        ) from error
