"""Which function each of many addresses lies in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from rdbg.elf.elf_file import ElfError, ElfFile
from rdbg.elf.symbols import ElfSymbol, elf_symbols
from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class FunctionMap:
    """Stretches of addresses, and whose they are.

    Args:
        starts: ascending; each stretch reaches to the next one.
        owners: of each, an index into ``names``; -1: nobody's.
        names: of functions.
        addresses: of functions.
        sizes: of functions, in bytes; 0: the file does not say.
    """

    starts: NDArray[np.uint64]
    owners: NDArray[np.int64]
    names: tuple[str, ...]
    addresses: NDArray[np.uint64]
    sizes: NDArray[np.uint64]

    def owners_of(self, addresses: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The function of each address; -1: none."""
        return self.owners[np.searchsorted(self.starts, addresses, side="right") - 1]

    def owner_of(self, address: int) -> int:
        """The function of an address, not negative; -1: none."""
        return int(self.owners_of(np.array([address], np.uint64))[0])


def by_preference(symbols: Iterable[ElfSymbol]) -> list[ElfSymbol]:
    """Symbols so that of those at one address the last one names it, among those that say how large they are or, where
    none does, among those that do not. That is GDB's choice among minimal symbols: by their names, but a local one does
    not count beside a global one of its size. (`tests/gdb/test_symbol_choice.py` compares.)"""
    known = list(symbols)
    seen = {(each.address, each.size) for each in known if each.is_global}
    return sorted(
        (each for each in known if each.is_global or (each.address, each.size) not in seen),
        key=lambda each: each.name.encode(errors="replace"),
    )


def function_map(elf: ElfFile | None) -> FunctionMap:
    """The symbols of a file that are not data. Where several reach, it is that which begins last, and of those that
    begin there one that says how large it is before one that does not, and then the one that GDB names
    (`by_preference`).

    A symbol without a size (a label of assembly language) reaches to the next one of its segment, if it does not lie
    in one that has a size.
    """
    symbols = [each for each in (elf_symbols(elf) if elf is not None else ()) if not each.is_data]
    return _map_of(symbols, _code(elf))


def object_map(elf: ElfFile | None) -> FunctionMap:
    """The symbols of a file that are data and say how large they are."""
    return _map_of([each for each in (elf_symbols(elf) if elf is not None else ()) if each.is_data and each.size], [])


def _map_of(symbols: Sequence[ElfSymbol], segments: Sequence[tuple[int, int]]) -> FunctionMap:
    symbols = by_preference(symbols)
    sized = [(each.address, each.address + each.size, n) for n, each in enumerate(symbols) if each.size]
    starts, owners = _flat(sized)
    labels = {each.address: n for n, each in enumerate(symbols) if not each.size}
    places = np.array(sorted(labels), np.uint64)
    free = owners[np.searchsorted(starts, places, side="right") - 1] < 0
    edges = np.array(sorted({address for address, _, _ in sized} | set(labels)), np.uint64)
    reached: list[tuple[int, int, int]] = []
    for place in places[free].tolist():
        limit = next((high for low, high in segments if low <= place < high), place)
        at = int(np.searchsorted(edges, np.uint64(place), side="right"))
        end = min(limit, int(edges[at])) if at < len(edges) else limit
        if end > place:
            reached.append((place, end, labels[place]))
    starts, owners = _flat([*sized, *reached])
    return FunctionMap(
        starts,
        owners,
        tuple(each.name for each in symbols),
        np.array([each.address for each in symbols], np.uint64),
        np.array([each.size for each in symbols], np.uint64),
    )


def _code(elf: ElfFile | None) -> list[tuple[int, int]]:
    try:
        return [(s.vaddr, s.vaddr + s.size) for s in elf.segments if s.loaded and s.executable] if elf else []
    except ElfError:
        return []


def _flat(ranges: Sequence[tuple[int, int, int]]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Stretches that do not overlap, of ranges that do: (start, end, owner). Of two that begin together, the greater
    owner counts as far as it reaches."""
    starts, owners = [0], [-1]
    open_ones: list[tuple[int, int]] = []

    def close(until: int) -> None:
        while open_ones and open_ones[-1][0] <= until:
            end, _ = open_ones.pop()
            while open_ones and open_ones[-1][0] <= end:
                open_ones.pop()
            starts.append(end)
            owners.append(open_ones[-1][1] if open_ones else -1)

    for start, end, owner in sorted(ranges, key=lambda each: (each[0], each[2])):
        close(start)
        open_ones.append((end, owner))
        starts.append(start)
        owners.append(owner)
    close(1 << 64)
    return np.array([min(start, (1 << 64) - 1) for start in starts], np.uint64), np.array(owners, np.int64)
