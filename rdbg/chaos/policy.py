"""Which interrupts are held back, and for how long: a choice that follows from a seed alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

from rdbg.emu.way_ahead import AccessAhead, SystemRegisters, Way, nothing_known
from rdbg.quick_dataclass import dataclass

#: The longest that an interrupt is held back, in instructions: 8 ms with -icount shift=3.
LONGEST_HOLD = 1_000_000

#: Steps that are followed to find what to aim at: at first, if nothing is found, in a whole run, and of a handler. One
#: takes some 2 us.
_NEAR = 250
_FAR = 4_000
_MOST_SIGHT = 20_000
_HANDLER_SIGHT = 1_500

#: Devices are slower by so many instructions, most often, and at least this part of their work.
_LONG_WORK = 1 << 16
_SLOW_SHARE = 0.1

#: Part of the runs whose interrupts are held back for any time up to some, each as often as any other.
_EVEN_RUNS = 0.3

#: What moments are worth to aim at, one against another.
_SHARED_UPDATE = 16  # between a load and a store of a word that the handler has, too
_BEFORE_WAIT = 8
_UPDATE = 4  # between a load and a store of any other word
_SHARED = 3  # between two other accesses to what the handler has, too
_STACK_UPDATE = 0.25


class InterruptedGuest(Protocol):
    """What a policy sees of the guest."""

    @property
    def pc(self) -> int: ...

    def look_ahead(self, pc: int, most: int, system: SystemRegisters = nothing_known, guess: bool = False) -> Way: ...


class Policy(Protocol):
    """Decides about the interrupts of one run."""

    def hold(self, icount: int) -> int:
        """For how many instructions an interrupt that is due at ``icount`` is held back; 0: it is not.

        The machine stands there. Asked once for each interrupt, in the order of the run.
        """

    def delay(self, icount: int, timer: int) -> int:
        """How many instructions' time longer a piece of a device's work takes that is due at ``icount``; 0: no longer.

        Args:
            icount: where the machine stands.
            timer: number of the device's timer.
        """


@dataclass(frozen=True)
class TargetMoment:
    """Moments that are worth aiming at.

    Args:
        first: how many instructions come before the first of them.
        last: and before the last one.
        worth: against others.
    """

    first: int
    last: int
    worth: float


class SeededPolicy:
    """Moves interrupts as a seed has it.

    Each run has a temper of its own: how many of its interrupts are moved, how far, and how often one is aimed, starved
    (held back very long) or let pile up with those that come after it. Most runs change little. In some, nothing is
    aimed, and every moment up to some distance is as likely as any other: there, races are met that aiming is blind to.

    Args:
        seed: of the run.
        guest: as it stands when `hold` is called.
        system: what a register of the CPU's CP0 holds, by number and select; None: unknown.
        handler: address at which the interrupt that is due would be handled.
    """

    def __init__(
        self,
        seed: int,
        guest: InterruptedGuest,
        system: SystemRegisters = nothing_known,
        handler: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._random = random.Random(seed)
        self._guest = guest
        self._system = system
        self._handler = handler
        self._evenly = self._random.random() < _EVEN_RUNS
        if self._evenly:
            self._share, self._reach, self._aimed = self._between(0.5, 1), 2 ** self._between(8, 15), 0.0
        else:
            self._share, self._reach = 2 ** -self._between(0, 5), 2 ** self._between(3, 13)
            self._aimed = self._one_of(0.25, 0.5, 0.9)
        self._starved = self._one_of(0, 0, 0.02, 0.2)
        self._piled = self._one_of(0, 0.05, 0.3)
        self._sight_left = _MOST_SIGHT
        self._latest: int | None = None
        self._handled: frozenset[int] = frozenset()
        self._handled_by: int | None = None

    def hold(self, icount: int) -> int:
        """See Policy."""
        since = None if self._latest is None else icount - self._latest
        self._latest = icount
        if self._random.random() >= self._share:
            return 0
        luck = self._random.random()
        if luck < self._aimed:
            aimed = self._aim()
            if aimed is not None:
                return min(aimed, LONGEST_HOLD)
        luck = self._random.random()
        if luck < self._starved:
            return self._up_to(LONGEST_HOLD)
        if luck < self._starved + self._piled and since:
            return min(since * (1 + int(self._random.random() * 4)) + self._up_to(32), LONGEST_HOLD)
        if self._evenly:
            return 1 + int(self._random.random() * self._reach)
        return self._up_to(self._reach)

    def delay(self, icount: int, timer: int) -> int:
        """See Policy."""
        if self._random.random() >= max(self._share, _SLOW_SHARE):
            return 0
        return self._up_to(LONGEST_HOLD if self._random.random() < self._starved else _LONG_WORK)

    # --- chance --------------------------------------------------------------------------------
    # `random` alone is promised to give the same in every version of Python.
    def _between(self, low: float, high: float) -> float:
        return low + (high - low) * self._random.random()

    def _one_of(self, *choices: float) -> float:
        return choices[int(self._random.random() * len(choices))]

    def _up_to(self, most: float) -> int:
        """A number from 1 to ``most``, small ones as often as large ones of the same order."""
        return max(1, int(most ** self._random.random()))

    # --- aiming --------------------------------------------------------------------------------
    def _aim(self) -> int | None:
        """So many instructions to a moment that is worth it; None: none is in sight."""
        self._look_at_handler()
        moments: list[TargetMoment] = []
        for sight in (_NEAR, _FAR):
            if moments or self._sight_left <= 0:
                break
            way = self._guest.look_ahead(self._guest.pc, sight, self._system)
            self._sight_left -= way.followed + 20
            moments = worthwhile(way, self._handled)
        if not moments:
            return None
        left = self._random.random() * sum(moment.worth for moment in moments)
        for moment in moments:
            left -= moment.worth
            if left < 0:
                break
        return moment.first + int(self._random.random() * (moment.last - moment.first + 1))

    def _look_at_handler(self) -> None:
        """Learn which words the interrupt's handler accesses."""
        entry = self._handler()
        if entry is None or entry == self._handled_by:
            return
        self._handled_by = entry
        way = self._guest.look_ahead(entry, _HANDLER_SIGHT, self._system, guess=True)
        self._handled |= {access.word for access in way.accesses if not access.stack}


