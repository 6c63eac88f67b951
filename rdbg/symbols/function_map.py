"""Which function each of many addresses lies in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rdbg.elf.elf_file import ElfError, ElfFile
from rdbg.elf.symbols import elf_symbols


@dataclass(frozen=True)
class FunctionMap:
    """Stretches of addresses, and whose they are.

    Args:
        starts: ascending; each stretch reaches to the next one.
        owners: of each, an index into ``names``; -1: nobody's.
        names: of functions.
        addresses: of functions.
    """

    starts: NDArray[np.uint64]
    owners: NDArray[np.int64]
    names: tuple[str, ...]
    addresses: NDArray[np.uint64]

    def owners_of(self, addresses: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The function of each address; -1: none."""
        return self.owners[np.searchsorted(self.starts, addresses, side="right") - 1]


def function_map(elf: ElfFile | None) -> FunctionMap:
    """The symbols of a file that are not data. Where several reach, it is that which begins last.

    A symbol without a size (a label of assembly language) reaches to the next one of its segment, if it does not lie
    in one that has a size.
    """
    every = elf_symbols(elf) if elf is not None else ()
    symbols = [(s.name, s.address, s.size) for s in every if not s.is_data]
    sized = [(address, address + size, n) for n, (_, address, size) in enumerate(symbols) if size]
    starts, owners = _flat(sized)
    labels: dict[int, int] = {}
    for n, (_, address, size) in enumerate(symbols):
        if not size:
            labels.setdefault(address, n)
    places = np.array(sorted(labels), np.uint64)
    free = owners[np.searchsorted(starts, places, side="right") - 1] < 0
    segments = _code(elf)
    edges = np.array(sorted({address for address, _, _ in sized} | set(labels)), np.uint64)
    reached: list[tuple[int, int, int]] = []
    for place in places[free].tolist():
        limit = next((high for low, high in segments if low <= place < high), place)
        at = int(np.searchsorted(edges, np.uint64(place), side="right"))
        end = min(limit, int(edges[at])) if at < len(edges) else limit
        if end > place:
            reached.append((place, end, labels[place]))
    starts, owners = _flat([*sized, *reached])
    names = tuple(name for name, _, _ in symbols)
    return FunctionMap(starts, owners, names, np.array([address for _, address, _ in symbols], np.uint64))


def _code(elf: ElfFile | None) -> list[tuple[int, int]]:
    try:
        return [(s.vaddr, s.vaddr + s.size) for s in elf.segments if s.loaded and s.executable] if elf else []
    except ElfError:
        return []


def _flat(ranges: Sequence[tuple[int, int, int]]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Stretches that do not overlap, of ranges that do: (start, end, owner). Of two that begin at one address, the
    first one counts."""
    starts, owners = [0], [-1]
    open_ones: list[tuple[int, int]] = []

    def close(until: int) -> None:
        while open_ones and open_ones[-1][0] <= until:
            end, _ = open_ones.pop()
            while open_ones and open_ones[-1][0] <= end:
                open_ones.pop()
            starts.append(end)
            owners.append(open_ones[-1][1] if open_ones else -1)

    for start, end, owner in sorted(ranges, key=lambda each: (each[0], -each[2])):
        close(start)
        open_ones.append((end, owner))
        starts.append(start)
        owners.append(owner)
    close(1 << 64)
    return np.array([min(start, (1 << 64) - 1) for start in starts], np.uint64), np.array(owners, np.int64)
