"""Devices whose registers are single bytes: wider accesses become several, lowest address first."""

from __future__ import annotations

from abc import abstractmethod

from rdbg.emu.device import Device


class ByteDevice(Device):
    """A device of byte-wide registers, as on an 8-bit bus. Wider values are little-endian."""

    @abstractmethod
    def read_byte(self, offset: int) -> int:
        """A load of the register at ``offset``."""

    @abstractmethod
    def write_byte(self, offset: int, value: int) -> None:
        """A store of 0..255 to the register at ``offset``."""

    def read(self, offset: int, size: int) -> int:
        """A guest load, split into bytes."""
        if size == 1:
            return self.read_byte(offset)
        value = 0
        for index in range(size):
            value |= self.read_byte(offset + index) << (8 * index)
        return value

    def write(self, offset: int, size: int, value: int) -> None:
        """A guest store, split into bytes."""
        for index in range(size):
            self.write_byte(offset + index, value >> (8 * index) & 0xFF)
