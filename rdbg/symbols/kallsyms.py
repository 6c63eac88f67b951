"""Linux's own symbol table (CONFIG_KALLSYMS), found in an image of its memory.

The layout is that of kernels from 4.6 to 6.12, 32 bits wide (scripts/kallsyms.c of those writes it): the number of
symbols; names, each a length and indices of tokens; a marker for each 256th name; 256 tokens; where each token begins;
and offsets from a base, or addresses. These last stand before all the rest up to 6.3, after it from 6.4 on. There may
be an index by name too, after the markers (6.2, 6.3) or at the end. All but the names are aligned to 4 bytes. Nothing
points at the table from outside, so it is found by what its tokens look like.

A kernel that moves itself when it boots (KASLR, arch/mips/kernel/relocate.c) leaves its old self behind, table and all.
It moves upward, so the table with the highest addresses is that of the kernel that runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass
from rdbg.symbols.symbol import Symbol

TOKENS = 256
NAMES_PER_MARKER = 256
#: Digits stand for themselves in every kernel's token table: some symbol has each of them.
_DIGIT_TOKENS = b"".join(b"%d\0" % digit for digit in range(10))
_TOKEN_MAX = 64
_LONG_NAME = 0x80  #: from 6.1 on, a length byte with this bit has a second byte above its 7 bits
#: Bytes of 256 encoded names, at least and at most.
_MARKER_MIN, _MARKER_MAX = 2 * NAMES_PER_MARKER, _TOKEN_MAX * NAMES_PER_MARKER
#: How far before the tokens the markers may begin: a table for lookup by name may stand between them.
_MARKERS_WITHIN = 16 << 20
_WORD = 4
_KERNEL = 0x8000_0000  #: lowest address of a kernel's symbol


@dataclass(frozen=True)
class KernelTable:
    """A kernel's symbols.

    Args:
        symbols: in the table's order (by address).
        moved: how far the kernel has moved from where another copy of it still lies, in bytes; 0: there is no other.
    """

    symbols: list[Symbol]
    moved: int = 0


@dataclass(frozen=True)
class _Tokens:
    """The tokens, and where they and their index begin and end."""

    start: int
    end: int
    texts: tuple[bytes, ...]


class KallsymsReader:
    """Finds and reads the table.

    Args:
        memory: the guest's memory from physical 0 on.
        big_endian: the guest's byte order.
    """

    def __init__(self, memory: bytes, big_endian: bool) -> None:
        self._memory = memory
        self._order: str = ">" if big_endian else "<"

    def read(self) -> KernelTable:
        """The table of the kernel that runs.

        Raises:
            RdbgError: there is no such table, or it is laid out in a way that is not known.
        """
        tables = sorted(self._tables(), key=lambda table: table[0].address)
        if not tables:
            raise RdbgError(
                "the guest's memory holds no table of kernel symbols that rdbg knows (Linux 4.6 or later with "
                "CONFIG_KALLSYMS): look later in the run, or give GDB the vmlinux"
            )
        running = tables[-1]
        names = [symbol.name for symbol in running]
        copies = [table for table in tables if [symbol.name for symbol in table] == names]
        return KernelTable(running, running[0].address - copies[0][0].address)

    def _tables(self) -> Iterator[list[Symbol]]:
        at = self._memory.find(_DIGIT_TOKENS)
        while at >= 0:
            tokens = self._tokens(at)
            if tokens is not None:
                symbols = self._symbols(tokens)
                if symbols is not None:
                    yield symbols
            at = self._memory.find(_DIGIT_TOKENS, at + 1)

    def _words(self, start: int, count: int, size: int = 4) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        data = self._memory[start : start + count * size]
        return np.frombuffer(data[: len(data) // size * size], dtype=f"{self._order}u{size}").astype(np.int64)

    def _tokens(self, digits: int) -> _Tokens | None:
        """The token table in which the digits' tokens stand at ``digits``."""
        limit = digits + TOKENS * _TOKEN_MAX
        for index in range(
            -(-(digits + len(_DIGIT_TOKENS)) // _WORD) * _WORD, min(limit, len(self._memory) - 2 * TOKENS), 2
        ):
            if self._memory[index : index + 2] != b"\0\0":
                continue
            offsets = self._words(index, TOKENS, 2)
            if offsets[0] or offsets[ord("1")] - offsets[ord("0")] != 2 or (np.diff(offsets) < 1).any():
                continue
            start = digits - int(offsets[ord("0")])
            if start < 0 or start + int(offsets[-1]) >= index:
                continue
            ends = [int(offset) for offset in offsets[1:]]
            texts = [self._memory[start + a : start + b - 1] for a, b in pairwise([0, *ends])]
            texts.append(self._memory[start + ends[-1] : index].split(b"\0")[0])
            if all(b"\0" not in text for text in texts):
                return _Tokens(start, index + 2 * TOKENS, tuple(texts))
        return None

    def _symbols(self, tokens: _Tokens) -> list[Symbol] | None:
        for start, offsets in self._markers(tokens.start):
            latest = (start - int(offsets[-1])) // _WORD * _WORD
            for names in range(latest, latest - _MARKER_MAX, -4):
                if names < 8:
                    break
                count = int(self._words(names - 4, 1)[0])
                if not (len(offsets) - 1) * NAMES_PER_MARKER < count <= len(offsets) * NAMES_PER_MARKER:
                    continue
                encoded = self._names(names, count, start, offsets)
                addresses = None if encoded is None else self._addresses(names - 4, tokens.end, count)
                if encoded is not None and addresses is not None:
                    return [_decode(tokens, int(a), name) for a, name in zip(addresses, encoded, strict=True)]
        return None

    def _markers(self, end: int) -> Iterator[tuple[int, np.ndarray[tuple[int], np.dtype[np.int64]]]]:
        """Places before ``end``, the nearest first, where words ascend from 0 as markers do."""
        first = max(0, end - _MARKERS_WITHIN) // _WORD * _WORD
        words = self._words(first, (end - first) // 4)
        steps = np.diff(words)
        plausible = (steps >= _MARKER_MIN) & (steps <= _MARKER_MAX)
        starts = np.flatnonzero((words[:-2] == 0) & plausible[:-1] & plausible[1:])
        for start in starts[::-1]:
            stop = int(start)
            while stop < len(plausible) and plausible[stop]:
                stop += 1
            yield first + 4 * int(start), words[start : stop + 1]

    def _names(
        self, start: int, count: int, end: int, markers: np.ndarray[tuple[int], np.dtype[np.int64]]
    ) -> list[bytes] | None:
        """``count`` encoded names from ``start``, if they meet the markers and end where those begin."""
        memory, at = self._memory, start
        found = []
        for number in range(count):
            if number % NAMES_PER_MARKER == 0 and markers[number // NAMES_PER_MARKER] != at - start:
                return None
            length = memory[at]
            at += 1
            if length & _LONG_NAME:
                length = length & 0x7F | memory[at] << 7
                at += 1
            if length == 0 or at + length > end:
                return None
            found.append(memory[at : at + length])
            at += length
        return found if -(-at // _WORD) * _WORD == end else None

    def _addresses(self, end: int, start: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]] | None:
        """The addresses that end at ``end`` or begin at ``start``: offsets and their base, or themselves."""
        for base_at, first in ((end - 4, end - 4 - 4 * count), (start + 4 * count, start)):
            if first >= 0 and base_at + 4 <= len(self._memory):
                base = int(self._words(base_at, 1)[0])
                offsets = self._words(first, count)
                if base >= _KERNEL and offsets[0] < _KERNEL and (np.diff(offsets) >= 0).all():
                    return base + offsets
        for first in (end - 4 * count, start):
            addresses = self._words(max(first, 0), count)
            if len(addresses) == count and addresses[0] >= _KERNEL and (np.diff(addresses) >= 0).all():
                return addresses
        return None


def _decode(tokens: _Tokens, address: int, encoded: bytes) -> Symbol:
    text = b"".join(tokens.texts[index] for index in encoded).decode("latin-1")
    return Symbol(address & 0xFFFF_FFFF, text[:1], text[1:])
