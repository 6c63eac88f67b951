"""Lines of source for addresses of code, of an ELF file's section ``.debug_line``.

Source: DWARF 5, 6.2 "Line Number Information"; what versions 2 to 4 have else, theirs.

It is read here, not with pyelftools: that decodes as many entries as a header says that it has, however few bytes they
take (a directory of no fields takes none), and a file of a few hundred bytes would keep it busy for ever. Here
everything takes at least a byte of the file.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rdbg.elf.elf_file import ElfError, ElfFile
from rdbg.quick_dataclass import dataclass

#: Bytes that are read: the lines of a Linux kernel take 30 MB.
_MOST_BYTES = 64 << 20
#: Pieces of code, paths, and entries of a unit's tables that are kept.
_MOST_ROWS, _MOST_NAMES, _MOST_ENTRIES = 8 << 20, 1 << 16, 1 << 16
_LONGEST_NAME = 1024
_COMPRESSED, _ZLIB = 0x800, 1
#: What a name or number is stored as, by DW_FORM_*: bytes, or None for what has a length of its own.
_STRING, _LINE_STRP, _STRP, _UDATA, _BLOCK = 0x08, 0x1F, 0x0E, 0x0F, 0x09
_FIXED = {0x0B: 1, 0x05: 2, 0x06: 4, 0x07: 8, 0x1E: 16}
_PATH, _DIRECTORY = 1, 2  #: DW_LNCT_*


class _Damaged(Exception):
    """A unit cannot be read."""


@dataclass(frozen=True)
class LineTable:
    """Which code belongs to which line.

    Args:
        starts: addresses of its pieces, ascending.
        ends: behind each.
        files: of each, an index into ``names``.
        lines: of each, from 1.
        names: paths of source files, as the compiler was given them.
    """

    starts: NDArray[np.uint64]
    ends: NDArray[np.uint64]
    files: NDArray[np.int64]
    lines: NDArray[np.int64]
    names: tuple[str, ...]

    def pieces_of(self, addresses: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The piece in which each address lies; -1: in none."""
        if not len(self.starts):
            return np.full(len(addresses), -1, np.int64)
        found = np.searchsorted(self.starts, addresses, side="right").astype(np.int64) - 1
        return np.where((found >= 0) & (addresses < self.ends[found]), found, -1)


def line_table(elf: ElfFile) -> LineTable:
    """The lines of a file, as far as they can be read; of code that it does not load none: the linker left it out."""
    names: dict[str, int] = {}
    rows = array("Q")
    for unit in _units(elf):
        try:
            _read_unit(unit, names, rows)
        except (_Damaged, IndexError):
            continue
    table = np.array(rows, np.uint64).reshape(-1, 4)  # starts, ends, files, lines
    try:
        loaded = [(s.vaddr, s.vaddr + s.size) for s in elf.segments if s.loaded and s.executable]
    except ElfError:
        loaded = []
    inside = np.zeros(len(table), bool)
    for low, high in loaded:
        inside |= (table[:, 0] >= low) & (table[:, 1] <= high)
    table = table[inside]
    table = table[np.argsort(table[:, 0], kind="stable")]
    ends = table[:, 1].copy()
    if len(table):
        ends[:-1] = np.minimum(ends[:-1], np.maximum(table[1:, 0], table[:-1, 0]))
    return LineTable(table[:, 0], ends, table[:, 2].astype(np.int64), table[:, 3].astype(np.int64), tuple(names))


@dataclass
class _Reader:
    """Numbers and names, one after another.

    Args:
        data: the section.
        at: where the next one is.
        end: where they end.
        big_endian: byte order.
        strings: ``.debug_line_str`` and ``.debug_str``.
    """

    data: bytes
    at: int
    end: int
    big_endian: bool
    strings: dict[int, bytes]

    def number(self, size: int) -> int:
        if self.at + size > self.end:
            raise _Damaged
        self.at += size
        return int.from_bytes(self.data[self.at - size : self.at], "big" if self.big_endian else "little")

    def leb(self, signed: bool = False) -> int:
        value = shift = 0
        while True:
            byte = self.number(1)
            if shift < 70:
                value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value - (1 << shift) if signed and byte & 0x40 and shift <= 70 else value

    def name(self) -> str:
        text = _name_at(self.data, self.at, self.end)
        self.at += len(text) + 1
        return text.decode("utf-8", "replace")

    def value(self, form: int, offset_size: int) -> int | str:
        if form == _STRING:
            return self.name()
        if form in (_LINE_STRP, _STRP):
            data = self.strings[form]
            return _name_at(data, self.number(offset_size), len(data)).decode("utf-8", "replace")
        if form == _UDATA:
            return self.leb()
        if form == _BLOCK:
            self.at += self.leb()
            return 0
        if form in _FIXED:
            return self.number(_FIXED[form])
        raise _Damaged


def _name_at(data: bytes, at: int, limit: int) -> bytes:
    end = data.find(b"\0", at, min(limit, at + _LONGEST_NAME))
    if end < 0:
        raise _Damaged
    return data[at:end]


@dataclass
class _Unit:
    reader: _Reader
    offset_size: int


def _units(elf: ElfFile) -> Iterator[_Unit]:
    data = _section(elf, ".debug_line")
    strings = {_LINE_STRP: _section(elf, ".debug_line_str"), _STRP: _section(elf, ".debug_str")}
    at = 0
    while at + 4 <= len(data):
        reader = _Reader(data, at, len(data), elf.big_endian, strings)
        try:
            length, size = reader.number(4), 4
            if length == 0xFFFF_FFFF:
                length, size = reader.number(8), 8
        except _Damaged:
            return
        end = min(reader.at + length, len(data))
        reader.end = end
        yield _Unit(reader, size)
        at = end


