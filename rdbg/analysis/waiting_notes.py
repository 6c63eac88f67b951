"""Notes that wait for one before them that is not complete yet, in a tenth of their memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
import zstandard
from numpy.typing import NDArray

from rdbg.analysis.probing import Notes
from rdbg.emu.probes import NOTE, OPEN

#: Behind every position.
FOREVER = (1 << 64) - 1
#: Notes that are packed together. Fewer wait as they are.
_BATCH = 1 << 14


def no_notes() -> Notes:
    """None."""
    return np.empty(0, NOTE)


class PackedNotes:
    """Some notes, in order, compressed where they are many.

    Args:
        notes: at least one.
    """

    def __init__(self, notes: Notes) -> None:
        self._dtype = notes.dtype
        self._notes: Notes | None = None
        self._bytes = b""
        if len(notes) < _BATCH:
            self._notes = notes.copy()  # and not what it is a part of
        else:
            # Word by word as differences to the note before: a loop's notes differ by the same in most of them.
            words = np.ascontiguousarray(notes).view(np.uint32).reshape(len(notes), -1)
            differences = np.diff(words, axis=0, prepend=np.zeros((1, words.shape[1]), np.uint32))
            compressed = zstandard.ZstdCompressor(level=1).compress(differences.T.tobytes())
            self._bytes = bytes(memoryview(compressed))  # which has room for all that it might have been
        ended = notes["ended"]
        self.opens = bool(ended[0] == OPEN)  #: the first of them is open
        self.has_open = bool((ended == OPEN).any())  #: one of them is
        self.since = int(notes["icount"][0])  #: icount of the first

    @property
    def small(self) -> bool:
        """Whether they are few, and not compressed."""
        return self._notes is not None

    @property
    def notes(self) -> Notes:
        """The notes."""
        if self._notes is not None:
            return self._notes
        differences = np.frombuffer(zstandard.ZstdDecompressor().decompress(self._bytes), np.uint32)
        words = np.cumsum(differences.reshape(self._dtype.itemsize // 4, -1), axis=1, dtype=np.uint32)
        return np.ascontiguousarray(words.T).reshape(-1).view(self._dtype)


def keep_notes(packs: deque[PackedNotes], notes: Notes) -> None:
    """Let notes wait behind others, of which few are not left on their own."""
    if not len(notes):
        return
    if packs and packs[-1].small:
        notes = np.concatenate([packs.pop().notes, notes])
    packs.extend(packs_of_notes(notes))


def packs_of_notes(notes: Notes) -> Iterator[PackedNotes]:
    """Notes, in packs of a bounded size."""
    for at in range(0, len(notes), _BATCH):
        yield PackedNotes(notes[at : at + _BATCH])


class WaitingNotes:
    """Notes that come in whatever order, and are given back in that of their icounts; those of one icount as they
    came."""

    def __init__(self) -> None:
        self._loose: list[Notes] = []
        self._count = 0  # of the loose ones
        self._packs: list[PackedNotes] = []  # as they came
        self.since = FOREVER  #: the first icount of all

    def add(self, notes: Notes) -> None:
        """Let some wait."""
        if not len(notes):
            return
        self._loose.append(notes)
        self._count += len(notes)
        self.since = min(self.since, int(notes["icount"].min()))
        if self._count >= 2 * _BATCH:
            for pack in packs_of_notes(self._taken_loose()):
                if pack.small:
                    self._loose.append(pack.notes)
                    self._count += len(pack.notes)
                else:
                    self._packs.append(pack)

    def before(self, limit: int) -> Iterator[Notes]:
        """Take out those before a position, some at a time. All of them are to be taken."""
        if self.since >= limit:
            return
        # What waits behind one that does not return is not moved each time.
        packs = [*enumerate(self._packs), *((len(self._packs), each) for each in packs_of_notes(self._taken_loose()))]
        chosen = [(number, each) for number, each in packs if each.since < limit]
        self._packs = [each for _, each in packs if each.since >= limit]
        self.since = min((each.since for each in self._packs), default=FOREVER)
        held, came = no_notes(), np.empty(0, np.int64)
        for number, each in sorted(chosen, key=lambda pair: pair[1].since):
            ready = int(np.searchsorted(held["icount"], min(each.since, limit)))
            if ready:
                yield held[:ready]
            notes = each.notes
            held, came = _merged(held[ready:], came[ready:], notes, np.full(len(notes), number))
        ready = int(np.searchsorted(held["icount"], limit))
        if ready:
            yield held[:ready]
        self.add(held[ready:].copy())

    def _taken_loose(self) -> Notes:
        """Those that are not packed, in order; they are to be kept elsewhere."""
        loose, self._loose, self._count = self._loose, [], 0
        if not loose:
            return no_notes()
        notes = np.concatenate(loose) if len(loose) > 1 else loose[0]
        icounts = notes["icount"]
        if (icounts[1:] < icounts[:-1]).any():
            notes = notes[np.argsort(icounts, kind="stable")]
        return notes


def _merged(
    notes: Notes, came: NDArray[np.int64], others: Notes, others_came: NDArray[np.int64]
) -> tuple[Notes, NDArray[np.int64]]:
    """Notes of two, in order, and when each came."""
    if not len(notes):
        return others, others_came
    both, when = np.concatenate([notes, others]), np.concatenate([came, others_came])
    order = np.lexsort((when, both["icount"]))
    return both[order], when[order]
