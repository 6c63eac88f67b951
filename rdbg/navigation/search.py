"""Searching the past: the latest breakpoint hit or watched access before a position."""

from __future__ import annotations

from dataclasses import dataclass

from rdbg.checkpoints.interval_index import Wanted
from rdbg.emu.machine_api import RunRequest, StopKind, Watch, WatchHit
from rdbg.navigation.replayer import EXACT_SPAN, LastHits, Origin, Replayer
from rdbg.navigation.stops import Interrupted, StopConditions


class SearchInterrupted(Exception):
    """The user asked to stop; the machine stands anywhere."""


@dataclass(frozen=True)
class Found:
    """What a search found.

    Args:
        position: where to stand: at the breakpoint, or *after* the accessing instruction.
        before: position before the accessing instruction, or ``position``.
        watch: the access, or None for a breakpoint.
    """

    position: int
    before: int
    watch: WatchHit | None = None


class Search:
    """A backward search. It moves the machine; whoever asked moves it where it belongs afterwards.

    Args:
        replayer: the machine on its history.
        conditions: what is searched.
        interrupted: polled every few milliseconds.
    """

    def __init__(self, replayer: Replayer, conditions: StopConditions, interrupted: Interrupted) -> None:
        self._replayer = replayer
        self._machine = replayer.machine
        self._breakpoints = conditions.breakpoints
        self._watches = conditions.watches
        self._conditions = conditions.conditions
        self._wanted = self.wanted(conditions)
        self._interrupted = interrupted

    @staticmethod
    def wanted(conditions: StopConditions) -> Wanted:
        """The pages that conditions are about, for the index."""
        return Wanted(conditions.breakpoints, conditions.watches)

    def latest_before(self, origin: int, start: int) -> Found | None:
        """The latest hit of [start, origin), or None.

        Walks the intervals between checkpoints backward and skips those that the index rules out. The others
        are replayed to their end without stopping at hits, so many hits cost no more than one.

        Raises:
            SearchInterrupted: the user asked to stop.
        """
        high = origin
        while high > start and self._wanted:
            possible = self._replayer.keeper.index.latest_possible(start, high, self._wanted)
            if possible is None:
                return None
            high = possible
            checkpoint = self._replayer.latest(high - 1)
            found = self._in_interval(checkpoint, high)
            if found is not None:
                return found
            high = checkpoint.position
        return None

    def _in_interval(self, checkpoint: Origin, high: int) -> Found | None:
        """The latest hit from a checkpoint up to ``high``."""
        self._replayer.restore(checkpoint)
        breakpoint_at, block = self._scan(high, self._breakpoints, self._watches)
        if breakpoint_at is not None and (block is None or block + EXACT_SPAN <= breakpoint_at):
            # No block that ends so much earlier can hold a later hit.
            self._clear(checkpoint.position if block is None else block + EXACT_SPAN, high)
            return Found(breakpoint_at, breakpoint_at)
        access = self._latest_access(checkpoint, block, high)
        self._clear(checkpoint.position if access is None else access.position, high)
        if breakpoint_at is None:
            return access
        # At the same place the breakpoint counts: GDB steps back from an access, and would never see the breakpoint.
        if access is not None and access.position > breakpoint_at:
            return access
        return Found(breakpoint_at, breakpoint_at)

    def _clear(self, start: int, end: int) -> None:
        """Let later searches know that no watched access was made there."""
        self._replayer.keeper.index.cleared.note(self._watches, start, end)

    def _scan(
        self, high: int, breakpoints: frozenset[int], watches: tuple[Watch, ...]
    ) -> tuple[int | None, int | None]:
        """Run to ``high`` and note the last breakpoint hit's position and the last accessing block's."""
        breakpoint_at: int | None = None
        block: int | None = None
        while (position := self._machine.icount) < high:
            if breakpoints and self._machine.stops_here(
                breakpoints, self._conditions
            ):  # a run does not report the place it starts from
                breakpoint_at = position
            hits = LastHits()
            request = RunRequest(
                until=high,
                slice=self._replayer.slice,
                breakpoints=breakpoints,
                conditions=self._conditions if breakpoints else {},
                watches=watches,
                last_hit=True,
            )
            stop = self._replayer.advance(request, hits)
            if hits.breakpoint is not None and hits.breakpoint.position < high:
                breakpoint_at = hits.breakpoint.position
            if hits.watch is not None:
                block = hits.watch.position
            if stop.kind is not StopKind.PAUSED:
                break
            self._replayer.checkpoint_regularly()
            # The same may be asked again: know more finely what was touched here.
            self._replayer.keeper.look(self._replayer.slice // 2)
            self._poll()
        return breakpoint_at, block

    def _latest_access(self, checkpoint: Origin, block: int | None, high: int) -> Found | None:
        """The last watched access before ``high``, in ``block`` or, where the scan was too careful, before it."""
        while block is not None:
            access = self._last_access(block, high)
            if access is not None:
                return access
            self._replayer.restore(checkpoint)
            high = block
            _, block = self._scan(high, frozenset(), self._watches)
        return None

    def _last_access(self, block: int, high: int) -> Found | None:
        """The last watched access in the block that starts at ``block``, made before ``high``."""
        self._goto(block)
        limit = min(high, block + EXACT_SPAN)
        last: Found | None = None
        while self._machine.icount < limit:
            stop = self._replayer.advance(RunRequest(until=limit, watches=self._watches, exact=True))
            if stop.kind is not StopKind.WATCHPOINT:
                if stop.kind is StopKind.PAUSED:
                    continue
                break
            before = self._machine.icount
            self._replayer.step()
            after = self._machine.icount
            if after > high or after == before:
                break
            last = Found(after, before, stop.watch)
            self._poll()
        return last

    def _goto(self, position: int) -> None:
        self._replayer.restore(self._replayer.latest(position))
        if not self._replayer.run_to(position, self._interrupted):
            raise SearchInterrupted

    def _poll(self) -> None:
        if self._interrupted():
            raise SearchInterrupted
