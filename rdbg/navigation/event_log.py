"""Where exceptions were raised and interrupts taken in a run, as far as somebody has looked: an index to go by."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from rdbg.errors import RdbgError
from rdbg.navigation.stored import StoredStates
from rdbg.store.event_rows import EVENT, EventRows, pack_events, unpack_events
from rdbg.store.notes import StoredEvents, StoreNotes


class EventLog:
    """The exceptions and interrupts of a run from its start to `until`. Each takes 13 bytes.

    Args:
        start: icount of the run's start.
    """

    def __init__(self, start: int) -> None:
        self.until = start  #: icount: what happened at positions before it is known
        self._parts: list[EventRows] = []
        self._kept = start  # up to where the store has it
        self._loaded = False

    def load(self, stored: StoredStates, end: int) -> None:
        """Begin with what earlier sessions on the recording have found, up to where its journal comes."""
        notes = _notes(stored)
        if self._loaded or notes is None:
            return
        self._loaded = True
        for stretch in notes.events():
            if stretch.start != self.until or stretch.start >= end:
                break
            try:
                self.add(unpack_events(stretch.data), stretch.until)
            except RdbgError:
                break  # it is found anew
            self._kept = self.until
        self.forget_after(end)

    def save(self, stored: StoredStates) -> None:
        """Let the recording have what it has not.

        Raises:
            RdbgError: its store cannot be written.
        """
        notes = _notes(stored)
        if notes is None or stored.store is None or not stored.store.writable or self.until <= self._kept:
            return
        rows = self._all()
        new = rows[int(np.searchsorted(rows["icount"], self._kept)) :]
        notes.put_events(StoredEvents(self._kept, self.until, pack_events(new)))
        self._kept = self.until

    def add(self, rows: EventRows, until: int) -> None:
        """More is known.

        Args:
            rows: of type `EVENT`, what happened from `until` on, in order.
            until: up to where now.
        """
        if len(rows):
            self._parts.append(rows)
        self.until = max(until, self.until)

    def icounts(self, codes: Collection[int], lines: int = 0) -> NDArray[np.uint64]:
        """Where something happened, ascending.

        Args:
            codes: the architecture's, of what counts.
            lines: a bit for each interrupt line, of which one must have asked; 0: any.
        """
        rows = self._all()
        return np.asarray(rows["icount"][wanted(rows, codes, lines)])

    def between(self, start: int, end: int) -> EventRows:
        """What happened at positions from ``start`` to before ``end``, in order: rows of type `EVENT`."""
        rows = self._all()
        low, high = np.searchsorted(rows["icount"], np.array([start, end], np.uint64))
        return rows[int(low) : int(high)]

    def fork(self, position: int) -> EventLog:
        """That of a run which shares this one's past up to a position, and is not recorded."""
        other = EventLog(self.until)
        other._parts, other._loaded = list(self._parts), True
        other.forget_after(position)
        return other

    def forget_after(self, position: int) -> None:
        """Know what happened before a position only: what comes then may be others."""
        if position >= self.until:
            return
        rows = self._all()
        self._parts = [rows[: int(np.searchsorted(rows["icount"], position))]]
        self.until, self._kept = position, min(self._kept, position)

    def _all(self) -> EventRows:
        if len(self._parts) != 1:
            self._parts = [np.concatenate([np.empty(0, EVENT), *self._parts])]
        return self._parts[0]


def wanted(rows: EventRows, codes: Collection[int], lines: int) -> NDArray[np.bool_]:
    """Which of some rows count; see `EventLog.icounts`."""
    right = np.isin(rows["code"], np.array(sorted(codes), np.uint8))
    return right & ((rows["lines"] & np.uint32(lines)) != 0) if lines else right


def _notes(stored: StoredStates) -> StoreNotes | None:
    return None if stored.store is None else stored.store.notes
