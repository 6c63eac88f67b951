"""The symbols of an ELF file (System V ABI, "Symbol Table").

The rows are taken as an array, not one by one with pyelftools: of a hundred thousand, as many as a kernel has, that
takes a tenth of a second, and three with the library.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rdbg.elf.elf_file import ElfFile

_ROW_32 = (("name", "u4"), ("value", "u4"), ("size", "u4"), ("info", "u1"), ("other", "u1"), ("section", "u2"))
_ROW_64 = (("name", "u4"), ("info", "u1"), ("other", "u1"), ("section", "u2"), ("value", "u8"), ("size", "u8"))
_UNDEFINED = 0
#: Types of symbols that stand for code or data: none said, object, function.
_PLACES = (0, 1, 2)
_OBJECT = 1
_LOCAL = 0  # a binding
#: So many are read within a second, and so long are their names: those of templates in C++ have thousands.
_MOST_SYMBOLS = 1 << 20
_LONGEST_NAME = 16 << 10
#: Bytes of all names together; a table can name each end of one long name anew.
_MOST_NAME_BYTES = 128 << 20


class ElfSymbol(NamedTuple):
    """A name for a piece of code or data.

    Args:
        name: as the compiler made it.
        address: virtual.
        size: bytes, 0 if the file does not say.
        is_data: whether the file says that it is data.
        is_global: whether other files see it.
    """

    name: str
    address: int
    size: int
    is_data: bool = False
    is_global: bool = False


def elf_symbols(elf: ElfFile) -> Iterator[ElfSymbol]:
    """All symbols of code and data that are defined in a file, in file order; none if its tables cannot be read."""
    table = elf.section_of_kind("SHT_SYMTAB")  # a file has at most one (System V ABI, "Sections")
    if table is None or table.link >= len(elf.sections):
        return
    names = elf.sections[table.link].offset
    order = ">" if elf.big_endian else "<"
    row = np.dtype([(name, order + kind) for name, kind in (_ROW_32 if elf.bits == 32 else _ROW_64)])
    count = max(0, min(table.size, len(elf.data) - table.offset)) // row.itemsize
    rows = np.frombuffer(elf.data, row, min(count, _MOST_SYMBOLS), table.offset) if count else np.empty(0, row)
    rows = rows[(rows["section"] != _UNDEFINED) & np.isin(rows["info"] & 0xF, _PLACES)]
    left = _MOST_NAME_BYTES
    kinds = (rows["info"] & 0xF).tolist()
    seen = (rows["info"] >> 4 != _LOCAL).tolist()
    places = zip(rows["name"].tolist(), rows["value"].tolist(), rows["size"].tolist(), kinds, seen, strict=True)
    for at, address, size, kind, is_global in places:
        start = names + at
        end = elf.data.find(b"\0", start, start + _LONGEST_NAME)
        if end > start:
            left -= end - start
            if left < 0:
                return
            name = elf.data[start:end].decode("utf-8", "replace")
            yield ElfSymbol(name, address, size, kind == _OBJECT, is_global)
