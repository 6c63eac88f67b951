"""The benchmarks' guest programs, each made as long as is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

FOLDER = Path(__file__).with_name("guest")

#: Instructions of one turn of each guest's hot loop.
TURN = {"alu": 15, "walk": 8, "calls": 22}
#: Instructions of a round. A longer run has more of them, not longer ones: what happens once a round lies as near.
ROUND = 1_150_000

#: Of the runs in the table at the top, and of the long ones.
LENGTH = 1_150_000_000
LONG = 10_000_000_000

MALTA_UART = 0xB80003F8
MIPSSIM_UART = 0xBFD003F8


@dataclass(frozen=True)
class Guest:
    """A guest program of a certain length.

    Args:
        kind: ``alu``, ``walk`` or ``calls``.
        instructions: how many it runs, about.
        elf: the file.
        symbols: name -> address; without ``bench_end`` its end is that of its recording.
        after_print: ``FILE:LINE`` of the statement after a call that prints a line.
    """

    kind: str
    instructions: int
    elf: Path
    symbols: dict[str, int]
    after_print: str


class GuestMaker(Protocol):
    """Makes guests in a folder."""

    def __call__(self, kind: str, instructions: int, back_in_qemu: bool = False) -> Guest:
        """A guest of a kind and length, for Malta or for the machine that QEMU can go back on."""


def make_guest(kind: str, instructions: int, folder: Path, uart: int = MALTA_UART) -> Guest:
    """Write a guest's ELF file with the length of its run in it.

    Args:
        kind: see Guest.
        instructions: about how many it shall run.
        folder: where to.
        uart: virtual address of the serial port: says which machine it is for.
    """
    source = FOLDER / f"{kind}.elf"
    data = bytearray(source.read_bytes())
    with source.open("rb") as file:
        elf = ELFFile(file)
        table = elf.get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        symbols = {s.name: s["st_value"] & 0xFFFFFFFF for s in table.iter_symbols() if s.name}
        rounds = max(1, round(instructions / ROUND))
        values = {
            symbols["rounds"]: rounds,
            symbols["spins"]: instructions // rounds // TURN[kind],
            symbols["uart"]: uart,
        }
        for segment in elf.iter_segments("PT_LOAD"):
            first = segment["p_vaddr"] & 0xFFFFFFFF
            for address, value in values.items():
                if first <= address < first + segment["p_filesz"]:
                    at = segment["p_offset"] + address - first
                    data[at : at + 4] = value.to_bytes(4, "little")
    machine = "malta" if uart == MALTA_UART else "mipssim"
    target = folder / f"{kind}-{instructions:.3g}-{machine}.elf"
    target.write_bytes(data)
    lines = (FOLDER / "main.c").read_text().splitlines()
    after = next(number for number, line in enumerate(lines, 1) if "AFTER PRINT" in line)
    return Guest(kind, instructions, target, symbols, f"main.c:{after}")
