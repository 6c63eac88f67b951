"""Which of several symbols names an address."""

from __future__ import annotations

import pytest

from rdbg.elf.elf_file import read_elf
from rdbg.elf.symbols import ElfSymbol
from rdbg.symbols.table import SymbolTable
from tests.emu.images import elf

SYMBOLS = [
    ElfSymbol("_text", 0x80100000, 0),
    ElfSymbol("start", 0x80100000, 0x40),
    ElfSymbol("jump_table", 0x80100020, 0x10, is_data=True),
    ElfSymbol("local_label", 0x80100008, 0),
    ElfSymbol("__bss_start", 0x80200000, 0),
    ElfSymbol("counters", 0x80200000, 0x20, is_data=True),
    ElfSymbol("only_a_label", 0x80300000, 0),
]


def test_code_is_named_by_its_function_and_data_by_its_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rdbg.symbols.table.elf_symbols", lambda elf: iter(SYMBOLS))
    monkeypatch.setattr("rdbg.symbols.function_map.elf_symbols", lambda elf: iter(SYMBOLS))
    table = SymbolTable(read_elf(elf()))
    named = {address: table.at(address) for address in (0x80100000, 0x80100008, 0x80100024, 0x80200000, 0x80200004)}
    assert named == {
        0x80100000: ("start", 0),
        0x80100008: ("start", 8),
        0x80100024: ("start", 0x24),
        0x80200000: ("counters", 0),
        0x80200004: ("counters", 4),
    }
    assert table.at(0x80300000) == ("only_a_label", 0) and table.at(0x80300004) is None


def test_a_label_without_a_size_names_code_up_to_the_next_symbol(monkeypatch: pytest.MonkeyPatch) -> None:
    symbols = [
        ElfSymbol("vector", 0x80100000, 0, is_global=True),
        ElfSymbol("z_vector", 0x80100000, 0),
        ElfSymbol("main", 0x80100040, 0x20),
        ElfSymbol("handler", 0x80100080, 0),
        ElfSymbol("table", 0x80100090, 8, is_data=True),
    ]
    monkeypatch.setattr("rdbg.symbols.table.elf_symbols", lambda elf: iter(symbols))
    monkeypatch.setattr("rdbg.symbols.function_map.elf_symbols", lambda elf: iter(symbols))
    table = SymbolTable(read_elf(elf(data=bytes(0x100))))
    places = (0x80100000, 0x8010003C, 0x80100044, 0x80100060, 0x80100084, 0x80100094, 0x801000FC, 0x80100100)
    assert [table.at(address) for address in places] == [
        ("vector", 0),
        ("vector", 0x3C),
        ("main", 4),
        None,
        ("handler", 4),
        ("table", 4),
        ("handler", 0x7C),
        None,
    ]
