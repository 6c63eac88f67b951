"""Runs of a machine: what they stop at, and how they ended."""

from __future__ import annotations

import numpy as np

from rdbg.emu.core import Core
from rdbg.emu.core_host import CoreHost
from rdbg.emu.counts import BLOCK_COUNT, CALL_NODE, STACK_EVENT, CountRequest, CountsTaken
from rdbg.emu.machine_api import (
    Access,
    Block,
    Conditions,
    RunRequest,
    RunStop,
    ScanHit,
    StopKind,
    Watch,
    WatchedBlocks,
    WatchHit,
)
from rdbg.emu.memory_view import NOTED_BY_INSTRUCTIONS, NOTED_KINDS, READS, STORES, WATCH_KINDS, WRITES, last_address
from rdbg.emu.memory_writes import MemoryWrites
from rdbg.emu.noted_writes import SPACES, VIRTUAL, NotedWrites
from rdbg.emu.power import MachinePower
from rdbg.emu.probes import ACCESS, NOTE, AccessNotes, ProbeCount, ProbeNotes, Probes


class _ExactHits:
    """What a run in single steps has noted."""

    def __init__(self) -> None:
        self.breakpoint: ScanHit | None = None
        self.blocks: list[Block] = []


class MachineRuns:
    """Runs a machine's core.

    Args:
        core: runs the guest.
        host: of the core.
        power: switches the machine off.
        writes: keeps what changes memory beside the guest's stores.
    """

    def __init__(self, core: Core, host: CoreHost, power: MachinePower, writes: MemoryWrites) -> None:
        self._core = core
        self._stops = core.stops
        self._notes = core.notes
        self._host = host
        self._power = power
        self._writes = writes
        self._watches: tuple[Watch, ...] = ()
        self._armed: tuple[frozenset[int], Conditions, tuple[Watch, ...], tuple[Watch, ...]] | None = (
            frozenset(), {}, (), (),
        )  # fmt: skip
        self._probes: Probes | None = None  # the latest
        self._counting: CountRequest | None = None  # the latest that is not taken wholly
        self._exact_hits: _ExactHits | None = None  # of the last run, if it was one in single steps

    def run(self, request: RunRequest, asks_interrupts: bool) -> RunStop:
        """Run forward; see RunRequest.

        Args:
            request: how far.
            asks_interrupts: the host is asked before an interrupt is taken.
        """
        self._notes.trace(request.trace, -1 if request.trace_register is None else request.trace_register)
        self._count(request.count)
        self._look_at(request.probes)
        if self._writes.noted is not None:
            return self._run_noting(request, self._writes.noted)
        accesses = request.probes.accesses if request.probes is not None else ()
        self._arm(request.breakpoints, request.conditions, request.watches, accesses)
        self._host.wait_idle = request.wait_idle
        self._host.skip_ns = request.skip_ns
        self._exact_hits = None
        self._core.ask_to_hold(asks_interrupts)
        pause_at = None if request.slice is None else self._core.icount + max(1, request.slice)
        if request.instructions:
            return self._stop(self._core.run_noting_instructions(request.until, pause_at))
        if request.exact:
            return self._run_exact(request)
        return self._stop(self._core.run(request.until, pause_at, request.last_hit, request.passes))

    def step(self, watches: tuple[Watch, ...] = ()) -> RunStop:
        """Retire one instruction (a branch with its slot), or take one exception.

        Args:
            watches: for `take_change`.
        """
        self._look_at(None)
        self._arm(frozenset(), {}, watches)
        self._host.wait_idle = False
        self._notes.trace(False)
        self._notes.count(False)
        return self._stop(self._core.step())

    def stops_here(self, breakpoints: frozenset[int], conditions: Conditions) -> bool:
        """Whether one of these breakpoints stops before the next instruction (or is in its delay slot)."""
        self._arm(breakpoints, conditions, self._watches)
        return self._stops.stops_here()

    def watched_access(self, watches: tuple[Watch, ...]) -> WatchHit | None:
        """The watched access that the next step makes; None: it makes none, or raises an exception instead."""
        if not watches:
            return None
        breakpoints, conditions, _, accesses = self._armed or (frozenset(), {}, (), ())
        self._arm(breakpoints, conditions, watches, accesses)
        hit = self._stops.watched_access()
        return None if hit is None else self._watch_hit(*hit)

    @property
    def step_is_apart(self) -> bool:
        """Whether nothing but the CPU has to do with the next step and where it leads; False: something may."""
        here = self._core.icount
        if self._stops.step_reaches_outside():
            return False
        return min(self._host.plan(here)) > here + self._core.next_length()

    def take_probe_notes(self, ended: bool) -> ProbeNotes:
        """What runs with probes have noted."""
        rows, waiting_from, unevaluated, doubtful_from = self._notes.take_probe_notes(ended)
        return ProbeNotes(np.frombuffer(rows, NOTE), waiting_from, np.frombuffer(unevaluated, np.uint64), doubtful_from)

    def take_probe_count(self) -> ProbeCount:
        """What runs with probes have counted."""
        times, unevaluated = self._notes.take_probe_count()
        return ProbeCount(times, np.frombuffer(unevaluated, np.uint64))

    def take_accesses(self) -> AccessNotes:
        """The accesses that runs with probes have noted."""
        rows, unevaluated = self._notes.take_accesses()
        return AccessNotes(
            np.frombuffer(rows, ACCESS), self._writes.accesses.take(), np.frombuffer(unevaluated, np.uint64)
        )

    def look_at(self, probes: Probes) -> None:
        """Note from now on what probes ask for, until a run asks for something else."""
        self._look_at(probes)
        self._arm(frozenset(), {}, (), probes.accesses)

    def take_counts(self, last: bool) -> CountsTaken | None:
        """What runs with ``count`` have counted."""
        taken = self._notes.take_counts(last)
        if last:
            self._counting = None
        if taken is None:
            return None
        blocks, nodes, events = taken
        return CountsTaken(
            np.frombuffer(blocks, BLOCK_COUNT), np.frombuffer(nodes, CALL_NODE), np.frombuffer(events, STACK_EVENT)
        )

    def _count(self, counting: CountRequest | None) -> None:
        if counting is not None and counting is not self._counting:
            self._notes.count(False)
            self._notes.begin_counts(
                counting.first, counting.last, counting.paths, counting.borders, counting.all_events
            )
            self._counting = counting
        self._notes.count(counting is not None)

    def _look_at(self, probes: Probes | None) -> None:
        if probes is None or probes is self._probes:
            self._notes.pause_probes(probes is None)
        elif probes == self._probes:
            self._probes = probes
            self._notes.pause_probes(False)
        else:
            self._probes = probes
            self._notes.arm_probes(
                dict(probes.places),
                probes.follows,
                probes.exceptions,
                probes.registers,
                probes.results,
                probes.condition,
                probes.returns,
                probes.counts,
            )

    def _arm(
        self,
        breakpoints: frozenset[int],
        conditions: Conditions,
        watches: tuple[Watch, ...],
        accesses: tuple[Watch, ...] = (),
    ) -> None:
        wanted = (breakpoints, conditions, watches, accesses)
        if self._armed != wanted:
            self._armed = None  # until all of it is: the same request may come again
            self._watches = watches
            named: list[tuple[Watch, int]] = []
            ranges = []
            for watch in watches:
                kinds = WATCH_KINDS[watch.access]
                by_address = kinds & (READS | STORES if watch.commands else READS) if watch.storage else kinds
                if by_address:
                    named.append((watch, 0))
                    ranges.append((watch.address, last_address(watch.address, watch.length), by_address, VIRTUAL))
                for extent in watch.storage:
                    named.append((watch, extent.virtual - extent.address))
                    last = last_address(extent.address, extent.length)
                    ranges.append((extent.address, last, kinds & WRITES, SPACES[extent.space]))
            watched = len(named)
            for watch in accesses:
                kinds = NOTED_KINDS[watch.access]
                by_address = kinds & NOTED_BY_INSTRUCTIONS if watch.storage else kinds
                named.append((watch, 0))
                ranges.append((watch.address, last_address(watch.address, watch.length), by_address, VIRTUAL))
                for extent in watch.storage:
                    named.append((watch, extent.virtual - extent.address))
                    last = last_address(extent.address, extent.length)
                    ranges.append((extent.address, last, kinds, SPACES[extent.space]))
            self._stops.arm_stops(breakpoints, conditions, ranges)
            self._writes.ranges = named[:watched]
            self._writes.accesses.ranges = [shift for _, shift in named] if accesses else ()
            self._armed = wanted
        self._writes.take_change()

    def _run_exact(self, request: RunRequest) -> RunStop:
        start = self._core.icount
        hits = self._exact_hits = _ExactHits() if request.last_hit else None
        while True:
            here, pc = self._core.icount, self._core.pc
            if self._stops.stops_here() and not (request.passes and here == start):
                if hits is None:
                    return RunStop(StopKind.BREAKPOINT, here, pc)
                if request.until is None or here < request.until:
                    hits.breakpoint = ScanHit(here, pc)
            if request.until is not None and here + self._core.next_length() > request.until:
                return RunStop(StopKind.LIMIT, here, pc)
            hit = self._stops.watched_access() if request.watches else None
            if hit is not None and hits is None:
                return RunStop(StopKind.WATCHPOINT, here, pc, self._watch_hit(*hit))
            if request.slice is not None and here - start >= request.slice:
                return RunStop(StopKind.PAUSED, here, self._core.pc)
            stop = self._stop(self._core.step())
            change = self._writes.take_change() if request.watches else None
            if hits is not None and (hit is not None or change is not None or self._stops.watched_blocks[0]):
                hits.blocks.append(Block(here, self._core.icount))
            elif hits is None and change is not None:
                return RunStop(StopKind.WATCHPOINT, here, pc, change, rerun_from=here)
            if stop.kind is not StopKind.LIMIT:
                return stop

    def _run_noting(self, request: RunRequest, noted: NotedWrites) -> RunStop:
        """Run while writes are kept: of instructions in an exact run, of others also where the CPU stands."""
        self._host.wait_idle, self._host.skip_ns = request.wait_idle, request.skip_ns
        if not request.exact:
            self._arm(frozenset(), {}, ())
            here = self._core.icount
            if request.until is not None and request.until <= here:
                noted.begin(here, self._core.pc)
            pause_at = None if request.slice is None else here + max(1, request.slice)
            try:
                return self._stop(self._core.run(request.until, pause_at, False, False))
            finally:
                noted.moment = None
        self._arm(frozenset(), {}, (noted.watch,))
        while True:
            here = self._core.icount
            if request.until is not None and here + self._core.next_length() > request.until:
                return RunStop(StopKind.LIMIT, here, self._core.pc)
            noted.begin(here, self._core.pc)
            stop = self._stop(self._core.step(True))
            noted.end(self._core.icount, self._stops.take_noted())
            if stop.kind is not StopKind.LIMIT:
                return stop

    def _watch_hit(self, index: int, address: int, kind: int) -> WatchHit:
        watch, shift = self._writes.ranges[index]
        return WatchHit(watch, (address + shift) & 0xFFFFFFFF, Access.WRITE if kind & WRITES else Access.READ)

    def _stop(self, why: str) -> RunStop:
        kind = StopKind(why)
        position, pc = self._core.icount, self._core.pc
        if kind is StopKind.AMBIGUOUS:
            block, block_pc = self._core.block
            self._writes.accesses.drop_from(block)
            return RunStop(kind, block, block_pc, rerun_from=block)
        if kind is StopKind.WATCHPOINT:
            hit = self._stops.watch_hit
            assert hit is not None
            return RunStop(kind, position, pc, self._watch_hit(*hit[2:]), rerun_from=hit[0])
        if kind is StopKind.SHUTDOWN:
            return RunStop(kind, position, pc, exit_code=self._power.shutdown_code or 0)
        if kind is StopKind.IDLE:
            return RunStop(kind, position, pc, idle_ns=self._host.idle_ns, skip_left_ns=self._host.skip_ns)
        return RunStop(kind, position, pc)

    @property
    def last_breakpoint_hit(self) -> ScanHit | None:
        """The last breakpoint hit of a ``last_hit`` run."""
        if self._exact_hits is not None:
            return self._exact_hits.breakpoint
        hit = self._stops.breakpoint_hit
        return None if hit is None else ScanHit(*hit)

    @property
    def watched_blocks(self) -> WatchedBlocks:
        """Where watched accesses were made in a ``last_hit`` run."""
        if self._exact_hits is not None:
            return WatchedBlocks(self._exact_hits.blocks)
        blocks, complete = self._stops.watched_blocks
        return WatchedBlocks([Block(*block) for block in blocks], complete)
