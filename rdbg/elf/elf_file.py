"""The structure of an ELF file: its header, its segments, its sections (System V ABI, chapters 4 and 5).

What the structures look like is known by pyelftools, in both sizes and both byte orders. They are walked here: the
library's own objects read as much as a file says when they are made (the segment PT_DYNAMIC reads all sections, a
section reads a name without end), and a file of a few kilobytes that was made to would keep them busy for hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from io import BytesIO
from typing import Any

from rdbg.quick_dataclass import dataclass

MAGIC = b"\x7fELF"
_CLASS_AT, _DATA_AT, _IDENTITY_BYTES = 4, 5, 16
_BITS = {1: 32, 2: 64}
_BIG_ENDIAN = {1: False, 2: True}
_EXECUTABLE = 1  # of p_flags


class ElfError(Exception):
    """What is wrong with a file, as the end of a sentence that names it."""


@dataclass(frozen=True)
class ElfSegment:
    """A program header.

    Args:
        loaded: whether it is to be loaded (PT_LOAD).
        offset: of its bytes in the file.
        vaddr: virtual address.
        paddr: physical address.
        file_size: bytes in the file.
        size: bytes in memory.
        executable: whether it holds code.
    """

    loaded: bool
    offset: int
    vaddr: int
    paddr: int
    file_size: int
    size: int
    executable: bool


@dataclass(frozen=True)
class ElfSection:
    """A section header.

    Args:
        kind: pyelftools' name of its type (``SHT_SYMTAB``), or the number of one without.
        name_at: where in the section of names its own begins.
        offset: of its bytes in the file.
        size: bytes.
        link: number of another section; which one depends on the type.
        flags: ``sh_flags``.
    """

    kind: str | int
    name_at: int
    offset: int
    size: int
    link: int
    flags: int = 0


class ElfFile:
    """An ELF file whose header can be read. What it says of segments and sections is read when it is asked for.

    Args:
        data: the file.

    Raises:
        ElfError: it is none, or its header is not whole.
    """

    def __init__(self, data: bytes) -> None:
        if not is_elf(data):
            raise ElfError("is not an ELF file")
        if len(data) < _IDENTITY_BYTES:
            raise ElfError(f"is truncated: {len(data)} bytes, not even an ELF header")
        bits, big_endian = _BITS.get(data[_CLASS_AT]), _BIG_ENDIAN.get(data[_DATA_AT])
        if bits is None:
            raise ElfError(f"is of unknown class {data[_CLASS_AT]}, neither 32-bit nor 64-bit ELF")
        if big_endian is None:
            raise ElfError(f"has an unknown byte order {data[_DATA_AT]} in its ELF header")
        from elftools.elf.structs import ELFStructs  # takes long to load, and firmware has no ELF header

        self.data = data
        self.bits = bits
        self.big_endian = big_endian
        self._stream = BytesIO(data)
        self._structs = ELFStructs(little_endian=not big_endian, elfclass=bits)
        self._structs.create_basic_structs()
        if len(data) < self._structs.Elf_Ehdr.sizeof():
            raise ElfError(f"is truncated: {len(data)} bytes, an ELF header has {self._structs.Elf_Ehdr.sizeof()}")
        self._header = self._parse(self._structs.Elf_Ehdr, 0)
        self._structs.create_advanced_structs(self._header.e_type, self._header.e_machine)

    @property
    def kind(self) -> str | int:
        """pyelftools' name of the file's type (``ET_EXEC``), or the number of one without."""
        kind: str | int = self._header.e_type
        return kind

    @property
    def machine(self) -> str | int:
        """pyelftools' name of the machine that it is for (``EM_MIPS``), or the number of one without."""
        machine: str | int = self._header.e_machine
        return machine

    @property
    def flags(self) -> int:
        """What the machine's ABI lays down (``e_flags``)."""
        return int(self._header.e_flags)

    @property
    def entry(self) -> int:
        """Virtual address of the first instruction."""
        return int(self._header.e_entry)

    @cached_property
    def segments(self) -> tuple[ElfSegment, ...]:
        """All program headers, in file order.

        Raises:
            ElfError: they are not all in the file.
        """
        header = self._header
        return tuple(
            ElfSegment(
                loaded=row.p_type == "PT_LOAD",
                offset=row.p_offset,
                vaddr=row.p_vaddr,
                paddr=row.p_paddr,
                file_size=row.p_filesz,
                size=row.p_memsz,
                executable=bool(row.p_flags & _EXECUTABLE),
            )
            for row in self._rows("program", self._structs.Elf_Phdr, header.e_phoff, header.e_phnum, header.e_phentsize)
        )

    @cached_property
    def sections(self) -> tuple[ElfSection, ...]:
        """All section headers, in file order.

        Raises:
            ElfError: they are not all in the file.
        """
        header = self._header
        return tuple(
            ElfSection(row.sh_type, row.sh_name, row.sh_offset, row.sh_size, row.sh_link, row.sh_flags)
            for row in self._rows("section", self._structs.Elf_Shdr, header.e_shoff, header.e_shnum, header.e_shentsize)
        )

    def section_of_kind(self, kind: str | int) -> ElfSection | None:
        """The first section of a type; None: there is none, or the section headers cannot be read."""
        try:
            return next((section for section in self.sections if section.kind == kind), None)
        except ElfError:
            return None

    def section(self, name: str) -> ElfSection | None:
        """The first section of a name; None: it cannot be found."""
        try:
            names = self.sections[self._header.e_shstrndx].offset
            wanted = name.encode() + b"\0"
            return next((each for each in self.sections if self.data.startswith(wanted, names + each.name_at)), None)
        except (ElfError, IndexError):
            return None

    def has_section(self, name: str) -> bool:
        """Whether a section of that name can be found."""
        return self.section(name) is not None

    def contents(self, section: ElfSection) -> bytes:
        """The bytes of a section, as far as the file has them."""
        return self.data[section.offset : section.offset + section.size]

    def _rows(self, what: str, struct: Any, at: int, count: int, row_bytes: int) -> Iterator[Any]:
        if count and row_bytes < struct.sizeof():
            raise ElfError(f"is damaged: its {what} headers have {row_bytes} bytes each, not {struct.sizeof()}")
        end = at + count * row_bytes
        if count and end > len(self.data):
            raise ElfError(f"is truncated: its {what} headers end at {end:#x}, the file at {len(self.data):#x}")
        return (self._parse(struct, at + index * row_bytes) for index in range(count))

    def _parse(self, struct: Any, at: int) -> Any:
        from elftools.common.exceptions import ELFParseError
        from elftools.common.utils import struct_parse

        try:
            return struct_parse(struct, self._stream, at)
        except ELFParseError as error:
            raise ElfError(f"is damaged at {at:#x}: {error}") from error


def is_elf(data: bytes) -> bool:
    """Whether these are the first bytes of an ELF file of any kind."""
    return data.startswith(MAGIC)


def read_elf(data: bytes) -> ElfFile | None:
    """An ELF file, or None if these are not the bytes of one whose header can be read."""
    try:
        return ElfFile(data)
    except ElfError:
        return None
