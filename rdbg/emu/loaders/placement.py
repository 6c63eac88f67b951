"""Putting loaded bytes into a machine's backings, at power-on and again at each reset."""

from __future__ import annotations

from dataclasses import field

from rdbg.emu.device import Device, State, System
from rdbg.emu.memory_map import MemoryRegion
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class ImagePiece:
    """Bytes for a backing.

    Args:
        backing: its name.
        offset: byte offset in it.
        data: the bytes.
        what: they are, for users: ``kernel image 'vmlinux'``.
    """

    backing: str
    offset: int
    data: bytes = field(repr=False)
    what: str = ""


def place(memory: tuple[MemoryRegion, ...], paddr: int, data: bytes, what: str, size: int = 0) -> ImagePiece:
    """Where bytes at a guest-physical address go. It is known that they fit before any zero is made.

    Args:
        memory: the board's windows onto storage.
        paddr: guest-physical address.
        data: the bytes.
        what: for the message, e.g. ``kernel image 'vmlinux'``.
        size: bytes in memory; zeros follow the data up to there.

    Raises:
        RdbgError: no memory there, or not enough.
    """
    end = paddr + max(size, len(data))
    for region in memory:
        if region.base <= paddr < region.base + region.size:
            if end > region.base + region.size:
                raise RdbgError(
                    f"{what} does not fit: it needs physical {paddr:#x} to {end - 1:#x}, "
                    f"{region.backing} ends at {region.base + region.size - 1:#x}: give the machine more memory"
                )
            return ImagePiece(region.backing, paddr - region.base + region.offset, data.ljust(size, b"\0"), what)
    raise RdbgError(f"{what} is linked for physical {paddr:#x}, where the board has no memory: link it elsewhere")


class ImageLoader(Device):
    """Writes what was loaded into memory at each reset, as a boot monitor would: a guest that has changed its own data
    starts anew.

    Args:
        name: unique in the machine.
        system: access to backings.
        pieces: what goes where.
    """

    def __init__(self, name: str, system: System, pieces: tuple[ImagePiece, ...]) -> None:
        super().__init__(name)
        self._system = system
        self.pieces = pieces

    def reset(self) -> None:
        """Load everything."""
        for piece in self.pieces:
            self._system.write_backing(piece.backing, piece.offset, piece.data)

    def read(self, offset: int, size: int) -> int:
        """Not on the bus."""
        return 0

    def write(self, offset: int, size: int, value: int) -> None:
        """Not on the bus."""

    def save(self) -> State:
        """No state: memory has it all."""
        return {}

    def load(self, state: State) -> None:
        """No state."""
