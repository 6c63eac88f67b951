"""Who wrote this? The latest writes to a piece of memory, by whatever address and by whom they were made."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import partial

from rdbg.checkpoints.wanted import Wanted
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.machine_api import Access, RunRequest, StopKind, Watch, Write, Writer
from rdbg.navigation.helpers import PATIENCE, PIECE_SECONDS, Crew, Helpers, Overtaken, SharedSearch
from rdbg.navigation.last_hits import LastHits
from rdbg.navigation.reach import Reach
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.search import SearchInterrupted
from rdbg.navigation.stops import Interrupted, never
from rdbg.quick_dataclass import dataclass

#: More than there are writes at one position.
_MOST_AT_ONCE = 1 << 62


@dataclass(frozen=True, order=True)
class Order:
    """Where a write stands among all of the run.

    Args:
        after: the position that the write has led to, or at which it was made.
        number: among those there, in the order in which they were made: an instruction's store, what a device made of
            that, what happened when the position was reached, then what happened while the CPU stood there.
    """

    after: int
    number: int


def after_all_at(position: int) -> Order:
    """The order behind all that is done at ``position``."""
    return Order(position, _MOST_AT_ONCE)


@dataclass(frozen=True)
class LastWrite:
    """A write found in the past.

    Args:
        write: what it did.
        order: where it stands; a search for what was before it ends there.
    """

    write: Write
    order: Order


class WriteSearch:
    """Looks back for writes. It moves the machine; whoever asked moves it where it belongs afterwards.

    A fast pass over a stretch tells in which blocks they were made. These are then run again instruction by
    instruction, from the first to the last that is wanted, in one pass.

    Args:
        replayer: the machine on its history, where the question is asked: the addresses are what they mean there.
        address: first byte, virtual.
        length: bytes.
        interrupted: polled every few milliseconds.
        helpers: who may help where it takes long; None: nobody.
    """

    def __init__(
        self,
        replayer: Replayer,
        address: int,
        length: int,
        interrupted: Interrupted,
        helpers: Helpers | None = None,
    ) -> None:
        self._replayer = replayer
        self._machine = replayer.machine
        self._interrupted = interrupted
        self._helpers = helpers
        self._shared: SharedSearch[list[LastWrite]] | None = None
        self._looked_through = (0, 0)  # instructions, of how many
        storage = tuple(self._machine.storage(address, length))
        self._watch = Watch(address, length, Access.WRITE, storage)
        self._wanted = Wanted(watches=(self._watch,))
        self._start = replayer.history.start
        outside = replayer.history.known.outside_writes()
        # Positions at which something from outside may have written.
        self._outside = sorted({event.icount for event in outside if self._matters(event)})

    def _matters(self, event: InputEvent) -> bool:
        return event.kind is InputKind.RESET or self._machine.holds(self._watch.storage, event)

    def before(self, bound: Order, count: int) -> Iterator[LastWrite]:
        """The latest ``count`` writes before ``bound``, latest first; fewer, if there were no more.

        Raises:
            SearchInterrupted: the user asked to stop.
        """
        origin = bound.after
        began = time.monotonic()
        for high, made in self._within(bound, count, self._start):
            for each in made:
                yield each
                bound = each.order
            count -= len(made)
            bound = min(bound, after_all_at(high))
            spent = time.monotonic() - began
            if self._helpers is not None and count > 0 and high > self._start and spent > PATIENCE:
                length = max(int((origin - high) / spent * PIECE_SECONDS), 1)
                helpers, self._helpers = self._helpers, None  # nor have copies of this search any
                crew = helpers.crew(partial(self._look_for_another, bound, count))
                if crew is not None:
                    try:
                        yield from self._with_crew(crew, bound, count, length)
                    finally:
                        crew.dismiss()
                    return

    def _with_crew(self, crew: Crew, bound: Order, count: int, length: int) -> Iterator[LastWrite]:
        """The same, in pieces of about so many instructions, together with others."""
        replayer, origin, left = self._replayer, bound.after, count

        def border(end: int) -> int:
            return replayer.states.latest(max(self._start, min(end - length, end - 1))).position

        alone = partial(self._look_alone, bound, count)
        self._shared = shared = SharedSearch(crew, alone, border, self._poll, lambda found: len(found) >= left)
        for low, end, found in shared.answers(origin, self._start):
            self._looked_through = (origin - low, origin - self._start)
            machine = [each.order.after for each in found if each.write.writer is not Writer.DEBUGGER]
            replayer.keeper.index.cleared.note((self._watch,), max([low, *machine]), end)
            yield from found[:left]
            left -= len(found)
            if left <= 0:
                return

    def _look_alone(self, bound: Order, count: int, start: int, end: int) -> list[LastWrite]:
        """Look through a piece, for the writes that led to positions behind ``start``; at the start of the run, to
        that too."""
        found = self._within(min(bound, after_all_at(end)), count, start)
        return [write for _, made in found for write in made]

    def _look_for_another(self, bound: Order, count: int, start: int, end: int) -> list[LastWrite]:
        """The same, for the process that this one is a copy of."""
        self._interrupted = never  # the user talks to that process
        return self._look_alone(bound, count, start, end)

    def _within(self, bound: Order, count: int, start: int) -> Iterator[tuple[int, list[LastWrite]]]:
        """The latest ``count`` writes before ``bound`` that led to positions behind ``start``, in portions: down to
        where has been looked, and what was found, latest first."""
        index = self._replayer.keeper.index
        outside = [place for place in self._outside if place <= bound.after and (place > start or start == self._start)]
        origin = high = bound.after
        reach = Reach(self._replayer, start)
        while count > 0:
            possible = index.latest_possible(start, high, self._wanted)
            if possible is None and not outside:
                break
            high = max([*([] if possible is None else [possible]), *outside[-1:]])
            if self._shared is None:
                self._looked_through = (origin - high, origin - start)
            low = max(reach.origin(high).position, start)
            searched = possible is not None and possible > low
            stretches: list[tuple[int, int]] = []
            if searched:
                hits = self._scan(low, high)
                low = max(low, hits.since)
                stretches += [(block.start, min(block.end, high)) for block in hits.blocks]
            # From before, so that all that is written at a place is seen, in order.
            stretches += [
                (max(place - 1, self._start), place) for place in outside if place > low or low == self._start
            ]
            stretches = sorted(set(stretches))
            chosen = stretches[-count:]
            if len(chosen) < len(stretches):
                low = chosen[0][0]
            lowest = low if low == self._start else low + 1
            made = [each for each in self._look(chosen, high) if each.order.after >= lowest]
            found = [each for each in reversed(made) if each.order < bound][:count]
            count -= len(found)
            if searched:
                # Let later searches know where no instruction made such a write.
                machine = [each.order.after for each in made if each.write.writer is not Writer.DEBUGGER]
                index.cleared.note((self._watch,), max([low, *machine]), high)
            while outside and outside[-1] >= lowest:
                outside.pop()
            yield low, found
            if low == high == self._start or low == high == start:
                break
            bound, high = min(bound, after_all_at(high), *(each.order for each in found[-1:])), low

    def _scan(self, low: int, high: int) -> LastHits:
        """The latest blocks of a stretch in which a write may have been made."""
        replayer = self._replayer
        replayer.states.restore(replayer.states.latest(low))
        hits = LastHits(self._machine.icount)
        while self._machine.icount < high:
            request = RunRequest(until=high, slice=replayer.paced.slice, watches=(self._watch,), last_hit=True)
            stop = replayer.advance(request, hits)
            if stop.kind is not StopKind.PAUSED:
                break
            replayer.states.checkpoint_regularly()
            # The same may be asked again: know more finely what was touched here.
            replayer.keeper.look(replayer.paced.slice // 2)
            self._poll()
        return hits

    def _look(self, stretches: Iterable[tuple[int, int]], high: int) -> list[LastWrite]:
        """All writes in some stretches, in order."""
        replayer, machine = self._replayer, self._machine
        found: list[Write] = []
        first = True
        try:
            for start, end in stretches:
                if first:
                    # From before, so that what happens at ``start`` itself is seen.
                    replayer.states.restore(replayer.states.latest(max(start - 1, replayer.history.start)))
                    first = False
                    machine.note_writes(self._watch)
                if machine.icount < start:
                    if not replayer.run_to(start, self._interrupted, rungs=False):
                        raise SearchInterrupted
                    # What was looked at closely on the way, since the machine had run past it, is not asked for.
                    found += [write for write in machine.take_writes() if write.after >= start]
                replayer.catch_up()
                while machine.icount < min(end, high):
                    before = machine.icount
                    stop = replayer.advance(RunRequest(until=end, exact=True))
                    if stop.kind not in (StopKind.PAUSED, StopKind.LIMIT) or machine.icount == before:
                        break
                found += machine.take_writes()
                self._poll()
        finally:
            machine.note_writes(None)
        return _ordered(found)

    def _poll(self) -> None:
        if self._shared is not None and self._shared.overtaken:
            raise Overtaken
        self._replayer.progress.advance(*self._looked_through, "instructions searched")
        if self._interrupted():
            raise SearchInterrupted


def _ordered(writes: list[Write]) -> list[LastWrite]:
    """Writes with their order, each once."""
    found: list[LastWrite] = []
    for write in writes:
        last = found[-1].order if found else None
        number = last.number + 1 if last is not None and last.after == write.after else 0
        found.append(LastWrite(write, Order(write.after, number)))
    return found
