"""Runs a guest on QEMU and on rdbg, by the same words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.differential.qemu import memory_from_qemu
from tests.differential.rdbg_side import memory_from_rdbg
from tests.races.layout import Entry, Guest, entries_of

#: Virtual time is 8 ns an instruction, and idle time is skipped.
ICOUNT = "shift=3,sleep=off"
#: From ``save``, where the harness keeps the log's end.
_LOG_END = 144


@dataclass(frozen=True)
class Left:
    """What a run left behind.

    Args:
        guest: the guest.
        memory: from ``save`` on.
    """

    guest: Guest
    memory: bytes

    def word(self, label: str) -> int:
        """The word at a label."""
        at = self.guest.symbols[label] - self.guest.symbols["save"]
        return self._word(at)

    @property
    def entries(self) -> list[Entry]:
        """The log."""
        base = self.guest.symbols["save"]
        return entries_of(
            self.memory[self.guest.symbols["log"] - base : self._word(_LOG_END) - base], self.guest.big_endian
        )

    def _word(self, at: int) -> int:
        return int.from_bytes(self.memory[at : at + 4], "big" if self.guest.big_endian else "little")


def on_qemu(guest: Guest) -> Left:
    """Run it on QEMU."""
    finish, save, size = _places(guest)
    return Left(guest, memory_from_qemu(guest.path, finish, save, size, guest.big_endian, icount=ICOUNT))


def on_rdbg(guest: Guest) -> Left:
    """Run it on rdbg."""
    finish, save, size = _places(guest)
    return Left(guest, memory_from_rdbg(guest.path, finish, save, size, guest.big_endian))


def _places(guest: Guest) -> tuple[int, int, int]:
    save = guest.symbols["save"]
    return guest.symbols["finish"], save, guest.symbols["log_bound"] - save


def differences(
    theirs: Sequence[Entry], ours: Sequence[Entry], neighbours: bool = False, clock: bool = True
) -> list[str]:
    """Where rdbg's log is another than QEMU's, in words.

    Where QEMU takes an interrupt between a branch and its slot, and has the branch run again, rdbg takes it behind the
    slot.

    Args:
        theirs: QEMU's log.
        ours: rdbg's log.
        neighbours: whether each entry is of a run of its own, in which the interrupt is due where it was in the run
            before, or an instruction later. Then what comes behind a slot is known, too.
        clock: whether Count is compared.
    """
    found = [] if len(theirs) == len(ours) else [f"{len(theirs)} entries on QEMU, {len(ours)} on rdbg"]
    for number, (their, our) in enumerate(zip(theirs, ours, strict=False)):
        wanted: Entry | None = their
        if their.in_slot:
            later = (other for other in theirs[number + 1 :] if not other.in_slot) if neighbours else iter(())
            wanted = next(later, None)
        if wanted is not None and not clock:
            wanted = replace(wanted, count=our.count)
        if wanted is not None and replace(wanted, compare=our.compare) != our:
            found.append(f"entry {number}:\n  QEMU {their}\n  rdbg {our}")
    return found
