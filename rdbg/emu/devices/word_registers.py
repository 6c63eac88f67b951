"""Registers of 32 bits at multiples of 4, and how narrower and wider accesses reach them."""

from __future__ import annotations

from abc import abstractmethod

from rdbg.emu.device import Device

WORD_MASK = 0xFFFF_FFFF


class WordRegisters(Device):
    """A device whose registers are words. A narrow load sees its bytes of the word; a narrow store drives zeros on the
    others; an access of 8 bytes is two of 4.

    Args:
        name: unique in the machine.
        big_endian: byte order in which the registers' bytes stand at their addresses.
    """

    def __init__(self, name: str, big_endian: bool) -> None:
        super().__init__(name)
        self._big_endian = big_endian

    @abstractmethod
    def load_word(self, offset: int) -> int:
        """A load of the register at ``offset``, a multiple of 4."""

    @abstractmethod
    def store_word(self, offset: int, value: int) -> None:
        """A store to the register at ``offset``, a multiple of 4."""

    def read(self, offset: int, size: int) -> int:
        """A guest load."""
        if size == 8:
            first, second = self.load_word(offset), self.load_word(offset + 4)
            return first << 32 | second if self._big_endian else second << 32 | first
        return self.load_word(offset & ~3) >> self._shift(offset, size) & ((1 << (8 * size)) - 1)

    def write(self, offset: int, size: int, value: int) -> None:
        """A guest store."""
        if size == 8:
            high, low = value >> 32, value & WORD_MASK
            self.store_word(offset, high if self._big_endian else low)
            self.store_word(offset + 4, low if self._big_endian else high)
            return
        self.store_word(offset & ~3, value << self._shift(offset, size) & WORD_MASK)

    def _shift(self, offset: int, size: int) -> int:
        """Where in the word the bytes of an access stand."""
        return 8 * (4 - size - (offset & 3) if self._big_endian else offset & 3)
