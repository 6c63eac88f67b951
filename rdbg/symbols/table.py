"""The names that an ELF image has for its addresses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from rdbg.elf.elf_file import ElfFile
from rdbg.elf.symbols import elf_symbols
from rdbg.symbols.firmware_copy import FirmwareCopy
from rdbg.symbols.kaslr import kernel_offset

_SUGGESTIONS = 3


@dataclass(frozen=True)
class AddressRange:
    """What a name stands for.

    Args:
        address: virtual.
        size: bytes; 0: not known.
    """

    address: int
    size: int = 0


class SymbolTable:
    """The symbols of an image, read when the first one is asked for.

    Args:
        elf: the file; None: there is none. One that is damaged or stripped has no symbols.
        read_memory: gives bytes of the guest's memory by virtual address: a kernel may have moved itself.
    """

    def __init__(self, elf: ElfFile | None = None, read_memory: Callable[[int, int], bytes] | None = None) -> None:
        self._elf = elf
        self._read_memory = read_memory
        self._copy = FirmwareCopy(read_memory, elf) if elf is not None and read_memory is not None else None

    @property
    def elf(self) -> ElfFile | None:
        """The file."""
        return self._elf

    def moved(self) -> int:
        """By how many bytes the guest has moved itself, as its memory is now; negative: downward."""
        if self._copy is None or self._elf is None or self._read_memory is None:
            return 0
        return self._copy.offset() or kernel_offset(self._read_memory, self._elf)

    def find(self, name: str) -> AddressRange | None:
        """What a name stands for now."""
        place = self._places.get(name)
        offset = self.moved() if place is not None else 0
        return replace(place, address=place.address + offset & 0xFFFF_FFFF) if place is not None and offset else place

    def near(self, name: str) -> list[str]:
        """A few names that begin like this one."""
        return sorted(known for known in self._places if known.startswith(name))[:_SUGGESTIONS]

    def at(self, address: int) -> tuple[str, int] | None:
        """The symbol in which an address lies, and how far into it; None: it lies in none that is known."""
        # Firmware that has copied itself is still in flash, too.
        return self._linked_at((address - self.moved()) & 0xFFFF_FFFF) or self._linked_at(address)

    def _linked_at(self, where: int) -> tuple[str, int] | None:
        best: tuple[str, int] | None = None
        most = (False, -1, False)
        for name, place in self._places.items():
            if place.address <= where < place.address + max(place.size, 1):
                # A label of the linker, or a table, may lie where a function does.
                rank = (name in self._functions, place.address, place.size > 0)
                if rank > most:
                    best, most = (name, where - place.address), rank
        return best

    @cached_property
    def _places(self) -> dict[str, AddressRange]:
        places: dict[str, AddressRange] = {}
        for symbol in elf_symbols(self._elf) if self._elf is not None else ():
            places.setdefault(symbol.name, AddressRange(symbol.address, symbol.size))
        return places

    @cached_property
    def _functions(self) -> frozenset[str]:
        return (
            frozenset(symbol.name for symbol in elf_symbols(self._elf) if symbol.is_function)
            if self._elf
            else frozenset()
        )
