"""ELF files: the same as pyelftools' own objects say of whole ones, and nothing worse than a line of crafted ones."""

from __future__ import annotations

import random
import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

import rdbg.emu.core
from rdbg.elf.elf_file import ElfError, ElfFile, is_elf, read_elf
from rdbg.elf.symbols import elf_symbols
from rdbg.symbols.kaslr import kernel_offset, moves_itself, segment_bases
from rdbg.symbols.table import SymbolTable
from tests.isolated import isolated

PROJECT = Path(__file__).parents[2]
GUEST = (PROJECT / "examples/guest/tank.elf").read_bytes()
COMPILED = Path(rdbg.emu.core.__file__).read_bytes()  # 64-bit, of this host
_SECONDS = 10
_HEADER = "<16sHHIIIIIHHHHHH"
_IDENTITY = b"\x7fELF\1\1\1" + bytes(9)


@pytest.mark.parametrize("data", [GUEST, COMPILED], ids=["32-bit MIPS", "64-bit"])
def test_all_that_is_read_is_what_the_library_reads(data: bytes) -> None:
    ours, theirs = ElfFile(data), ELFFile(BytesIO(data))
    assert (ours.bits, ours.big_endian) == (theirs.elfclass, not theirs.little_endian)
    assert (ours.kind, ours.machine) == (theirs["e_type"], theirs["e_machine"])
    assert (ours.flags, ours.entry) == (theirs["e_flags"], theirs["e_entry"])
    assert [
        (segment.loaded, segment.offset, segment.vaddr, segment.paddr, segment.file_size, segment.size)
        for segment in ours.segments
    ] == [
        (each["p_type"] == "PT_LOAD", *(each[f"p_{key}"] for key in ("offset", "vaddr", "paddr", "filesz", "memsz")))
        for each in theirs.iter_segments()
    ]
    assert any(segment.executable for segment in ours.segments)
    sections = list(theirs.iter_sections())
    assert [(section.kind, section.offset, section.size) for section in ours.sections] == [
        (each["sh_type"], each["sh_offset"], each["sh_size"]) for each in sections
    ]
    assert all(ours.has_section(section.name) for section in sections) and not ours.has_section(".nothing")


@pytest.mark.parametrize("data", [GUEST, COMPILED], ids=["32-bit MIPS", "64-bit"])
def test_symbols_are_those_that_the_library_reads(data: bytes) -> None:
    table = ELFFile(BytesIO(data)).get_section_by_name(".symtab")
    expected = [
        (
            symbol.name,
            symbol["st_value"],
            symbol["st_size"],
            kind == "STT_OBJECT",
            symbol["st_info"]["bind"] != "STB_LOCAL",
        )
        for symbol in table.iter_symbols()
        if symbol.name
        and symbol["st_shndx"] != "SHN_UNDEF"
        and (kind := symbol["st_info"]["type"]) in ("STT_NOTYPE", "STT_OBJECT", "STT_FUNC")
    ]
    assert len(expected) > 10 and [tuple(symbol) for symbol in elf_symbols(ElfFile(data))] == expected


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is not an ELF file"),
        (b"\x7fELF", "is truncated: 4 bytes"),
        (GUEST[:51], "is truncated: 51 bytes, an ELF header has 52"),
        (GUEST[:4] + b"\3" + GUEST[5:], "unknown class 3"),
        (GUEST[:5] + b"\0" + GUEST[6:], "unknown byte order 0"),
    ],
)
def test_a_header_that_is_not_whole_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ElfError, match=said):
        ElfFile(data)
    assert read_elf(data) is None


def _file(segments: bytes = b"", sections: bytes = b"", rest: bytes = b"", names: int = 0) -> bytes:
    at = 52 + len(segments)
    head = struct.pack(_HEADER, _IDENTITY, 2, 8, 1, 0x80000000, 52, at, 0, 52, 32, len(segments) // 32, 40,
                       len(sections) // 40, names)  # fmt: skip
    return head + segments + sections + rest


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [(44, 9, "its program headers end at"), (42, 31, "its program headers have 31 bytes each")],
)
def test_segments_beyond_the_end_are_named(at: int, value: int, said: str) -> None:
    data = bytearray(_file(segments=struct.pack("<8I", 1, 0, 0x80000000, 0, 4, 4, 5, 4)))
    struct.pack_into("<H", data, at, value)
    elf = ElfFile(bytes(data))
    with pytest.raises(ElfError, match=said):
        _ = elf.segments
    assert segment_bases(elf, 0) == [] and kernel_offset(lambda address, length: bytes(length), elf) == 0


