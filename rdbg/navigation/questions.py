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


def last_write(
    traveller: Traveller, address: int, length: int, before: int, interrupted: Interrupted
) -> LastWrite | None:
    """The last write to any of these bytes that was done by ``before``; None: there is none, or it was interrupted."""
    origin, machine = traveller.position, traveller.machine
    try:
        if not traveller.go(before, interrupted):
            return None
        found = traveller.find(StopConditions(watches=(Watch(address, length, Access.WRITE),)), interrupted)
        if found is None or found.watch is None:
            return None
        traveller.go(found.position)
        new = machine.read_memory(address, length)
        traveller.go(found.before)
        return LastWrite(
            found.before, found.position, machine.pc, found.watch.address, machine.read_memory(address, length), new
        )
    except SearchInterrupted:
        return None
    finally:
        traveller.go(origin)


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
