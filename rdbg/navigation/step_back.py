"""One step back, over the handlers of exceptions as a debugger's steps forward go over them.

Forward a debugger on this architecture steps by a breakpoint at the next instruction, so it never sees the handler of
an interrupt, a TLB refill or a system call that comes in between. Backward it asks for one step; where the instruction
before is a return from an exception, the step goes to the instruction that the exception came before or of: the latest
one from which a breakpoint where the handler returns to would have been met here, and not earlier.
"""

from __future__ import annotations

from rdbg.emu.machine_api import Conditions
from rdbg.navigation.forward import End
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.search import Search, SearchInterrupted
from rdbg.navigation.stops import Interrupted, StopConditions, StopReason
from rdbg.navigation.traveller import Traveller

#: Instructions that a handler may have for a step to go over it. A longer one is entered by its end.
LONGEST_HANDLER = 1_000_000


class StepBack:
    """Steps back.

    Args:
        traveller: moves the machine.
        replayer: the machine on its history.
    """

    def __init__(self, traveller: Traveller, replayer: Replayer) -> None:
        self._traveller = traveller
        self._replayer = replayer
        self._machine = replayer.machine

    def run(self, conditions: StopConditions, interrupted: Interrupted, stood: int | None) -> End:
        """One step back from here; the machine stands where it ends, or where it began.

        Args:
            conditions: accesses of the instruction that hold it; those and breakpoints that stop it in a handler.
            interrupted: polled.
            stood: where the user stood before. A handler in which that was is entered.
        """
        origin = self._traveller.position
        try:
            return self._run(conditions, interrupted, stood)
        except SearchInterrupted:
            self._traveller.go(origin)
            return End(StopReason.INTERRUPTED)

    def _run(self, conditions: StopConditions, interrupted: Interrupted, stood: int | None) -> End:
        start = self._traveller.history.start
        if self._traveller.position <= start:
            return End(StopReason.HISTORY_START)
        origin_pc = self._machine.pc
        retried: int | None = None  # address of an instruction that has faulted and, here, is to run again
        while True:
            here = self._traveller.position
            if here <= start:
                return End(StopReason.STEP)
            if not self._traveller.go(here - 1, interrupted):
                raise SearchInterrupted
            hit = self._machine.watched_access(conditions.watches)
            if hit is None and conditions.watches:
                hit = self._replayer.changed_by_step(conditions.watches)
            if hit is not None:
                self._traveller.go(here)
                return End(StopReason.WATCHPOINT, hit)
            if self._machine.pc == retried:
                retried = None
                continue
            end_of_handler = self._traveller.position
            address = self._machine.handler_return
            if address is None:
                return End(StopReason.STEP)
            end = self._before_handler(address, conditions, interrupted)
            entry = self._traveller.position
            if end is not None and end.reason is not StopReason.STEP:
                return end
            if end is None or stood is not None and entry <= stood <= end_of_handler:
                self._traveller.go(end_of_handler)
                return End(StopReason.STEP)
            retried = address if address == origin_pc and not self._machine.by_interrupt else None

    def _before_handler(self, address: int, conditions: StopConditions, interrupted: Interrupted) -> End | None:
        """Go to the entry of the handler that returns to ``address`` now, or to a stop in it.

        None: that entry is far, or none is found since the guest came by ``address``, so that no step has begun there.
        """
        origin = self._traveller.position
        entries = self._machine.exception_entries(address)
        unconditional: Conditions = {at: codes for at, codes in conditions.conditions.items() if at != address}
        wanted = StopConditions(
            conditions.breakpoints | entries.keys() | {address},
            conditions.watches,
            _either(conditions.breakpoints, unconditional, entries),
        )
        earliest = max(self._traveller.history.start, origin - LONGEST_HANDLER)
        while True:
            found = Search(self._replayer, wanted, interrupted).latest_before(origin, earliest)
            if found is None or found.position < earliest:
                return None
            origin = found.position
            self._traveller.go(origin)
            if found.watch is not None:
                return End(StopReason.WATCHPOINT, found.watch)
            if self._machine.stops_here(frozenset({address}), {}):
                return None
            if conditions.breakpoints and self._machine.stops_here(conditions.breakpoints, conditions.conditions):
                return End(StopReason.BREAKPOINT)
            if self._is_entry():
                return End(StopReason.STEP)

    def _is_entry(self) -> bool:
        """Whether the handler begins here, at a vector. A longer one may run on through the next vector, and an
        exception within a handler leads to one, too: both stand in that handler already, one step before."""
        here = self._traveller.position
        if here == self._traveller.history.start:
            return True
        handled = self._machine.handled
        self._traveller.go(here - 1)
        before = self._machine.handled
        self._traveller.go(here)
        return before is None or before != handled


def _either(breakpoints: frozenset[int], conditions: Conditions, entries: Conditions) -> Conditions:
    """Conditions of breakpoints for either reason."""
    either = {**entries, **conditions}
    for address in breakpoints & entries.keys():
        if address in conditions:
            either[address] = (*conditions[address], *entries[address])
        else:
            del either[address]
    return either
