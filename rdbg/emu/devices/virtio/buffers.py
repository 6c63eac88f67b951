"""Buffers of a descriptor chain: pieces of guest-physical memory that are read or written as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from rdbg.emu.dma_name import Detail, detail_after


class Memory(Protocol):
    """Guest memory as a virtio device reaches it."""

    def read(self, address: int, size: int) -> bytes:
        """Bytes from a guest-physical address on; zeros where nothing answers."""

    def write(self, address: int, data: bytes, detail: Detail) -> None:
        """Write bytes; they are lost where nothing answers. ``detail``: what they are, in two words."""

    def direct(self, address: int, size: int, write: bool) -> int:
        """How many of ``size`` bytes from ``address`` on lie in memory without a gap (not in device registers, and not
        where nothing is); 0: the first one does not."""


class Buffer(NamedTuple):
    """A piece of guest-physical memory.

    Args:
        address: of the first byte.
        size: bytes.
    """

    address: int
    size: int


def total(buffers: Sequence[Buffer]) -> int:
    """Bytes of all of them."""
    return sum([size for _, size in buffers])


def part(buffers: Sequence[Buffer], start: int, size: int) -> list[Buffer]:
    """``size`` bytes from the byte ``start`` of them on, or as many as there are."""
    found: list[Buffer] = []
    for address, length in buffers:
        if start >= length:
            start -= length
            continue
        here = min(length - start, size)
        if here <= 0:
            break
        found.append(Buffer(address + start, here))
        size -= here
        start = 0
    return found


def joined(buffers: Sequence[Buffer]) -> list[Buffer]:
    """The same bytes in as few pieces as can be."""
    found: list[Buffer] = []
    begin = end = -1
    for address, size in buffers:
        if address != end:
            if end > begin:
                found.append(Buffer(begin, end - begin))
            begin = address
        end = address + size
    if end > begin:
        found.append(Buffer(begin, end - begin))
    return found


def gather(memory: Memory, buffers: Sequence[Buffer]) -> bytes:
    """What stands in them."""
    return b"".join([memory.read(address, size) for address, size in joined(buffers)])


def scatter(memory: Memory, buffers: Sequence[Buffer], data: bytes, detail: Detail, start: int = 0) -> int:
    """Write ``data`` into them from their byte ``start`` on.

    Returns:
        Bytes written: fewer than there are where the buffers end.
    """
    at = 0
    for address, size in joined(part(buffers, start, len(data))):
        memory.write(address, data[at : at + size], detail_after(detail, at))
        at += size
    return at
