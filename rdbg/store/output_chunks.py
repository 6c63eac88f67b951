"""Stretches of what has left a machine: where each output left, and what consoles printed; as bytes for the store."""

from __future__ import annotations

from collections.abc import Sequence

import construct as c
import numpy as np
from numpy.typing import NDArray

from rdbg.emu.endpoint import Endpoint, EndpointKind
from rdbg.errors import RdbgError
from rdbg.journal.numbers import VAR_INT
from rdbg.quick_dataclass import dataclass
from rdbg.store.compressed import compressed, decompressed

#: Grows when the bytes, or what they mean, change.
VERSION = 1
#: Endpoints whose bytes are text that is worth having: the others' are made again by a replay.
TEXT_KINDS = frozenset({EndpointKind.SERIAL, EndpointKind.CONSOLE, EndpointKind.GPIO})
#: A stretch ends when it has so many outputs, or so many bytes of text.
MOST_OUTPUTS = 1 << 16
MOST_TEXT = 1 << 20
#: More than any stretch takes: one output may be the last of it, and as long as a console's buffer.
_MOST_BYTES = 64 << 20

_Header = c.Struct(
    "version" / c.Const(VERSION, c.Int8ul),
    "endpoints" / c.PrefixedArray(c.Int8ul, c.Struct("kind" / c.Int8ul, "port" / VAR_INT)),
    "count" / VAR_INT,
    "columns" / c.GreedyBytes,
)


@dataclass(frozen=True)
class OutputChunk:
    """Outputs that followed one another, by columns: one element for each output.

    Args:
        endpoints: by which they left.
        places: which of these, each.
        icounts: of the instructions that sent them; for those that no instruction sent, the positions where they left.
        sizes: bytes; of a disk those written, 0 for a flush.
        sectors: of a disk the first one; else 0.
        text: what consoles printed, one output after another.
    """

    endpoints: tuple[Endpoint, ...]
    places: NDArray[np.uint8]
    icounts: NDArray[np.uint64]
    sizes: NDArray[np.uint32]
    sectors: NDArray[np.uint64]
    text: bytes

    def __len__(self) -> int:
        return len(self.icounts)

    def rows_of(self, endpoint: Endpoint) -> NDArray[np.intp]:
        """Which of the outputs left by one endpoint."""
        if endpoint not in self.endpoints:
            return np.zeros(0, np.intp)
        return np.flatnonzero(self.places == self.endpoints.index(endpoint))

    def text_starts(self) -> NDArray[np.int64]:
        """Where in ``text`` each output's begins; one more than there are outputs."""
        has_text = np.array([endpoint.kind in TEXT_KINDS for endpoint in self.endpoints], np.bool_)
        lengths = (
            np.where(has_text[self.places], self.sizes, 0).astype(np.int64) if len(self) else np.zeros(0, np.int64)
        )
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])

    def text_of(self, endpoint: Endpoint) -> bytes:
        """All that one console printed."""
        if len(self.endpoints) == 1:
            return self.text if endpoint in self.endpoints else b""
        starts = self.text_starts()
        return b"".join(self.text[starts[row] : starts[row + 1]] for row in self.rows_of(endpoint))

    def first(self, count: int) -> OutputChunk:
        """The first ``count`` of these outputs."""
        return OutputChunk(
            self.endpoints,
            self.places[:count],
            self.icounts[:count],
            self.sizes[:count],
            self.sectors[:count],
            self.text[: int(self.text_starts()[count])],
        )


def pack_outputs(chunk: OutputChunk) -> bytes:
    """The bytes of a stretch."""
    steps = np.diff(chunk.icounts, prepend=np.uint64(0))
    columns = (steps.astype("<u8"), chunk.places, chunk.sizes.astype("<u4"), chunk.sectors.astype("<u8"))
    fields = {
        "version": VERSION,
        "endpoints": [{"kind": int(endpoint.kind), "port": endpoint.port} for endpoint in chunk.endpoints],
        "count": len(chunk),
        "columns": b"".join(column.tobytes() for column in columns) + chunk.text,
    }
    return compressed(bytes(_Header.build(fields)))


def unpack_outputs(data: bytes) -> OutputChunk:
    """What `pack_outputs` was given.

    Raises:
        RdbgError: these are not its bytes.
    """
    try:
        fields = _Header.parse(decompressed(data, _MOST_BYTES))
        endpoints = tuple(Endpoint(EndpointKind(each.kind), each.port) for each in fields.endpoints)
        chunk = _chunk(endpoints, fields.count, fields.columns)
    except (c.ConstructError, MemoryError, OverflowError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RdbgError(f"what the recording says of its output is damaged ({reason})") from error
    return chunk


def _chunk(endpoints: Sequence[Endpoint], count: int, columns: bytes) -> OutputChunk:
    if count > 2 * MOST_OUTPUTS or 21 * count > len(columns) or len(set(endpoints)) != len(endpoints):
        raise ValueError("its columns are not as long as they say")
    steps = np.frombuffer(columns, "<u8", count)
    places = np.frombuffer(columns, np.uint8, count, 8 * count)
    sizes = np.frombuffer(columns, "<u4", count, 9 * count)
    sectors = np.frombuffer(columns, "<u8", count, 13 * count)
    if count and int(places.max()) >= len(endpoints):
        raise ValueError("an output of no endpoint")
    icounts = np.cumsum(steps, dtype=np.uint64)
    if (icounts[1:] < icounts[:-1]).any():
        raise ValueError("icounts that do not ascend")
    chunk = OutputChunk(
        tuple(endpoints),
        places,
        icounts,
        sizes.astype(np.uint32),
        sectors.astype(np.uint64),
        bytes(columns[21 * count :]),
    )
    if int(chunk.text_starts()[-1]) != len(chunk.text):
        raise ValueError("text of another length")
    return chunk
