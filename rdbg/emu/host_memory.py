"""Large pieces of memory from the host."""

from __future__ import annotations

import mmap

from rdbg.errors import RdbgError


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