def _section(elf: ElfFile, name: str) -> bytes:
    section = elf.section(name)
    if section is None:
        return b""
    data = elf.data[section.offset : section.offset + min(section.size, _MOST_BYTES)]
    if not section.flags & _COMPRESSED:
        return data
    head = 12 if elf.bits == 32 else 24
    kind = int.from_bytes(data[:4], "big" if elf.big_endian else "little")
    try:
        return zlib.decompressobj().decompress(data[head:], _MOST_BYTES) if kind == _ZLIB else b""
    except zlib.error:
        return b""


@dataclass
class _State:
    """Registers of the line number machine (DWARF 5, 6.2.2)."""

    address: int = 0
    file: int = 1
    line: int = 1


def _read_unit(unit: _Unit, names: dict[str, int], rows: array[int]) -> None:
    reader, offset_size = unit.reader, unit.offset_size
    version = reader.number(2)
    if not 2 <= version <= 5:
        raise _Damaged
    if version == 5:
        reader.number(2)  # sizes of an address and of a segment's selector
    header_length = reader.number(offset_size)
    program = reader.at + header_length
    shortest = reader.number(1)
    if version >= 4:
        reader.number(1)  # operations of an instruction: VLIW
    reader.number(1)  # is_stmt
    line_base = (reader.number(1) ^ 0x80) - 0x80
    line_range = reader.number(1)
    first_special = reader.number(1)
    operands = [reader.number(1) for _ in range(first_special - 1)]
    if not line_range or not first_special:
        raise _Damaged
    files = _files_of_5(reader, offset_size) if version == 5 else _files_before_5(reader)
    known = [names.setdefault(file, len(names)) if file and len(names) < _MOST_NAMES else None for file in files]
    reader.at = program
    state = _State()
    last: tuple[int, int, int] | None = None

    def emit(ends: bool = False) -> None:
        nonlocal last
        if last is not None and last[0] < state.address and last[2]:
            rows.extend((last[0], state.address, last[1], last[2]))
            if len(rows) >= 4 * _MOST_ROWS:
                raise _Damaged
        file = known[state.file] if 0 <= state.file < len(known) else None
        last = None if ends else (state.address, file or 0, state.line if file is not None else 0)

    most = 1 << 64
    while reader.at < reader.end:
        opcode = reader.number(1)
        if opcode >= first_special:
            state.address += (opcode - first_special) // line_range * shortest
            state.line += line_base + (opcode - first_special) % line_range
            emit()
        elif opcode == 0:
            length = reader.leb()
            end = reader.at + length
            if not length or end > reader.end:
                raise _Damaged
            extended = reader.number(1)
            if extended == 1:
                emit(ends=True)
                state = _State()
            elif extended == 2 and length in (5, 9):
                state.address = reader.number(length - 1)
            reader.at = end
        elif opcode == 1:
            emit()
        elif opcode == 2:
            state.address += reader.leb() * shortest
        elif opcode == 3:
            state.line += reader.leb(signed=True)
        elif opcode == 4:
            state.file = reader.leb()
        elif opcode == 8:
            state.address += (255 - first_special) // line_range * shortest
        elif opcode == 9:
            state.address += reader.number(2)
        else:
            for _ in range(operands[opcode - 1]):
                reader.leb()
        if state.address >= most or not 0 <= state.line < 1 << 31:
            raise _Damaged


def _files_before_5(reader: _Reader) -> list[str]:
    """Paths by number; number 0 is none."""
    folders = [""]
    while folder := reader.name():
        folders.append(folder)
        if len(folders) > _MOST_ENTRIES:
            raise _Damaged
    files = [""]
    while name := reader.name():
        number = reader.leb()
        reader.leb(), reader.leb()  # time and size
        files.append(_joined(folders[number] if number < len(folders) else "", name))
        if len(files) > _MOST_ENTRIES:
            raise _Damaged
    return files


def _files_of_5(reader: _Reader, offset_size: int) -> list[str]:
    folders = [path for path, _ in _entries(reader, offset_size)]
    folders = [_joined(folders[0], folder) if at else folder for at, folder in enumerate(folders)]
    return [
        _joined(folders[folder] if folder < len(folders) else "", name)
        for name, folder in _entries(reader, offset_size)
    ]


def _entries(reader: _Reader, offset_size: int) -> list[tuple[str, int]]:
    """Paths, with the number of a directory."""
    formats = [(reader.leb(), reader.leb()) for _ in range(reader.number(1))]
    entries: list[tuple[str, int]] = []
    for _ in range(reader.leb()):
        before, path, folder = reader.at, "", 0
        for content, form in formats:
            value = reader.value(form, offset_size)
            if content == _PATH and isinstance(value, str):
                path = value
            elif content == _DIRECTORY and isinstance(value, int):
                folder = value
        if reader.at == before or len(entries) >= _MOST_ENTRIES:
            raise _Damaged  # of entries without bytes there might be no end
        entries.append((path, folder))
    return entries


def _joined(folder: str, name: str) -> str:
    """A path; ``.`` is left out."""
    return name if name.startswith("/") or folder in ("", ".") else f"{folder.rstrip('/')}/{name}"