def test_sections_beyond_the_end_are_as_good_as_none() -> None:
    data = bytearray(_file(sections=bytes(40)))
    struct.pack_into("<H", data, 48, 9)
    elf = ElfFile(bytes(data))
    with pytest.raises(ElfError, match="its section headers end at"):
        _ = elf.sections
    assert elf.section_of_kind("SHT_SYMTAB") is None and not moves_itself(elf) and list(elf_symbols(elf)) == []


def test_a_section_of_names_that_is_not_there() -> None:
    assert not moves_itself(ElfFile(_file(sections=bytes(40), names=7)))


def test_60000_sections_whose_names_have_no_end() -> None:
    count = 60_000
    start = 52 + 40 * count
    sections = struct.pack("<10I", 0, 3, 0, 0, start, 1_000_000, 0, 0, 0, 0)
    sections += struct.pack("<10I", 5, 1, 0, 0, start, 100, 0, 0, 0, 16) * (count - 1)
    elf = ElfFile(_file(sections=sections, rest=b"n" * 1_000_000))
    assert isolated(lambda: [moves_itself(elf), SymbolTable(elf).near("n")], seconds=_SECONDS) == [False, []]


def test_60000_dynamic_segments_beside_60000_sections() -> None:
    """The library's own objects would read each section for each of these segments."""
    elf = ElfFile(_file(segments=struct.pack("<8I", 2, 0, 0, 0, 4, 4, 5, 4) * 60_000, sections=bytes(40 * 60_000)))
    assert isolated(lambda: [segment_bases(elf, 0), moves_itself(elf)], seconds=_SECONDS) == [[], False]


@pytest.mark.parametrize(("offset", "size"), [(0xFFFFFFFF, 64), (52, 0xFFFFFFFF), (0xFFFFFFF0, 0xFFFFFFFF)])
def test_a_symbol_table_of_gigabytes(offset: int, size: int) -> None:
    sections = struct.pack("<10I", 0, 2, 0, 0, offset, size, 0, 0, 0, 16)
    assert [symbol for symbol in elf_symbols(ElfFile(_file(sections=sections))) if len(symbol.name) > 200] == []


def test_a_million_symbols_that_name_each_end_of_long_names() -> None:
    """Sixteen megabytes of rows; all these names would take eight gigabytes."""
    count, stretch = 1 << 20, (b"n" * 16_000 + b"\0") * 70
    row = np.dtype([("name", "<u4"), ("value", "<u4"), ("size", "<u4"), ("info", "u1"), ("other", "u1"), ("at", "<u2")])
    rows = np.zeros(count, row)
    rows["name"], rows["at"] = np.arange(count), 1
    start = 52 + 80
    sections = struct.pack("<10I", 0, 2, 0, 0, start, 16 * count, 1, 0, 0, 16)
    sections += struct.pack("<10I", 0, 3, 0, 0, start + 16 * count, len(stretch), 0, 0, 0, 0)
    elf = ElfFile(_file(sections=sections, rest=rows.tobytes() + stretch))
    assert isolated(lambda: SymbolTable(elf).near("x"), seconds=_SECONDS) == []


def test_random_damage_gives_nothing_worse_than_a_refusal() -> None:
    dice = random.Random(1)
    for _ in range(2000):
        data = bytearray(GUEST[: dice.randrange(len(GUEST) + 1)] if dice.random() < 0.2 else GUEST)
        for _ in range(dice.randrange(1, 5)):
            at = dice.choice((dice.randrange(52), dice.randrange(len(data) or 1), len(data) - 1 - dice.randrange(400)))
            if 0 <= at < len(data):
                data[at] = dice.choice((0, 0xFF, dice.randrange(256)))
        elf = read_elf(bytes(data))
        if elf is not None:
            moves_itself(elf)
            segment_bases(elf, 0)
            SymbolTable(elf).near("m")


def test_what_begins_as_one_is_told_by_four_bytes() -> None:
    assert is_elf(GUEST[:4]) and not is_elf(GUEST[:3]) and not is_elf(b"")
