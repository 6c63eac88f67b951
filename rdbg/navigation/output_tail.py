"""The newest outputs of a run, as columns that grow."""

from __future__ import annotations

from array import array

import numpy as np

from rdbg.emu.disk_write import sectors_written
from rdbg.emu.endpoint import Endpoint, EndpointKind
from rdbg.store.output_chunks import MOST_OUTPUTS, MOST_TEXT, TEXT_KINDS, OutputChunk


class OutputTail:
    """Outputs that are added one by one, until there are enough of them for a stretch of their own."""

    def __init__(self) -> None:
        # By endpoint: its place among them, and whether it is a console's or a disk's.
        self._endpoints: dict[Endpoint, tuple[int, bool, bool]] = {}
        self._icounts = array("Q")
        self._places = bytearray()
        self._sizes = array("I")
        self._sectors = array("Q")
        self._text = bytearray()
        self._chunk: OutputChunk | None = None

    def __len__(self) -> int:
        return len(self._icounts)

    @property
    def last_icount(self) -> int:
        """That of the newest output, of which there is one at least."""
        return self._icounts[-1]

    def add(self, icount: int, endpoint: Endpoint, data: bytes) -> bool:
        """The next output; see `rdbg.emu.machine_api.OutputSink`. Whether these are enough for a stretch now."""
        known = self._endpoints.get(endpoint)
        if known is None:
            known = len(self._endpoints), endpoint.kind in TEXT_KINDS, endpoint.kind == EndpointKind.DISK
            self._endpoints[endpoint] = known
        place, has_text, is_disk = known
        self._icounts.append(icount)
        self._places.append(place)
        size, sector = len(data), 0
        if has_text:
            self._text += data
        elif is_disk:
            sector, size = sectors_written(data)
        self._sizes.append(size)
        self._sectors.append(sector)
        self._chunk = None
        return len(self._icounts) >= MOST_OUTPUTS or len(self._text) >= MOST_TEXT

    def endpoints(self) -> set[Endpoint]:
        """By which these have left."""
        return {*self._endpoints}

    def chunk(self) -> OutputChunk:
        """These outputs as they are now."""
        if self._chunk is None:
            self._chunk = OutputChunk(
                tuple(self._endpoints),
                np.frombuffer(bytes(self._places), np.uint8),
                np.array(self._icounts, np.uint64),
                np.array(self._sizes, np.uint32),
                np.array(self._sectors, np.uint64),
                bytes(self._text),
            )
        return self._chunk
