"""Of several symbols for an address rdbg names the one that GDB names."""

from __future__ import annotations

import re
import subprocess
from io import BytesIO
from itertools import product
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from rdbg.elf.elf_file import read_elf
from rdbg.symbols.table import SymbolTable


def _code() -> str:
    """Two instructions for each pair of symbols at one address: each global or local, with or without a size; then
    symbols within others."""
    lines = [".set noreorder"]
    bindings, sizes = product("gl", repeat=2), ((8, 8), (4, 8), (8, 4), (0, 0), (8, 0), (0, 8))
    for number, (pair, both) in enumerate(product(bindings, sizes)):
        for last, binding, size in zip("ab", pair, both, strict=True):
            name = f"pair_{number:02}_{last}"
            lines += [f".globl {name}"] * (binding == "g")
            lines += [f".type {name}, @function", f".size {name}, {size}"] * bool(size)
            lines.append(f"{name}:")
        lines += ["nop"] * 2
    lines += [".globl _ftext, _start, weak", ".weak weak", "_ftext:", "_start:", "label:", "weak:", "nop", "nop"]
    lines += [".type outer, @function", "outer: nop", "inner: nop", ".size outer, 12", "nop", "end: nop"]
    return "\n".join(lines) + "\n"


_FIRST, _WORDS = 0x80100000, 2 * 24 + 2 + 4 + 2


def _compiled(folder: Path) -> bytes:
    (folder / "a.S").write_text(_code())
    words = ["mipsel-linux-gnu-gcc", "-nostdlib", "-static", "-fno-pic", "-mno-abicalls", "-Wl,-e,_start"]
    words += [f"-Wl,-Ttext={_FIRST:#x}", "-o", "a.elf", "a.S"]
    subprocess.run(words, cwd=folder, check=True)
    return (folder / "a.elf").read_bytes()


def _turned_round(elf: bytes) -> bytes:
    """The same symbols, the global ones in the other order."""
    table = ELFFile(BytesIO(elf)).get_section_by_name(".symtab")
    assert isinstance(table, SymbolTableSection)
    start, size, count = table["sh_offset"], table["sh_entsize"], table.num_symbols()
    rows = [elf[start + n * size : start + (n + 1) * size] for n in range(count)]
    rows[table["sh_info"] :] = rows[table["sh_info"] :][::-1]
    return elf[:start] + b"".join(rows) + elf[start + count * size :]


@pytest.mark.real("gcc-mipsel-linux-gnu")
def test_addresses_are_named_as_gdb_names_them(gdb_program: str, tmp_path: Path) -> None:
    made = _compiled(tmp_path)
    for elf in (made, _turned_round(made)):
        (tmp_path / "a.elf").write_bytes(elf)
        table = SymbolTable(read_elf(elf))
        asked = [word for n in range(_WORDS) for word in ("-ex", f"info symbol {_FIRST + 4 * n:#x}")]
        done = subprocess.run([gdb_program, "-nx", "-q", "-batch", *asked, "a.elf"], cwd=tmp_path, stdout=-1, text=True)
        theirs = re.findall(r"^(\S+?)(?: \+ (\d+))? in section \.text$", done.stdout, re.M)
        ours = [table.at(_FIRST + 4 * n) for n in range(_WORDS)]
        assert [each for each in ours if each] == [(name, int(offset or 0)) for name, offset in theirs]
        assert len(theirs) >= 2 * 24 + 2 + 4
