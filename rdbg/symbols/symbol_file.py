"""An ELF file of symbols alone, for GDB's ``file`` or ``add-symbol-file``."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from rdbg.symbols.symbol import Symbol

ET_EXEC, EM_MIPS = 2, 8
FLAGS_O32_R2 = 0x7000_1000  #: EF_MIPS_ARCH_32R2, EF_MIPS_ABI_O32
SHT_SYMTAB, SHT_STRTAB, SHT_NOBITS = 2, 3, 8
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
STT_OBJECT, STT_FUNC, STB_GLOBAL = 1, 2, 1
HEADER_BYTES, SECTION_BYTES, SYMBOL_BYTES = 52, 40, 16
CODE, DATA = 1, 2  #: section numbers
#: The last symbol of each kind has no next one to end at.
_LAST_BYTES = 4


def elf_of_symbols(symbols: Iterable[Symbol], big_endian: bool) -> bytes:
    """A file whose sections have addresses and sizes, but no contents: GDB reads those from the target.

    Args:
        symbols: at least one.
        big_endian: byte order of guest and file.
    """
    order = ">" if big_endian else "<"
    every = sorted(set(symbols), key=lambda symbol: (symbol.address, symbol.name))
    groups = {CODE: [s for s in every if s.is_code], DATA: [s for s in every if not s.is_code]}
    # The symbol table wants local symbols first.
    records: list[tuple[bool, Symbol, int, int]] = []
    for section, group in groups.items():
        for symbol, size in zip(group, _sizes(group), strict=True):
            records.append((not symbol.kind.islower(), symbol, section, size))
    records.sort(key=lambda record: record[0])
    names = bytearray(b"\0")
    table = bytearray(SYMBOL_BYTES)
    for is_global, symbol, section, size in records:
        kind = (STB_GLOBAL if is_global else 0) << 4 | (STT_FUNC if section == CODE else STT_OBJECT)
        table += struct.pack(f"{order}IIIBBH", len(names), symbol.address, size, kind, 0, section)
        names += symbol.name.encode() + b"\0"
    local_count = 1 + sum(not record[0] for record in records)
    return _assemble(order, groups, bytes(table), bytes(names), local_count)


def _sizes(group: list[Symbol]) -> list[int]:
    """Each symbol reaches to the next address that has one."""
    sizes: list[int] = []
    end: int | None = None
    for index in range(len(group) - 1, -1, -1):
        address = group[index].address
        if index + 1 < len(group) and group[index + 1].address > address:
            end = group[index + 1].address
        sizes.append(_LAST_BYTES if end is None else end - address)
    return sizes[::-1]


def _assemble(order: str, groups: dict[int, list[Symbol]], table: bytes, names: bytes, local_count: int) -> bytes:
    section_names = b"\0.text\0.data\0.symtab\0.strtab\0.shstrtab\0"
    at = HEADER_BYTES
    places = []
    for part in (table, names, section_names):
        places.append(at)
        at += -(-len(part) // 4) * 4
    headers = bytes(SECTION_BYTES)
    for section, name, flags in ((CODE, b".text", SHF_ALLOC | SHF_EXECINSTR), (DATA, b".data", SHF_ALLOC | SHF_WRITE)):
        group = groups[section]
        first = group[0].address if group else 0
        length = group[-1].address + _LAST_BYTES - first if group else 0
        headers += struct.pack(
            f"{order}10I", section_names.index(name), SHT_NOBITS, flags, first, HEADER_BYTES, length, 0, 0, 4, 0
        )
    for name, kind, place, length, link, info, entry in (
        (b".symtab", SHT_SYMTAB, places[0], len(table), 4, local_count, SYMBOL_BYTES),
        (b".strtab", SHT_STRTAB, places[1], len(names), 0, 0, 0),
        (b".shstrtab", SHT_STRTAB, places[2], len(section_names), 0, 0, 0),
    ):
        headers += struct.pack(
            f"{order}10I", section_names.index(name), kind, 0, 0, place, length, link, info, 4, entry
        )
    identity = b"\x7fELF\1" + (b"\2" if order == ">" else b"\1") + b"\1" + bytes(9)
    head = struct.pack(
        f"{order}16sHHIIIIIHHHHHH", identity, ET_EXEC, EM_MIPS, 1, 0, 0, at, FLAGS_O32_R2, HEADER_BYTES, 0, 0,
        SECTION_BYTES, 6, 5,
    )  # fmt: skip
    body = b"".join(part.ljust(-(-len(part) // 4) * 4, b"\0") for part in (table, names, section_names))
    return head + body + headers
