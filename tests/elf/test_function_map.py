"""Which function an address lies in."""

from __future__ import annotations

import random

import numpy as np

from rdbg.elf.elf_file import ElfFile
from rdbg.elf.symbols import elf_symbols
from rdbg.symbols.function_map import function_map
from rdbg.symbols.symbol import Symbol
from rdbg.symbols.symbol_file import elf_of_symbols
from rdbg.symbols.table import SymbolTable
from tests.cli.command import TANK


def test_functions_are_those_that_the_table_of_symbols_names() -> None:
    elf = ElfFile(TANK.read_bytes())
    functions, table = function_map(elf), SymbolTable(elf)
    for symbol in elf_symbols(elf):
        if symbol.is_data or not symbol.size:
            continue
        for address in range(symbol.address, symbol.address + symbol.size, 4):
            (owner,) = functions.owners_of(np.array([address], np.uint64))
            named = table.at(address)
            assert named is not None and functions.names[owner] == named[0]


def test_code_is_never_called_by_the_name_of_data() -> None:
    dice = random.Random(1)
    places = sorted(dice.sample(range(0x8010_0000, 0x8020_0000, 4), 300))
    symbols = [Symbol(place, dice.choice("TtDd"), f"symbol_{place:x}") for place in places]
    elf = ElfFile(elf_of_symbols(symbols, False))
    functions = function_map(elf)
    owners = functions.owners_of(np.arange(0x8010_0000, 0x8020_0000, 64, dtype=np.uint64))
    code = {symbol.name for symbol in symbols if symbol.is_code}
    assert {functions.names[owner] for owner in owners[owners >= 0].tolist()} <= code
    assert functions.owners_of(np.array([0, places[0] - 4, 0xFFFF_FFFF], np.uint64)).tolist() == [-1, -1, -1]


def test_a_guest_without_symbols_has_no_functions() -> None:
    assert function_map(None).owners_of(np.array([0, 0x8010_0000], np.uint64)).tolist() == [-1, -1]
