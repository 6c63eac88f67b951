"""Coverage in the formats of others: drcov for disassemblers, lcov for source."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from rdbg.analysis.block_counts import BlockCounts
from rdbg.analysis.code_lines import InstructionCounts, Source
from rdbg.elf.elf_file import ElfError, ElfFile

_MOST_BYTES = 0xFFFF  #: of a block in drcov


def drcov(counts: BlockCounts, elf: ElfFile | None, name: str, moved: int, instruction: int) -> Iterator[bytes]:
    """DynamoRIO's format, version 2, as Lighthouse and others read it. Code outside the guest's file is in a module of
    its own that begins at address 0.

    Args:
        counts: blocks.
        elf: the guest's file; None: there is none.
        name: of that.
        moved: bytes by which the guest has moved itself.
        instruction: bytes of one.
    """
    pcs, lengths = _longest(counts, instruction)
    low, high = _loaded(elf, moved)
    inside = (pcs >= low) & (pcs < high)
    modules = [(low, high, name)] if high else []
    outside = bool((~inside).any())
    if outside or not modules:
        modules.append((0, int((pcs + lengths)[~inside].max()) if outside else 0, "elsewhere"))
    yield b"DRCOV VERSION: 2\nDRCOV FLAVOR: drcov\n"
    yield f"Module Table: version 2, count {len(modules)}\nColumns: id, base, end, entry, path\n".encode()
    for number, (start, end, path) in enumerate(modules):
        yield f" {number}, {start:#x}, {end:#x}, 0x0, {path}\n".encode()
    yield f"BB Table: {len(pcs)} bbs\n".encode()
    elsewhere = len(modules) - 1
    for pc, length, here in zip(pcs.tolist(), lengths.tolist(), inside.tolist(), strict=True):
        yield struct.pack("<IHH", pc - low if here else pc, min(length, _MOST_BYTES), 0 if here else elsewhere)


def lcov(counts: InstructionCounts, source: Source) -> Iterator[bytes]:
    """lcov's tracefile (geninfo(1)): all lines that have code. One ran as often as the instruction of it that ran most
    often; a function as often as its first instruction."""
    lines = source.lines
    ran = np.zeros(len(lines.starts), np.int64)
    known = counts.pieces >= 0
    np.maximum.at(ran, counts.pieces[known], counts.times[known])
    by_file: dict[int, dict[int, int]] = {}
    for file, line, times in zip(lines.files.tolist(), lines.lines.tolist(), ran.tolist(), strict=True):
        of_file = by_file.setdefault(file, {})
        of_file[line] = max(of_file.get(line, 0), times)
    functions = source.functions
    entered: dict[int, int] = {}
    for address, times in zip(source.linked_at(counts.addresses).tolist(), counts.times.tolist(), strict=True):
        entered[address] = entered.get(address, 0) + times
    starts: dict[int, list[tuple[int, str, int]]] = {}
    own = functions.owners_of(functions.addresses) == np.arange(len(functions.names))
    pieces = lines.pieces_of(functions.addresses)
    for number in np.flatnonzero(own & (pieces >= 0)).tolist():
        piece, name = int(pieces[number]), functions.names[number]
        if name.isprintable():
            times = entered.get(int(functions.addresses[number]), 0)
            starts.setdefault(int(lines.files[piece]), []).append((int(lines.lines[piece]), name, times))
    yield b"TN:\n"
    for file in sorted(by_file, key=lambda number: lines.names[number]):
        found = sorted(starts.get(file, []))
        rows = [f"SF:{''.join(c if c.isprintable() else '?' for c in lines.names[file])}"]
        rows += [f"FN:{line},{name}" for line, name, _ in found]
        rows += [f"FNDA:{times},{name}" for _, name, times in found]
        rows += [f"FNF:{len(found)}", f"FNH:{sum(times > 0 for _, _, times in found)}"]
        rows += [f"DA:{line},{times}" for line, times in sorted(by_file[file].items())]
        rows += [f"LF:{len(by_file[file])}", f"LH:{sum(times > 0 for times in by_file[file].values())}"]
        yield ("\n".join(rows) + "\nend_of_record\n").encode()


def _longest(counts: BlockCounts, instruction: int) -> tuple[np.ndarray, np.ndarray]:
    """Where code begins that was fetched, and how many bytes of it ran at most."""
    pcs, ran = counts.pcs[counts.fetched], counts.ran[counts.fetched]
    starts, inverse = np.unique(pcs, return_inverse=True)
    lengths = np.zeros(len(starts), np.int64)
    np.maximum.at(lengths, inverse, ran)
    return starts, (lengths * instruction).astype(np.uint64)


def _loaded(elf: ElfFile | None, moved: int) -> tuple[int, int]:
    """From where to where a file is loaded; (0, 0): it is not."""
    try:
        loaded = [s for s in elf.segments if s.loaded and s.size] if elf is not None else []
    except ElfError:
        loaded = []
    if not loaded:
        return 0, 0
    return min(s.vaddr for s in loaded) + moved, max(s.vaddr + s.size for s in loaded) + moved
