"""Lines of source: against pyelftools, and in files that lie."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from rdbg.elf.elf_file import ElfFile, read_elf
from rdbg.elf.line_table import line_table
from tests.cli.command import TANK

_CODE = """
static int twice(int a) { return a + a; }
int begin(int n) {
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += twice(i);
    return sum;
}
"""


def _compiled(folder: Path, version: int, *more: str) -> bytes:
    (folder / "code.c").write_text(_CODE)
    words = [f"-gdwarf-{version}", "-O1", "-nostdlib", "-static", "-Wl,-ebegin", "-o", "code.elf", *more]
    subprocess.run(["mipsel-linux-gnu-gcc", "code.c", *words], cwd=folder, check=True)
    return (folder / "code.elf").read_bytes()


def _expected(path: Path) -> dict[int, int]:
    """The line of each address at which one begins, by pyelftools."""
    lines: dict[int, int] = {}
    with path.open("rb") as file:
        dwarf = ELFFile(file).get_dwarf_info()  # type: ignore[no-untyped-call]
        for unit in dwarf.iter_CUs():
            for entry in dwarf.line_program_for_CU(unit).get_entries():
                if entry.state is not None and not entry.state.end_sequence:
                    lines[entry.state.address] = entry.state.line
    return lines


def _found(data: bytes) -> dict[int, tuple[str, int]]:
    table = line_table(ElfFile(data))
    return {
        start: (table.names[file], line)
        for start, file, line in zip(table.starts.tolist(), table.files.tolist(), table.lines.tolist(), strict=True)
    }


@pytest.mark.real("gcc-mipsel-linux-gnu")
@pytest.mark.parametrize("version", [2, 3, 4, 5])
@pytest.mark.parametrize("more", [(), ("-gz=zlib",)])
def test_lines_are_those_that_pyelftools_reads(tmp_path: Path, version: int, more: tuple[str, ...]) -> None:
    data = _compiled(tmp_path, version, *more)
    found = _found(data)
    assert {address: line for address, (_, line) in found.items()} == _expected(tmp_path / "code.elf")
    assert {Path(file).name for file, _ in found.values()} == {"code.c"}


def test_an_address_lies_in_the_piece_that_covers_it_or_in_none() -> None:
    table = line_table(ElfFile(TANK.read_bytes()))
    asked = np.array([0, int(table.starts[0]), int(table.ends[0]) - 1, int(table.ends[-1]), 1 << 40], np.uint64)
    assert table.pieces_of(asked).tolist() == [-1, 0, 0, -1, -1]


@pytest.mark.timeout(60)
def test_damaged_tables_end_and_raise_nothing() -> None:
    data = bytearray(TANK.read_bytes())
    section = ElfFile(bytes(data)).section(".debug_line")
    assert section is not None
    dice = random.Random(1)
    for _ in range(400):
        damaged = bytearray(data)
        for _ in range(dice.randrange(1, 12)):
            damaged[section.offset + dice.randrange(section.size)] = dice.choice(
                [0, 1, 0xFF, 0x80, dice.randrange(256)]
            )
        elf = read_elf(bytes(damaged))
        assert elf is not None
        table = line_table(elf)
        assert (table.starts <= table.ends).all() and (table.files < len(table.names)).all()


def test_a_table_of_endless_entries_without_bytes_is_left() -> None:
    data = bytearray(TANK.read_bytes())
    section = ElfFile(bytes(data)).section(".debug_line")
    assert section is not None
    at = section.offset + 4 + 2 + 2 + 4 + 6 + 12
    assert data[at] == 1  # fields of a directory
    data[at : at + 11] = b"\0" + b"\xff" * 9 + b"\x01"
    assert "start.S" not in line_table(ElfFile(bytes(data))).names
