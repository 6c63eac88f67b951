"""The digest of a machine's whole state."""

from __future__ import annotations

import hashlib
from typing import Protocol

DIGEST_BYTES = 16


class StateBesidePages(Protocol):
    """A machine's state but for its pages."""

    @property
    def icount(self) -> int:
        """The moment."""

    @property
    def cpu(self) -> bytes:
        """Of the CPU."""

    @property
    def devices(self) -> bytes:
        """Of the devices."""


class StateDigest:
    """Digests of one state after another; only pages that have changed between them are looked at again.

    The pages come in as the XOR of a digest of each, salted with its number; a page of zeros counts for nothing.
    """

    def __init__(self) -> None:
        self._pages: dict[int, int] = {}
        self._sum = 0

    def put(self, page: int, data: bytes) -> None:
        """Say what a page holds.

        Args:
            page: its number.
            data: its 4096 bytes.
        """
        new = 0
        if data.strip(b"\0"):
            salt = page.to_bytes(8, "little")
            new = int.from_bytes(hashlib.blake2b(data, digest_size=DIGEST_BYTES, salt=salt).digest(), "little")
        self._sum ^= self._pages.pop(page, 0) ^ new
        if new:
            self._pages[page] = new

    def copy(self) -> StateDigest:
        """Another one of the same pages."""
        copied = StateDigest()
        copied._pages, copied._sum = self._pages.copy(), self._sum
        return copied

    def of(self, state: StateBesidePages) -> bytes:
        """16 bytes over a state and the pages as they were put last."""
        total = hashlib.blake2b(state.cpu, digest_size=DIGEST_BYTES)
        total.update(state.icount.to_bytes(8, "little"))
        total.update(state.devices)
        total.update(self._sum.to_bytes(DIGEST_BYTES, "little"))
        return total.digest()