def worthwhile(way: Way, shared: frozenset[int]) -> list[TargetMoment]:
    """The moments on a way ahead at which an interrupt is likely to tell.

    Args:
        way: ahead.
        shared: words that the handler accesses.
    """
    found: list[TargetMoment] = []
    latest: dict[int, AccessAhead] = {}
    behind: AccessAhead | None = None  # the latest access to a shared word
    for access in way.accesses:
        before = latest.get(access.word)
        update = before is not None and not before.store and access.store
        if update and before is not None and access.at > before.at:
            worth: float = _SHARED_UPDATE if access.word in shared else _STACK_UPDATE if access.stack else _UPDATE
            found.append(TargetMoment(before.at + 1, access.at, worth))
        if access.word in shared:
            if behind is not None and not update:
                found.append(TargetMoment(behind.at + 1, access.at, _SHARED))
            behind = access
        latest[access.word] = access
    if way.waits_at is not None and way.waits_at:
        loads = [access.at for access in way.accesses if not access.store and not access.stack]
        first = min(loads[-1] + 1, way.waits_at) if loads else max(1, way.waits_at - 4)
        found.append(TargetMoment(first, way.waits_at, _BEFORE_WAIT))
    return [moment for moment in found if 0 < moment.first <= LONGEST_HOLD]


class FixedPolicy:
    """Holds interrupts back, and delays devices' work, at the very times that are given, and no others.

    Args:
        holds: (icount, instructions): an interrupt that is due between that icount and the end of it is held back up to
            the end.
        delays: (icount, instructions, timer): work that is due between them is done at the end.
    """

    def __init__(self, holds: tuple[tuple[int, int], ...], delays: tuple[tuple[int, int, int], ...] = ()) -> None:
        self._holds = sorted(holds)
        self._delays = sorted(delays)

    def hold(self, icount: int) -> int:
        """See Policy."""
        end = max((start + length for start, length in self._holds if start <= icount < start + length), default=icount)
        return end - icount

    def delay(self, icount: int, timer: int) -> int:
        """See Policy."""
        ends = (at + length for at, length, number in self._delays if number == timer and at <= icount < at + length)
        return max(ends, default=icount) - icount
