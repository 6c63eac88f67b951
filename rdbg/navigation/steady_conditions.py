"""Conditions that hang on memory: where nobody writes it they do not begin to hold."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from rdbg.checkpoints.cleared import Breakpoint
from rdbg.checkpoints.wanted import Wanted
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.machine_api import Access, Watch
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.unread_registers import reads_memory, reads_that_make_it_false


class SteadyConditions:
    """Tells the index around where the machine stands which conditions cannot hold, without a replay.

    The code at a breakpoint may run all the time, and the condition be met at each turn. If it is false by what memory
    holds, whatever registers do, it stays so up to the next write to that memory, and has been so since the last one;
    where there may have been writes the index knows.

    Args:
        replayer: the machine on its history.
        breakpoints: those with conditions.
    """

    def __init__(self, replayer: Replayer, breakpoints: Sequence[Breakpoint]) -> None:
        self._replayer = replayer
        # Registers alone say nothing of other moments.
        self._breakpoints = [each for each in breakpoints if any(map(reads_memory, each.condition))]
        self._outside: list[InputEvent] | None = None

    def __bool__(self) -> bool:
        return bool(self._breakpoints)

    def note(self, start: int, end: int) -> bool:
        """Note what can be said of [start, end) by the memory as it is now. The machine stands on its history, in the
        state of its position, which all that comes from outside there has come to.

        Returns:
            whether anything is known now.
        """
        noted = False
        for each in self._breakpoints:
            watches = self._read_by(each)
            if watches is None:
                continue
            since, until = self._unwritten(watches, start, end)
            if since < until:
                self._replayer.keeper.index.cleared.note((each,), since, until)
                noted = True
        return noted

    def _read_by(self, sought: Breakpoint) -> tuple[Watch, ...] | None:
        """The memory by which no expression of a condition holds; None: one may, or what it reads may become something
        else without a write."""
        machine = self._replayer.machine
        read: set[tuple[int, int]] = set()
        if machine.architecture.longest_step > 1:
            # A breakpoint inside a step stops before that, whatever its condition says.
            length = machine.architecture.instruction_lengths[-1]
            before = machine.architecture.wrapped(sought.address - length)
            code = machine.read_memory(before, length)
            if len(code) < length or machine.effects(code).branch:
                return None
            read.add((before, length))
        for expression in sought.condition:
            reads = reads_that_make_it_false(expression, machine.evaluate)
            if reads is None:
                return None
            read |= reads
        watches = []
        for address, length in sorted(read):
            watch = machine.resolved(Watch(machine.architecture.wrapped(address), length, Access.WRITE))
            if not watch.storage:
                return None  # what is mapped there may be something else at other times
            watches.append(watch)
        return tuple(watches)

    def _unwritten(self, watches: tuple[Watch, ...], start: int, end: int) -> tuple[int, int]:
        """Positions around here, the second not included, between which nobody writes there."""
        replayer = self._replayer
        here, index, wanted = replayer.machine.icount, replayer.keeper.index, Wanted(watches=watches)
        since = until = here
        if start < here:
            since = start
            if wanted:
                possible = index.latest_possible(start, here, wanted)
                since = start if possible is None else possible
        if here < end:
            until = end
            if wanted:
                step = replayer.machine.architecture.longest_step
                possible = index.earliest_possible(here, end, wanted)
                until = end if possible >= end else max(possible - (step - 1), here)
        # The index leaves out what the debugger wrote. Where it did, a breakpoint may have been met before or after.
        outside = self._outside_writes(watches)
        at = bisect_right(outside, here)
        if at:
            since = max(since, min(outside[at - 1] + 1, here))
        at = bisect_left(outside, here)
        if at < len(outside):
            until = min(until, outside[at])
        return since, until

    def _outside_writes(self, watches: tuple[Watch, ...]) -> list[int]:
        """Positions at which the debugger writes there in this run, and of resets."""
        if self._outside is None:
            self._outside = self._replayer.history.known.all_outside_writes()
        extents = [extent for watch in watches for extent in watch.storage]
        holds = self._replayer.machine.holds
        return sorted({each.icount for each in self._outside if each.kind is InputKind.RESET or holds(extents, each)})
