"""Where exceptions were raised and interrupts taken; as bytes for the store."""

from __future__ import annotations

import construct as c
import numpy as np
from numpy.typing import NDArray

from rdbg.errors import RdbgError
from rdbg.journal.numbers import VAR_INT
from rdbg.store.compressed import compressed, decompressed

#: An exception or interrupt: where, the architecture's code of it, and of an interrupt the lines that asked for it.
EVENT = np.dtype([("icount", "<u8"), ("code", "u1"), ("lines", "<u4")])
EventRows = NDArray[np.void]
#: Grows when the bytes, or what they mean, change.
_VERSION = 1
_BYTES = 8 + 1 + 4
_MOST_BYTES = 1 << 30

_Header = c.Struct("version" / c.Const(_VERSION, c.Int8ul), "count" / VAR_INT, "columns" / c.GreedyBytes)


def pack_events(rows: EventRows) -> bytes:
    """The bytes of rows of type `EVENT`, whose icounts ascend."""
    steps = np.diff(rows["icount"], prepend=np.uint64(0)).astype("<u8")
    columns = steps.tobytes() + rows["code"].tobytes() + rows["lines"].astype("<u4").tobytes()
    built = _Header.build({"version": _VERSION, "count": len(rows), "columns": columns})
    return compressed(bytes(built))


def unpack_events(data: bytes) -> EventRows:
    """What `pack_events` was given.

    Raises:
        RdbgError: these are not its bytes.
    """
    try:
        fields = _Header.parse(decompressed(data, _MOST_BYTES))
        count, columns = fields.count, fields.columns
        if len(columns) != _BYTES * count:
            raise ValueError("its columns are not as long as they say")
        icounts = np.cumsum(np.frombuffer(columns, "<u8", count), dtype=np.uint64)
        if (icounts[1:] < icounts[:-1]).any():
            raise ValueError("icounts that do not ascend")
    except (c.ConstructError, MemoryError, OverflowError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RdbgError(f"what the recording says of its exceptions is damaged ({reason})") from error
    rows = np.empty(count, EVENT)
    rows["icount"] = icounts
    rows["code"] = np.frombuffer(columns, np.uint8, count, 8 * count)
    rows["lines"] = np.frombuffer(columns, "<u4", count, 9 * count)
    return rows
