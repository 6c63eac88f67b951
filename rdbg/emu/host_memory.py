"""Large pieces of memory from the host."""

from __future__ import annotations

import mmap
from collections.abc import Iterable

from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.errors import RdbgError

#: The size of a host's large page.
_LARGE_PAGE = 2 << 20
#: MADV_POPULATE_WRITE of Linux 5.14 and newer (madvise(2)); older ones refuse it.
_POPULATE_WRITE = 23


def host_memory(size: int) -> mmap.mmap:
    """Zeroed memory of this process alone: a copy of the process (fork) has it as it was, and neither sees what the
    other writes from then on. The host keeps it in its small pages, and gives each with the first write to it.

    Args:
        size: bytes.

    Raises:
        RdbgError: the host has not so much.
    """
    try:
        # Private: Python's default is shared, and a copy of this process would run in our guest's memory.
        return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise RdbgError(
            f"the host gives no {size >> 20} MiB of memory more ({error.strerror}); close something, or raise the "
            "limit (ulimit -v)"
        ) from error


def guest_memory(size: int) -> mmap.mmap:
    """The same for what a guest runs in, which the host may keep in huge pages: translations reach further then.

    What is written once and kept (a checkpoint's pages) is no case for them: where the host itself is a guest, whose
    huge pages are given back when idle, a first touch of one costs 20 times as much as one of those at hand.

    Args:
        size: bytes.

    Raises:
        RdbgError: the host has not so much.
    """
    memory = host_memory(size)
    advice = getattr(mmap, "MADV_HUGEPAGE", None)
    if advice is not None:
        try:
            memory.madvise(advice)
        except OSError:
            pass  # a kernel without them: it is slower, nothing else
    return memory


def populate(memory: mmap.mmap, pages: Iterable[int]) -> None:
    """Have the host give the memory of these pages now, in pieces of its large pages; what they hold stays. It may be
    called in another thread than the one that uses them, which does not wait. A host that cannot gives it at first use.

    Args:
        memory: all of it.
        pages: numbers of its pages of 4096 bytes.
    """
    # Not mmap.madvise, during which no other thread of Python runs.
    import ctypes

    length = len(memory)
    start = ctypes.c_char.from_buffer(memory)  # as long as this is there, nobody can close it
    base = ctypes.addressof(start)
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for unit in sorted({page * PAGE_SIZE // _LARGE_PAGE for page in pages}):
        at = unit * _LARGE_PAGE
        if at < length:
            madvise(base + at, min(_LARGE_PAGE, length - at), _POPULATE_WRITE)


def require_address_space(size: int, what: str) -> None:
    """Check that the host would give so much address space: some libraries end the process where they get none.

    Args:
        size: bytes.
        what: it is for, for the message.

    Raises:
        RdbgError: it would not.
    """
    try:
        host_memory(size).close()
    except RdbgError as error:
        raise RdbgError(f"{what}: {error}") from error
