"""The names that an ELF image has for its addresses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

from rdbg.elf.elf_file import ElfFile
from rdbg.elf.symbols import elf_symbols
from rdbg.quick_dataclass import dataclass
from rdbg.symbols.firmware_copy import FirmwareCopy
from rdbg.symbols.function_map import FunctionMap, by_preference, function_map, object_map
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
        return replace(place, address=self._wrapped(place.address + offset)) if place is not None and offset else place

    def near(self, name: str) -> list[str]:
        """A few names that begin like this one."""
        return sorted(known for known in self._places if known.startswith(name))[:_SUGGESTIONS]

    def at(self, address: int) -> tuple[str, int] | None:
        """The symbol in which an address lies, and how far into it; None: it lies in none that is known."""
        # Firmware that has copied itself is still in flash, too.
        return self._linked_at(self._wrapped(address - self.moved())) or self._linked_at(address)

    def _wrapped(self, number: int) -> int:
        """The address that a sum comes to, in the width that the file is of."""
        return number if self._elf is None else number & ((1 << self._elf.bits) - 1)

    def _linked_at(self, where: int) -> tuple[str, int] | None:
        # Code belongs to whatever function_map says. A label may reach over data that has a name of its own.
        code, data = self._functions, self._objects
        owner, other = code.owner_of(where), data.owner_of(where)
        if other >= 0 and (owner < 0 or not code.sizes[owner]):
            return data.names[other], where - int(data.addresses[other])
        if owner >= 0:
            return code.names[owner], where - int(code.addresses[owner])
        name = self._labels.get(where)
        return None if name is None else (name, 0)

    @cached_property
    def _places(self) -> dict[str, AddressRange]:
        places: dict[str, AddressRange] = {}
        for symbol in elf_symbols(self._elf) if self._elf is not None else ():
            places.setdefault(symbol.name, AddressRange(symbol.address, symbol.size))
        return places

    @cached_property
    def _labels(self) -> dict[int, str]:
        """Symbols that say no size, by address; of several the one that GDB names, see `function_map`."""
        symbols = elf_symbols(self._elf) if self._elf is not None else ()
        return {each.address: each.name for each in by_preference(symbols) if not each.size}

    @cached_property
    def _functions(self) -> FunctionMap:
        return function_map(self._elf)

    @cached_property
    def _objects(self) -> FunctionMap:
        return object_map(self._elf)
