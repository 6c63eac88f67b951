"""Questions about the past. The machine stands where it stood when they are answered."""

from __future__ import annotations

from dataclasses import dataclass

from rdbg.emu.machine_api import Access, Watch
from rdbg.navigation.search import SearchInterrupted
from rdbg.navigation.stops import Interrupted, StopConditions
from rdbg.navigation.traveller import Traveller


@dataclass(frozen=True)
class LastWrite:
    """A write found in the past.

    Args:
        position: icount before the writing instruction.
        after: icount after it.
        pc: address of the instruction (of the branch, if it sits in a delay slot).
        address: first byte written that was asked for.
        old, new: the bytes asked for, before and after.
    """

    position: int
    after: int
    pc: int
    address: int
    old: bytes
    new: bytes


def last_writes(
    traveller: Traveller, address: int, length: int, before: int, count: int, interrupted: Interrupted
) -> list[LastWrite]:
    """The last ``count`` writes to any of these bytes that were done by ``before``, latest first.

    There are fewer if there were no more since the start, or the search was interrupted.
    """
    origin, machine = traveller.position, traveller.machine
    found: list[LastWrite] = []
    try:
        while len(found) < count and traveller.go(before, interrupted):
            write = traveller.find(StopConditions(watches=(Watch(address, length, Access.WRITE),)), interrupted)
            if write is None or write.watch is None:
                break
            traveller.go(write.position)
            new = machine.read_memory(address, length)
            traveller.go(write.before)
            old = machine.read_memory(address, length)
            found.append(LastWrite(write.before, write.position, machine.pc, write.watch.address, old, new))
            before = write.before
    except SearchInterrupted:
        pass
    finally:
        traveller.go(origin)
    return found


def last_executed(traveller: Traveller, address: int, interrupted: Interrupted) -> int | None:
    """Where the instruction at ``address`` was about to run last, before here; None: nowhere, or it was interrupted."""
    origin = traveller.position
    try:
        found = traveller.find(StopConditions(breakpoints=frozenset({address})), interrupted)
        return None if found is None else found.position
    except SearchInterrupted:
        return None
    finally:
        traveller.go(origin)
