"""The interval index as bytes, for the recording's store."""

from __future__ import annotations

from collections.abc import Iterable

import msgpack
import numpy as np
import zstandard

from rdbg.checkpoints.interval_index import Interval, TouchedPages
from rdbg.checkpoints.page_set import PageSet

#: Changes when the bytes, or what an interval's sets mean, change: an index of another version is made anew.
_VERSION = 1
#: More than any index takes.
_MOST_BYTES = 256 << 20


def pack_index(intervals: Iterable[Interval]) -> bytes:
    """The bytes of these intervals."""
    rows = [
        (
            interval.start,
            interval.end,
            *(part.bounds.astype("<u4").tobytes() for part in _parts(interval.pages)),
        )
        for interval in intervals
    ]
    packed: bytes = msgpack.packb([_VERSION, rows])
    return zstandard.ZstdCompressor(level=1).compress(packed)


def unpack_index(data: bytes) -> list[Interval]:
    """The intervals in bytes that `pack_index` gave; none if they are of another version."""
    try:
        if not 0 <= zstandard.frame_content_size(data) <= _MOST_BYTES:
            return []
        content = msgpack.unpackb(zstandard.ZstdDecompressor().decompress(data))
        if content[0] != _VERSION:
            return []
        return [Interval(start, end, TouchedPages(*map(_set, parts))) for start, end, *parts in content[1]]
    except (zstandard.ZstdError, MemoryError, ValueError, TypeError, LookupError):
        return []


def _parts(pages: TouchedPages) -> tuple[PageSet, PageSet, PageSet]:
    return pages.written, pages.read, pages.executed


def _set(bounds: bytes) -> PageSet:
    return PageSet(np.frombuffer(bounds, "<u4").astype(np.uint32))
