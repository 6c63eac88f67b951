"""The names that an ELF image has for its addresses. Source: System V ABI, "Symbol Table"."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from rdbg.symbols.kaslr import kernel_offset

_HEADER_BYTES, _SECTION_BYTES, _SYMBOL_BYTES = 52, 40, 16
_SYMBOL_TABLE = 2
_UNDEFINED = 0
#: Types of symbols that stand for code or data: none said, object, function.
_PLACES = (0, 1, 2)
_SUGGESTIONS = 3
#: So many are read within a second or two, and so long are their names: those of templates in C++ have thousands.
_MOST_SYMBOLS = 1 << 20
_LONGEST_NAME = 16 << 10


@dataclass(frozen=True)
class AddressRange:
    """What a name stands for.

    Args:
        address: 32 bits, virtual.
        size: bytes; 0: not known.
    """

    address: int
    size: int = 0


class SymbolTable:
    """The symbols of an image, read when the first one is asked for.

    Args:
        elf: the file. One that is damaged, or no ELF file, or stripped, has no symbols.
        read_memory: gives bytes of the guest's memory by virtual address: a kernel may have moved itself.
    """

    def __init__(self, elf: bytes = b"", read_memory: Callable[[int, int], bytes] | None = None) -> None:
        self._elf = elf
        self._read_memory = read_memory

    def find(self, name: str) -> AddressRange | None:
        """What a name stands for now."""
        place = self._places.get(name)
        if place is None or self._read_memory is None:
            return place
        offset = kernel_offset(self._read_memory, self._elf)
        return replace(place, address=place.address + offset & 0xFFFF_FFFF) if offset else place

    def near(self, name: str) -> list[str]:
        """A few names that begin like this one."""
        return sorted(known for known in self._places if known.startswith(name))[:_SUGGESTIONS]

    @cached_property
    def _places(self) -> dict[str, AddressRange]:
        places: dict[str, AddressRange] = {}
        try:
            for name, place in _symbols(self._elf):
                places.setdefault(name, place)
        except (struct.error, IndexError):
            pass  # the machine has loaded it: what is wrong with its symbols is no matter for the run
        return places


def _symbols(elf: bytes) -> Iterator[tuple[str, AddressRange]]:
    if len(elf) < _HEADER_BYTES or elf[:4] != b"\x7fELF":
        return
    order = ">" if elf[5] == 2 else "<"
    (sections,) = struct.unpack_from(order + "I", elf, 32)
    (count,) = struct.unpack_from(order + "H", elf, 48)
    for index in range(count):
        _, kind, _, _, start, length, strings, *_ = struct.unpack_from(
            order + "10I", elf, sections + index * _SECTION_BYTES
        )
        if kind != _SYMBOL_TABLE:
            continue
        (names,) = struct.unpack_from(order + "I", elf, sections + strings * _SECTION_BYTES + 16)
        for at in range(start, min(start + length, start + _MOST_SYMBOLS * _SYMBOL_BYTES), _SYMBOL_BYTES):
            name, address, size, info, _, section = struct.unpack_from(order + "IIIBBH", elf, at)
            if section != _UNDEFINED and info & 0xF in _PLACES:
                end = elf.find(b"\0", names + name, names + name + _LONGEST_NAME)
                if end > names + name:
                    yield elf[names + name : end].decode("utf-8", "replace"), AddressRange(address, size)
        return  # a file has at most one (System V ABI, "Sections")
