"""How often each instruction ran, with the function and the line that it belongs to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rdbg.analysis.block_counts import BlockCounts
from rdbg.elf.elf_file import ElfFile
from rdbg.elf.line_table import LineTable, line_table
from rdbg.emu.counts import borders_at
from rdbg.quick_dataclass import dataclass
from rdbg.symbols.function_map import FunctionMap, function_map

_PAGE_BITS = 12


@dataclass(frozen=True)
class Source:
    """What a guest's file says of its code.

    Args:
        functions: its symbols.
        lines: its lines.
        moved: bytes by which the guest has moved itself.
    """

    functions: FunctionMap
    lines: LineTable
    moved: int = 0

    @classmethod
    def of(cls, elf: ElfFile | None, moved: int = 0) -> Source:
        """Of a file; None: there is none."""
        nothing = np.empty(0, np.uint64)
        empty = LineTable(nothing, nothing, nothing.astype(np.int64), nothing.astype(np.int64), ())
        return cls(function_map(elf), empty if elf is None else line_table(elf), moved)

    def borders(self) -> bytes:
        """Addresses where functions begin and end as the guest runs, ascending: see `CountRequest`."""
        return borders_at(self.functions.starts.astype(np.int64) + self.moved)

    def linked_at(self, addresses: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Where code is linked that runs at these addresses. Firmware that has copied itself downward, out of flash,
        has run in flash too."""
        moved = addresses - np.uint64(self.moved % (1 << 64))
        return moved if self.moved >= 0 else np.where(self.functions.owners_of(addresses) >= 0, addresses, moved)


@dataclass(frozen=True)
class InstructionCounts:
    """Instructions that ran.

    Args:
        addresses: ascending.
        times: how often each ran.
        functions: of each, an index into ``names``.
        names: of functions; code that is in none is called by its page.
        pieces: of each, an index into the line table; -1: no line is known.
        source: what the file says.
    """

    addresses: NDArray[np.uint64]
    times: NDArray[np.int64]
    functions: NDArray[np.int64]
    names: tuple[str, ...]
    pieces: NDArray[np.int64]
    source: Source

    @property
    def total(self) -> int:
        """Instructions, all in all."""
        return int(self.times.sum())

    def file_of(self, index: int) -> str:
        """The source file of an instruction; empty: not known."""
        piece = int(self.pieces[index])
        return self.source.lines.names[int(self.source.lines.files[piece])] if piece >= 0 else ""

    def line_of(self, index: int) -> int:
        """Its line; 0: not known."""
        piece = int(self.pieces[index])
        return int(self.source.lines.lines[piece]) if piece >= 0 else 0

    @classmethod
    def of(cls, addresses: NDArray[np.uint64], times: NDArray[np.int64], source: Source) -> InstructionCounts:
        """Name instructions.

        Args:
            addresses: ascending.
            times: how often each ran.
            source: what is known of the code.
        """
        functions = named(addresses, source)
        pieces = source.lines.pieces_of(source.linked_at(addresses))
        return cls(addresses, times, functions.functions, functions.names, pieces, source)


@dataclass(frozen=True)
class NamedAddresses:
    """Functions of addresses.

    Args:
        functions: of each, an index into ``names``.
        names: of functions, each once.
    """

    functions: NDArray[np.int64]
    names: tuple[str, ...]


@dataclass(frozen=True)
class LineCost:
    """A line of a function.

    Args:
        function: its name.
        file: empty: not known.
        line: 0: not known.
        instructions: that ran.
    """

    function: str
    file: str
    line: int
    instructions: int


def instruction_counts(counts: BlockCounts, source: Source, instruction: int) -> InstructionCounts:
    """Instructions of blocks, named.

    Args:
        counts: of blocks.
        source: what is known of the code.
        instruction: bytes of one.
    """
    return InstructionCounts.of(*counts.by_address(instruction), source)


def named(addresses: NDArray[np.uint64], source: Source) -> NamedAddresses:
    """The functions of addresses, in any order; code that is in none is called by its page."""
    owners = source.functions.owners_of(source.linked_at(addresses))
    pages, page_of = np.unique(addresses[owners < 0] >> np.uint64(_PAGE_BITS), return_inverse=True)
    known = len(source.functions.names)
    owners[owners < 0] = known + page_of
    used, functions = np.unique(owners, return_inverse=True)
    names = tuple(
        _clean(source.functions.names[n]) if n < known else f"page {int(pages[n - known]) << _PAGE_BITS:#x}"
        for n in used.tolist()
    )
    return NamedAddresses(functions, names)


def line_costs(counts: InstructionCounts) -> list[LineCost]:
    """Instructions by function and line: the costliest function first, its lines in their order."""
    sums: dict[tuple[int, str, int], int] = {}
    whole: dict[int, int] = {}
    for at, (function, times) in enumerate(zip(counts.functions.tolist(), counts.times.tolist(), strict=True)):
        key = function, counts.file_of(at), counts.line_of(at)
        sums[key] = sums.get(key, 0) + times
        whole[function] = whole.get(function, 0) + times
    ordered = sorted(sums.items(), key=lambda each: (-whole[each[0][0]], each[0]))
    return [LineCost(counts.names[function], file, line, n) for (function, file, line), n in ordered]


def _clean(name: str) -> str:
    """A name without what would end it where names stand in lines."""
    return "".join(c if c.isprintable() else "?" for c in name)
