"""What has left a run, output by output: where each left, and what consoles printed."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rdbg.emu.disk import SECTOR_SIZE
from rdbg.emu.endpoint import Endpoint
from rdbg.emu.output_mark import OutputMark, Sent, endpoint_order
from rdbg.errors import RdbgError
from rdbg.navigation.output_tail import OutputTail
from rdbg.quick_dataclass import dataclass
from rdbg.store.notes import StoredOutputs
from rdbg.store.output_chunks import TEXT_KINDS, OutputChunk, pack_outputs, unpack_outputs

#: Bytes of compressed stretches that are held in memory: what is older is read from the store, or is forgotten.
MOST_MEMORY = 64 << 20
#: Compressed bytes that are read when a recording is opened.
_READ_AT_ONCE = 16 << 20
#: Stretches that are held unpacked.
_UNPACKED = 4


@dataclass(frozen=True)
class SentOutput:
    """Something that has left.

    Args:
        icount: of the instruction that sent it: standing there, it is about to. Of what no instruction sent (a timer
            was due), the position at which it left.
        endpoint: by which.
        number: how many have left by this endpoint with it: the first is 1.
        size: bytes; of a disk those written, 0 for a flush.
        before: bytes that had left by this endpoint before it.
        sector: of a disk, the first one.
        text: of a console, what it printed.
    """

    icount: int
    endpoint: Endpoint
    number: int
    size: int
    before: int
    sector: int = 0
    text: bytes = b""


@dataclass
class _Stretch:
    """A stretch of the log that is over.

    Args:
        first: outputs before it.
        count: outputs in it.
        until: icount of the last.
        counts: what had left by each endpoint before it: outputs and bytes.
        packed: its bytes; None: the store has them.
    """

    first: int
    count: int
    until: int
    counts: dict[Endpoint, tuple[int, int]]
    packed: bytes | None


class OutputLog:
    """All that has left a run since its start, as far as the machine has been seen to send it.

    Outputs are taken in their order, each once: a passage that begins behind what is known adds nothing. So what is
    known is always the beginning of it all.

    Args:
        most_memory: bytes of compressed stretches to hold.
    """

    def __init__(self, most_memory: int = MOST_MEMORY) -> None:
        self.count = 0  #: outputs that are known
        self.lost = 0  #: how many of the first ones are forgotten, for want of memory
        self._most_memory = most_memory
        self._held = 0
        self._stretches: list[_Stretch] = []
        self._counts: dict[Endpoint, tuple[int, int]] = {}  # behind the stretches
        self._saved = 0  # outputs that the store has
        self._fetch: Callable[[int], bytes | None] | None = None
        self._unpacked: dict[int, OutputChunk] = {}
        self._tail = OutputTail()

    # --- taking --------------------------------------------------------------------------------
    def add(self, icount: int, endpoint: Endpoint, data: bytes) -> None:
        """The next output; see `rdbg.emu.machine_api.OutputSink`."""
        is_full = self._tail.add(icount, endpoint, data)
        self.count += 1
        if is_full:
            self._end_tail()

    def load(
        self, stored: Sequence[StoredOutputs], fetch: Callable[[int], bytes | None], last: int | None = None
    ) -> None:
        """Begin with what a store has.

        Args:
            stored: its stretches by their number.
            fetch: reads the bytes of one, by the number of its first output.
            last: icount at which the journal ends; what is said of later ones is left out. None: it goes on.
        """
        self._fetch = fetch
        for each in stored:
            if each.first != self.count or len(self._tail) or (last is not None and each.until > last):
                break
            counts = {sent.endpoint: (sent.outputs, sent.size) for sent in each.before.endpoints}
            # A copy of this process that answers a question must not read a file that is open here.
            packed = fetch(each.first) if self._held < _READ_AT_ONCE else None
            self._held += len(packed or b"")
            self._stretches.append(_Stretch(each.first, each.count, each.until, counts, packed))
            self.count += each.count
            self._saved = self.count
        if self._stretches:
            self._recount()

    def unsaved(self) -> list[StoredOutputs]:
        """What the store has not, with its bytes; it is taken for saved from now on."""
        self._end_tail()
        made = []
        for stretch in self._stretches:
            if stretch.first >= self._saved and stretch.packed is not None:
                mark = _mark(stretch.counts)
                made.append(StoredOutputs(stretch.first, stretch.count, stretch.until, mark, stretch.packed))
        self._saved = self.count
        return made

    def fork(self) -> OutputLog:
        """That of a run which shares this one's past; what lies behind is cut off by `forget_after`."""
        self._end_tail()
        other = OutputLog(self._most_memory)
        other.count, other.lost, other._held = self.count, self.lost, self._held
        other._stretches = [_Stretch(**vars(stretch)) for stretch in self._stretches]
        other._counts = dict(self._counts)
        other._saved, other._fetch = self.count, self._fetch
        return other

    def count_before(self, position: int) -> int:
        """How many of the outputs that are known left before a position."""
        count = self.lost
        for stretch in self._all():
            if stretch.until >= position:
                return stretch.first + int(np.searchsorted(self._chunk(stretch).icounts, position))
            count = stretch.first + stretch.count
        return count

    def forget_after(self, count: int) -> None:
        """Know the first ``count`` outputs only: what comes then may be others."""
        if count >= self.count:
            return
        self._end_tail()
        while self._stretches and self._stretches[-1].first + self._stretches[-1].count > count:
            last = self._stretches.pop()
            self._held -= len(last.packed or b"")
            if last.first < count:
                kept = self._chunk(last).first(count - last.first)
                self._unpacked.pop(last.first, None)
                self._hold(last.first, kept, last.counts)
            else:
                self._unpacked.pop(last.first, None)
        self.count = max(count, self.lost)
        self._saved = min(self._saved, self.count)
        self._recount()

    # --- asking --------------------------------------------------------------------------------
    def output(self, endpoint: Endpoint, number: int) -> SentOutput | None:
        """The output of that number (from 1) that left by an endpoint; None: so many have not left."""
        for stretch, chunk in self._pieces(lambda counts: counts.get(endpoint, (0, 0))[0] < number):
            outputs, _ = stretch.counts.get(endpoint, (0, 0))
            rows = chunk.rows_of(endpoint)
            if outputs < number <= outputs + len(rows):
                return _row(stretch, chunk, int(rows[number - 1 - outputs]))
        return None

    def byte(self, endpoint: Endpoint, number: int) -> SentOutput | None:
        """The output that had the byte of that number (from 1) of all that left by an endpoint."""
        for stretch, chunk in self._pieces(lambda counts: counts.get(endpoint, (0, 0))[1] < number):
            _, size = stretch.counts.get(endpoint, (0, 0))
            rows = chunk.rows_of(endpoint)
            ends = size + np.cumsum(chunk.sizes[rows].astype(np.int64))
            at = int(np.searchsorted(ends, number))
            if number > size and at < len(rows):
                return _row(stretch, chunk, int(rows[at]))
        return None

    def sector(self, disk: Endpoint, sector: int, before: int | None = None) -> SentOutput | None:
        """The last output that wrote a sector of a disk, before an icount; None: nothing did."""
        for stretch in reversed(self._all()):
            chunk = self._chunk(stretch)
            rows = chunk.rows_of(disk)
            first = chunk.sectors[rows]
            covers = (first <= sector) & (sector < first + chunk.sizes[rows] // SECTOR_SIZE)
            if before is not None:
                covers &= chunk.icounts[rows] < before
            found = np.flatnonzero(covers)
            if len(found):
                return _row(stretch, chunk, int(rows[found[-1]]))
        return None

    def rows(
        self, start: int = 0, end: int | None = None, endpoints: Collection[Endpoint] | None = None
    ) -> Iterator[SentOutput]:
        """Outputs in their order.

        Args:
            start, end: icounts of the instructions that sent them: not before the one, and before the other.
            endpoints: of these alone; None: of all.
        """
        for stretch in self._all():
            if stretch.until < start:
                continue
            chunk = self._chunk(stretch)
            counts = dict(stretch.counts)
            starts = chunk.text_starts()
            for row in range(len(chunk)):
                icount = int(chunk.icounts[row])
                if end is not None and icount >= end:
                    return
                endpoint, size = chunk.endpoints[chunk.places[row]], int(chunk.sizes[row])
                outputs, before = counts.get(endpoint, (0, 0))
                counts[endpoint] = outputs + 1, before + size
                if icount < start or (endpoints is not None and endpoint not in endpoints):
                    continue
                text = chunk.text[starts[row] : starts[row + 1]]
                yield SentOutput(icount, endpoint, outputs + 1, size, before, int(chunk.sectors[row]), text)

    def consoles(self) -> list[Endpoint]:
        """Those that have printed anything, in order."""
        return [endpoint for endpoint in self.endpoints() if endpoint.kind in TEXT_KINDS]

    def endpoints(self) -> list[Endpoint]:
        """By which anything has left, in order."""
        return sorted({*self._counts, *self._tail.endpoints()}, key=endpoint_order)

    def sent(self, endpoint: Endpoint) -> tuple[int, int]:
        """How many outputs have left by an endpoint, and how many bytes."""
        stretches = self._all()
        if not stretches:
            return 0, 0
        outputs, size = stretches[-1].counts.get(endpoint, (0, 0))
        chunk = self._chunk(stretches[-1])
        rows = chunk.rows_of(endpoint)
        return outputs + len(rows), size + int(chunk.sizes[rows].sum(dtype=np.int64))

    def texts(self, text: bytes) -> Iterator[SentOutput]:
        """The outputs with the first byte of each place where a console printed a text, by icount."""
        return heapq.merge(
            *(self._texts(endpoint, text) for endpoint in self.consoles()),
            key=lambda found: (found.icount, endpoint_order(found.endpoint)),
        )

    def printed(self, endpoint: Endpoint) -> Iterator[tuple[int, bytes]]:
        """What a console printed, in pieces: how many bytes came before each, and these bytes."""
        for stretch in self._all():
            text = self._chunk(stretch).text_of(endpoint)
            if text:
                yield stretch.counts.get(endpoint, (0, 0))[1], text

    def stream(self, endpoint: Endpoint) -> tuple[bytes, NDArray[np.int64], NDArray[np.uint64]]:
        """All that a console printed; then of each output how many bytes came before it, and its icount."""
        texts, befores, icounts = [], [np.zeros(0, np.int64)], [np.zeros(0, np.uint64)]
        for stretch in self._all():
            chunk = self._chunk(stretch)
            rows = chunk.rows_of(endpoint)
            sizes = chunk.sizes[rows].astype(np.int64)
            texts.append(chunk.text_of(endpoint))
            befores.append(stretch.counts.get(endpoint, (0, 0))[1] + np.cumsum(sizes) - sizes)
            icounts.append(chunk.icounts[rows])
        return b"".join(texts), np.concatenate(befores), np.concatenate(icounts)

    def _texts(self, endpoint: Endpoint, text: bytes) -> Iterator[SentOutput]:
        carried = b""
        for before, piece in self.printed(endpoint):
            searched = carried + piece
            at = searched.find(text)
            while at >= 0:
                found = self.byte(endpoint, before - len(carried) + at + 1)
                assert found is not None
                yield found
                at = searched.find(text, at + 1)
            carried = searched[len(searched) - len(text) + 1 :] if len(text) > 1 else b""

    # --- stretches -----------------------------------------------------------------------------
    def _pieces(
        self, before_wanted: Callable[[dict[Endpoint, tuple[int, int]]], bool]
    ) -> Iterator[tuple[_Stretch, OutputChunk]]:
        """The last stretch that begins before what is wanted, if there is one."""
        stretches = self._all()
        at = bisect_right(stretches, False, key=lambda stretch: not before_wanted(stretch.counts))
        if at:
            yield stretches[at - 1], self._chunk(stretches[at - 1])

    def _all(self) -> list[_Stretch]:
        if not len(self._tail):
            return self._stretches
        return [*self._stretches, self._tail_stretch()]

    def _tail_stretch(self) -> _Stretch:
        return _Stretch(self.count - len(self._tail), len(self._tail), self._tail.last_icount, self._counts, None)

    def _chunk(self, stretch: _Stretch) -> OutputChunk:
        if len(self._tail) and stretch.first == self.count - len(self._tail):
            return self._tail.chunk()
        chunk = self._unpacked.pop(stretch.first, None)
        if chunk is None:
            chunk = self._read(stretch)
        self._unpacked[stretch.first] = chunk
        while len(self._unpacked) > _UNPACKED:
            del self._unpacked[next(iter(self._unpacked))]
        return chunk

    def _read(self, stretch: _Stretch) -> OutputChunk:
        packed = stretch.packed
        if packed is None and self._fetch is not None:
            packed = self._fetch(stretch.first)
        try:
            if packed is None:
                raise RdbgError("what the recording says of its output is damaged (a part is missing)")
            chunk = unpack_outputs(packed)
            if len(chunk) != stretch.count:
                raise RdbgError("what the recording says of its output is damaged (a part has another length)")
        except RdbgError as error:
            self._cut(stretch.first)
            raise RdbgError(f"{error}; ask again: it is made anew by a replay") from error
        return chunk

    def _cut(self, first: int) -> None:
        """Know nothing from a damaged stretch on."""
        self._stretches = [stretch for stretch in self._stretches if stretch.first < first]
        self._tail = OutputTail()
        self.count = self._saved = first
        self._recount()

    def _end_tail(self) -> None:
        if not len(self._tail):
            return
        first, chunk = self.count - len(self._tail), self._tail.chunk()
        self._tail = OutputTail()
        self._hold(first, chunk, self._counts)
        self._recount()

    def _hold(self, first: int, chunk: OutputChunk, counts: dict[Endpoint, tuple[int, int]]) -> None:
        packed = pack_outputs(chunk)
        self._held += len(packed)
        self._stretches.append(_Stretch(first, len(chunk), int(chunk.icounts[-1]), dict(counts), packed))
        for stretch in self._stretches[:-1]:
            if self._held <= self._most_memory:
                break
            if stretch.packed is not None:
                self._held -= len(stretch.packed)
                if self._fetch is not None and stretch.first + stretch.count <= self._saved:
                    stretch.packed = None
                else:
                    self.lost = stretch.first + stretch.count
        self._stretches = [stretch for stretch in self._stretches if stretch.first >= self.lost]

    def _recount(self) -> None:
        """Find out what has left behind the last stretch."""
        self._counts = {}
        if self._stretches:
            last = self._stretches[-1]
            chunk = self._chunk(last)
            self._counts = dict(last.counts)
            for endpoint in chunk.endpoints:
                rows = chunk.rows_of(endpoint)
                outputs, size = self._counts.get(endpoint, (0, 0))
                self._counts[endpoint] = outputs + len(rows), size + int(chunk.sizes[rows].sum(dtype=np.int64))


def _row(stretch: _Stretch, chunk: OutputChunk, row: int) -> SentOutput:
    """One output of a stretch."""
    endpoint = chunk.endpoints[chunk.places[row]]
    earlier = chunk.rows_of(endpoint)
    earlier = earlier[earlier < row]
    outputs, size = stretch.counts.get(endpoint, (0, 0))
    starts = chunk.text_starts()
    return SentOutput(
        int(chunk.icounts[row]),
        endpoint,
        outputs + len(earlier) + 1,
        int(chunk.sizes[row]),
        size + int(chunk.sizes[earlier].sum(dtype=np.int64)),
        int(chunk.sectors[row]),
        chunk.text[starts[row] : starts[row + 1]],
    )


def _mark(counts: dict[Endpoint, tuple[int, int]]) -> OutputMark:
    ordered = sorted(counts.items(), key=lambda item: endpoint_order(item[0]))
    return OutputMark(tuple(Sent(endpoint, outputs, size) for endpoint, (outputs, size) in ordered))
