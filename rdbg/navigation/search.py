"""Searching the past: the latest breakpoint hit or watched access before a position."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import pairwise

from rdbg.checkpoints.accesses import Stretch, WatchedAccess
from rdbg.checkpoints.cleared import Sought
from rdbg.checkpoints.wanted import Wanted
from rdbg.emu.architecture import Architecture
from rdbg.emu.machine_api import Block, RunRequest, StopKind, WatchHit
from rdbg.navigation.helpers import PATIENCE, PIECE_SECONDS, Crew, Helpers, Overtaken, SharedSearch
from rdbg.navigation.last_hits import LastHits
from rdbg.navigation.reach import Reach
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.steady_conditions import SteadyConditions
from rdbg.navigation.stops import Interrupted, StopConditions, never
from rdbg.quick_dataclass import dataclass
from rdbg.store.index_codec import pack_index, unpack_index

#: Of a piece that this process has looked through itself: it knows.
NOTHING_LEARNT = pack_index([])


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


@dataclass(frozen=True)
class Looked:
    """What came of looking through a piece.

    Args:
        found: the latest hit, or None.
        learnt: what the piece touched, as the store keeps the index.
    """

    found: Found | None
    learnt: bytes


def _found(access: WatchedAccess) -> Found:
    return Found(access.after, access.before, access.hit)


class Search:
    """A backward search. It moves the machine; whoever asked moves it where it belongs afterwards.

    Args:
        replayer: the machine on its history.
        conditions: what is searched.
        interrupted: polled every few milliseconds.
        helpers: who may help where it takes long; None: nobody.
    """

    def __init__(
        self,
        replayer: Replayer,
        conditions: StopConditions,
        interrupted: Interrupted,
        helpers: Helpers | None = None,
    ) -> None:
        self._replayer = replayer
        self._machine = replayer.machine
        self._breakpoints = conditions.breakpoints
        self._watches = conditions.watches
        self._conditions = conditions.conditions
        self._architecture = replayer.machine.architecture
        self._wanted = self.wanted(conditions, self._architecture)
        self._steady = SteadyConditions(replayer, self._wanted.conditional)
        self._interrupted = interrupted
        self._helpers = helpers
        self._shared: SharedSearch[Looked] | None = None
        self._looked_through = (0, 0)  # instructions, of how many

    @staticmethod
    def wanted(conditions: StopConditions, architecture: Architecture) -> Wanted:
        """The pages that conditions are about, for the index."""
        return Wanted(conditions.breakpoints, conditions.watches, architecture.step_reach, conditions.conditions)

    def latest_before(self, origin: int, start: int) -> Found | None:
        """The latest hit of [start, origin), or None.

        Walks the intervals between checkpoints backward and skips those that the index rules out. The others
        are replayed to their end without stopping at hits, so many hits cost no more than one; and what was
        come across is remembered, so that the hit before costs no more replay.

        Raises:
            SearchInterrupted: the user asked to stop.
        """
        high = origin
        reach = Reach(self._replayer, start)
        began = time.monotonic()
        while high > start and self._wanted:
            possible = self._replayer.keeper.index.latest_possible(start, high, self._wanted)
            if possible is None:
                return None
            high = possible
            if self._shared is None:
                self._looked_through = (origin - high, origin - start)
            known = self._known(high)
            if known is not None:
                access = self._among(known, high)
                low = known.start
                self._clear(self._watches, low if access is None else access.after, high)
                found = None if access is None else _found(access)
            else:
                self._replayer.states.restore(reach.origin(high))
                if self._needless(start, high):
                    continue
                low = self._machine.icount
                found = self._in_interval(high)
            if found is not None:
                return found
            high = low
            if self._helpers is not None and high > start and time.monotonic() - began > PATIENCE:
                speed = (origin - high) / (time.monotonic() - began)
                helpers, self._helpers = self._helpers, None  # nor have copies of this search any
                crew = helpers.crew(self._look_for_another)
                if crew is not None:
                    try:
                        return self._with_crew(crew, origin, high, start, max(int(speed * PIECE_SECONDS), 1))
                    finally:
                        crew.dismiss()
        return None

    def _with_crew(self, crew: Crew, origin: int, high: int, start: int, length: int) -> Found | None:
        """The same from ``high`` on, in pieces of about so many instructions, together with others."""
        replayer = self._replayer

        def border(end: int) -> int:
            return replayer.states.latest(max(start, min(end - length, end - 1))).position

        shared = SharedSearch(crew, self._look_alone, border, self._poll, lambda looked: looked.found is not None)
        self._shared = shared
        for low, end, looked in shared.answers(high, start):
            self._looked_through = (origin - low, origin - start)
            for interval in unpack_index(looked.learnt).intervals:
                replayer.keeper.index.record(interval.start, interval.end, interval.pages)
            found = looked.found
            cleared = low if found is None else found.position
            self._clear(self._watches, cleared, end)
            self._clear(self._wanted.conditional, low if found is None else found.position + 1, end)
            if found is not None:
                return found
        return None

    def _look_alone(self, start: int, end: int) -> Looked:
        """Look through a piece in this process."""
        return Looked(self.latest_before(end, start), NOTHING_LEARNT)

    def _look_for_another(self, start: int, end: int) -> Looked:
        """Look through a piece for the process that this one is a copy of."""
        self._interrupted = never  # the user talks to that process
        found = self.latest_before(end, start)
        index = self._replayer.keeper.index
        return Looked(found, pack_index([each for each in index if start <= each.start and each.end <= end]))

    def _known(self, high: int) -> Stretch | None:
        """A stretch up to ``high`` in which all possible accesses are known and no breakpoint can be hit."""
        index = self._replayer.keeper.index
        stretch = index.accesses.around(self._watches, high) if self._watches else None
        if stretch is not None and self._breakpoints:
            if (
                index.latest_possible(
                    stretch.start, high, Wanted(self._breakpoints, reach=self._architecture.step_reach)
                )
                is not None
            ):
                return None
        return stretch

    def _needless(self, start: int, high: int) -> bool:
        """Whether the state at which the machine stands tells that there is nothing right before ``high``."""
        if not self._steady:
            return False
        self._replayer.catch_up()
        if not self._steady.note(start, high):
            return False
        return self._replayer.keeper.index.latest_possible(start, high, self._wanted) != high

    def _in_interval(self, high: int) -> Found | None:
        """The latest hit from where the machine stands up to ``high``."""
        began = self._machine.icount
        hits = self._scan(high, self._breakpoints)
        breakpoint_at = None if hits.breakpoint is None else hits.breakpoint.position
        low = began if breakpoint_at is None else breakpoint_at
        self._clear(self._wanted.conditional, low if breakpoint_at is None else low + 1, high)
        access = self._latest_access(hits, low, high)
        self._clear(self._watches, low if access is None else access.after, high)
        # At the same place the breakpoint counts: GDB steps back from an access, and would never see the breakpoint.
        if access is not None and (breakpoint_at is None or access.after > breakpoint_at):
            return _found(access)
        return None if breakpoint_at is None else Found(breakpoint_at, breakpoint_at)

    def _clear(self, sought: Iterable[Sought], start: int, end: int) -> None:
        """Let later searches know that nothing of this is to be found there."""
        self._replayer.keeper.index.cleared.note(sought, start, end)

    def _scan(self, high: int, breakpoints: frozenset[int]) -> LastHits:
        """Run to ``high`` and note what is hit on the way."""
        hits = LastHits(self._machine.icount)
        request = RunRequest(
            until=high,
            slice=self._replayer.paced.slice,
            breakpoints=breakpoints,
            conditions=self._conditions if breakpoints else {},
            watches=self._watches,
            last_hit=True,
        )
        while self._machine.icount < high:
            stop = self._replayer.advance(request, hits)
            if stop.kind is not StopKind.PAUSED:
                break
            self._replayer.states.checkpoint_regularly()
            # The same may be asked again: know more finely what was touched here.
            self._replayer.keeper.look(self._replayer.paced.slice // 2)
            self._poll()
        return hits

    def _latest_access(self, hits: LastHits, low: int, high: int) -> WatchedAccess | None:
        """The last watched access of [low, high), once a stretch that contains it was scanned."""
        while True:
            stretch = Stretch(hits.since, high, hits.blocks)
            if hits.blocks:
                self._replayer.keeper.index.accesses.note(self._watches, stretch)
            access = self._among(stretch, high, low)
            if access is not None or hits.since <= low:
                return access
            # More blocks than are noted, and none of them makes the access after all.
            # (Where the scan began there may be no checkpoint any more.)
            self._replayer.states.restore(self._replayer.states.latest(low))
            high = hits.since
            hits = self._scan(high, frozenset())

    def _among(self, stretch: Stretch, high: int, low: int = 0) -> WatchedAccess | None:
        """The last watched access of [low, high) in a stretch whose possible ones are known."""
        while True:
            access = stretch.latest(high)
            if access is not None:
                return access
            blocks = stretch.take_blocks(high)
            if not blocks:
                return None
            if blocks[-1].end <= low:
                stretch.put_back(blocks)
                return None
            try:
                stretch.know(self._look_through(blocks, stretch.end))
            except BaseException:
                stretch.put_back(blocks)
                raise

    def _look_through(self, blocks: list[Block], end: int) -> list[WatchedAccess]:
        """All watched accesses in these blocks that are made before ``end``, in order."""
        found: list[WatchedAccess] = []
        self._goto(blocks[0].start)
        limits = [*(min(block.end, following.start) for block, following in pairwise(blocks)), min(blocks[-1].end, end)]
        for block, limit in zip(blocks, limits, strict=True):
            if not self._replayer.run_to(block.start, self._interrupted, rungs=False):
                raise SearchInterrupted
            while self._machine.icount < limit:
                before = self._machine.icount
                hit = self._machine.watched_access(self._watches)
                change = self._replayer.pass_step(self._watches)
                if self._machine.icount == before:
                    break
                hit = hit or change
                if hit is not None:
                    found.append(WatchedAccess(before, self._machine.icount, hit))
            self._poll()
        return found

    def _goto(self, position: int) -> None:
        self._replayer.states.restore(self._replayer.states.latest(position))
        if not self._replayer.run_to(position, self._interrupted):
            raise SearchInterrupted

    def _poll(self) -> None:
        if self._shared is not None and self._shared.overtaken:
            raise Overtaken
        self._replayer.progress.advance(*self._looked_through, "instructions searched")
        if self._interrupted():
            raise SearchInterrupted
