"""The interval index as bytes, for the recording's store."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import msgpack
import numpy as np

from rdbg.checkpoints.cleared import Breakpoint, ClearedBreakpoint
from rdbg.checkpoints.interval_index import Interval
from rdbg.checkpoints.page_set import EMPTY, PageSet
from rdbg.checkpoints.stored_words import StoredWords
from rdbg.checkpoints.touched_pages import TouchedPages
from rdbg.emu.expression import Expression, Operation, Step
from rdbg.quick_dataclass import dataclass
from rdbg.store.compressed import compressed, decompressed

#: Changes when the bytes, or what an interval's sets mean, change, or when one may have said too little: an index of
#: another version is made anew.
_VERSION = 8
#: More than any index takes, and has.
_MOST_BYTES = 64 << 20
_MOST_INTERVALS = 1 << 16
#: Of breakpoints with conditions: how many are kept, expressions of each, steps of an expression, stretches.
_MOST_CONDITIONS, _MOST_EXPRESSIONS, _MOST_STEPS, _MOST_STRETCHES = 64, 8, 256, 1000
#: Bytes of a boundary.
_WIDTHS = (4, 8)
#: How msgpack begins numbers that are not negative, and byte strings.
_NUMBERS = frozenset((*range(0x80), 0xCC, 0xCD, 0xCE, 0xCF))
_BYTES = frozenset((0xC4, 0xC5, 0xC6))


@dataclass(frozen=True)
class PackedIndex:
    """What is kept of an index.

    Args:
        intervals: those of the index.
        words: what is known of words that were stored to.
        cleared: where breakpoints do not stop whose conditions were looked for.
    """

    intervals: tuple[Interval, ...] = ()
    words: tuple[StoredWords, ...] = ()
    cleared: tuple[ClearedBreakpoint, ...] = ()


def pack_index(
    intervals: Iterable[Interval], words: Iterable[StoredWords] = (), cleared: Iterable[ClearedBreakpoint] = ()
) -> bytes:
    """The bytes of these intervals, and of what is known of words and of conditions."""
    rows = [
        (
            interval.start,
            interval.end,
            *(_bounds(part) for part in _parts(interval.pages)),
        )
        for interval in intervals
    ]
    word_rows = [(each.start, each.end, *(_bounds(part) for part in _sets(each))) for each in words]
    cleared_rows = [
        (
            each.breakpoint.address,
            [_step_numbers(code) for code in each.breakpoint.condition],
            [position for stretch in each.stretches for position in stretch],
        )
        for each in list(filter(_fits, cleared))[-_MOST_CONDITIONS:]
    ]
    packed: bytes = msgpack.packb([_VERSION, rows, word_rows, cleared_rows])
    return compressed(packed)


def unpack_index(data: bytes) -> PackedIndex:
    """What is in bytes that `pack_index` gave; nothing if they are damaged or of another version."""
    try:
        values = _Values(decompressed(data, _MOST_BYTES))
        values.array(4)
        if values.number() != _VERSION:
            return PackedIndex()
        intervals = tuple(_interval(values) for _ in range(values.array()))
        words = tuple(_stored_words(values) for _ in range(values.array()))
        cleared = tuple(_cleared(values) for _ in range(values.array(most=_MOST_CONDITIONS)))
        return PackedIndex(intervals, words, cleared)
    except (MemoryError, ValueError, msgpack.UnpackException):
        return PackedIndex()


class _Values:
    """The values of msgpack's bytes one by one: each is known to be small before it is made."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._unpacker = msgpack.Unpacker(max_buffer_size=_MOST_BYTES)
        self._unpacker.feed(content)

    def array(self, length: int | None = None, most: int = _MOST_INTERVALS) -> int:
        """The length of an array whose elements come next."""
        found: int = self._unpacker.read_array_header()
        if found != length and (length is not None or found > most):
            raise ValueError("an array of another length")
        return found

    def number(self) -> int:
        """A number that is not negative."""
        return int(self._next(_NUMBERS))

    def bytes(self) -> bytes:
        """A byte string."""
        return bytes(self._next(_BYTES))

    def _next(self, markers: frozenset[int]) -> Any:
        at = self._unpacker.tell()
        if at >= len(self._content) or self._content[at] not in markers:
            raise ValueError("a value of another type")
        return self._unpacker.unpack()


def _interval(values: _Values) -> Interval:
    return Interval(*_stretch(values), TouchedPages(*(_set(values.bytes()) for _ in range(4))))


def _stored_words(values: _Values) -> StoredWords:
    return StoredWords(*_stretch(values), *(_set(values.bytes()) for _ in range(4)))


def _cleared(values: _Values) -> ClearedBreakpoint:
    values.array(3)
    address = values.number()
    condition = tuple(_expression(values) for _ in range(values.array(most=_MOST_EXPRESSIONS)))
    positions = _numbers(values, 2 * _MOST_STRETCHES)
    if not condition or len(positions) % 2 or any(low >= high for low, high in pairwise(positions)):
        raise ValueError("stretches that do not ascend")
    return ClearedBreakpoint(Breakpoint(address, condition), tuple(zip(positions[::2], positions[1::2], strict=True)))


def _step_numbers(expression: Expression) -> list[int]:
    return [number for step in expression for number in (step.operation, step.operand)]


def _expression(values: _Values) -> Expression:
    numbers = _numbers(values, 2 * _MOST_STEPS)
    return tuple(Step(Operation(code), operand) for code, operand in zip(numbers[::2], numbers[1::2], strict=True))


def _numbers(values: _Values, most: int) -> list[int]:
    return [values.number() for _ in range(values.array(most=most))]


def _fits(known: ClearedBreakpoint) -> bool:
    condition = known.breakpoint.condition
    return len(condition) <= _MOST_EXPRESSIONS and all(len(code) <= _MOST_STEPS for code in condition)


def _stretch(values: _Values) -> tuple[int, int]:
    """The positions at the start of a row of six values."""
    values.array(6)
    start, end = values.number(), values.number()
    if not start < end:
        raise ValueError("an interval that ends before it starts")
    return start, end


def _parts(pages: TouchedPages) -> tuple[PageSet, ...]:
    return pages.written, pages.read, pages.executed, pages.changed


def _sets(words: StoredWords) -> tuple[PageSet, ...]:
    return words.virtual_pages, words.memory_pages, words.virtual_words, words.memory_words


def _bounds(pages: PageSet) -> bytes:
    """A byte that says how wide the boundaries are, and these; nothing if there are none."""
    width = pages.bounds.itemsize
    return b"" if len(pages.bounds) == 0 else bytes((width,)) + pages.bounds.astype(f"<u{width}", copy=False).tobytes()


def _set(data: bytes) -> PageSet:
    if not data:
        return EMPTY
    if data[0] not in _WIDTHS or len(data) == 1 or (len(data) - 1) % (2 * data[0]):
        raise ValueError("bounds of no known width")
    numbers = np.frombuffer(data, f"<u{data[0]}", offset=1)
    if (numbers[1:] <= numbers[:-1]).any():
        raise ValueError("bounds that do not ascend")
    return PageSet(numbers.astype(np.uint64))
