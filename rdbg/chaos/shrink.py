"""The fewest moved interrupts with which a run still fails, by delta debugging.

Source: A. Zeller, R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (ddmin), IEEE TSE 28(2), 2002.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from rdbg.chaos.policy import FixedPolicy, InterruptedGuest, Policy, worthwhile
from rdbg.chaos.runner import Finished, Runner
from rdbg.chaos.script import Scripted
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass

#: (icount, instructions): an interrupt due there is held back so long.
Hold = tuple[int, int]

#: (icount, instructions, number of the device's timer): work due there takes so much longer.
Delay = tuple[int, int, int]

Moved = TypeVar("Moved", Hold, Delay)

#: Steps by which a hold that is as short as halving makes it is made shorter yet.
_MOST_STEPS = 64
#: Interrupts of a run without holds that are looked at to find the one that makes it fail.
_MOST_LOOKED_AT = 400
_SIGHT = 64
#: Moments that are tried for a hold that shall be enough alone, and how far they are looked for.
_MOST_AIMED = 12
_FAR_SIGHT = 4000


class Stopped(Exception):
    """The user has ended it."""


@dataclass(frozen=True)
class Shrunk:
    """A run that fails for few reasons.

    Args:
        run: with the holds that are left.
        holds: these.
        delays: pieces of devices' work that take longer, and have to.
        before: how many holds there were.
        tries: runs that it took.
        cause: without any hold: the interrupt (its icount, and for how many instructions it was held back) that makes
            the run fail where it comes, and not when it comes that much later; None: none was found, or not looked for.
    """

    run: Finished
    holds: tuple[Hold, ...]
    delays: tuple[Delay, ...]
    before: int
    tries: int
    cause: Hold | None = None


def scripted_inputs(events: Sequence[InputEvent]) -> tuple[Scripted, ...]:
    """All inputs of a recording but holds and delays, at their own moments, to be let in again."""
    found: list[Scripted] = []
    wake: int | None = None
    for event in events:
        if event.kind is InputKind.WAKE:
            wake = event.value
        elif event.kind in (InputKind.HOLD, InputKind.DELAY):
            wake = None
        else:
            found.append(Scripted(event.icount, event, wake))
            wake = None
    return tuple(found)


def holds_of(events: Sequence[InputEvent]) -> tuple[Hold, ...]:
    """The holds of a recording."""
    return tuple((event.icount, event.value) for event in events if event.kind is InputKind.HOLD)


def delays_of(events: Sequence[InputEvent]) -> tuple[Delay, ...]:
    """The delays of a recording."""
    return tuple((event.icount, event.value, event.port) for event in events if event.kind is InputKind.DELAY)


class Shrinker:
    """Shrinks one run.

    Args:
        runner: with the guest, and what makes a run fail.
        script: what comes from outside, the same in each try.
        told: called with the number of tries and of holds left.
    """

    def __init__(
        self, runner: Runner, script: Sequence[Scripted], told: Callable[[int, int], None] = lambda tries, left: None
    ) -> None:
        self._runner = runner
        self._script = script
        self._told = told
        self._failed = ""
        self._delays: tuple[Delay, ...] = ()
        self._tries = 0

    def shrink(self, holds: Sequence[Hold], delays: Sequence[Delay] = ()) -> Shrunk:
        """Find the fewest of these: of the delays first.

        Raises:
            RdbgError: with all of them the run does not fail.
            Stopped: the user has ended it.
        """
        self._delays = tuple(delays)
        whole = self._run(self._policy(holds))
        self._failed = whole.outcome.failed
        if not self._failed:
            raise RdbgError(
                f"the run does not fail ({whole.outcome.what}): there is nothing to shrink; say with --fail-on what "
                "made it fail"
            )
        if delays:
            self._delays = tuple(self._needed(list(delays), lambda some: self._fails_with(holds, some)))
            self._shorten_delays(holds)
        left = self._needed(list(holds), self._fails)
        if len(left) > 1:
            left = self._alone(left) or left
        left = [self._shorter(left, at) for at in range(len(left))]
        run = self._run(self._policy(left))
        cause = None if left or self._delays else self._cause()
        return Shrunk(run, tuple(left), self._delays, len(holds), self._tries, cause)

    def _policy(self, holds: Sequence[Hold]) -> FixedPolicy:
        return FixedPolicy(tuple(holds), self._delays)

    def _run(self, policy: Policy) -> Finished:
        self._tries += 1
        finished = self._runner.run(policy, self._script)
        if finished is None:
            raise Stopped
        return finished

    def _fails(self, holds: Sequence[Hold]) -> bool:
        self._told(self._tries, len(holds))
        return self._run(self._policy(holds)).outcome.failed == self._failed

    def _fails_with(self, holds: Sequence[Hold], delays: Sequence[Delay]) -> bool:
        self._delays = tuple(delays)
        return self._fails(holds)

    def _needed(self, moved: list[Moved], fails: Callable[[Sequence[Moved]], bool]) -> list[Moved]:
        """The fewest of these with which the run fails."""
        if fails([]):
            return []
        pieces = 2
        while len(moved) > 1:
            size = -(-len(moved) // pieces)
            chunks = [moved[at : at + size] for at in range(0, len(moved), size)]
            found = next((chunk for chunk in chunks if len(chunk) < len(moved) and fails(chunk)), None)
            if found is not None:
                moved, pieces = found, 2
                continue
            rests = ([each for each in moved if each not in chunk] for chunk in chunks) if len(chunks) > 2 else ()
            rest = next((rest for rest in rests if fails(rest)), None)
            if rest is not None:
                moved, pieces = rest, max(pieces - 1, 2)
            elif pieces >= len(moved):
                break
            else:
                pieces = min(2 * pieces, len(moved))
        return moved

    def _alone(self, holds: list[Hold]) -> list[Hold] | None:
        """One of these that is enough by itself if it ends at another moment: without the others, the code that it
        interrupts is elsewhere by then."""
        for icount, length in holds:
            aiming = _Aiming(self._runner.guest.machine, icount, icount + length, self._delays)
            self._run(aiming)
            near = sorted(aiming.found, key=lambda other: abs(sum(other) - icount - length))
            found = next((other for other in near[:_MOST_AIMED] if self._fails([other])), None)
            if found is not None:
                return [found]
        return None

    def _shorter(self, holds: list[Hold], at: int) -> Hold:
        """One of the holds, as short as it can be for the run to fail."""
        icount, length = holds[at]
        if len(holds) == 1:
            aiming = _Aiming(self._runner.guest.machine, icount, icount + length, self._delays)
            self._run(aiming)
            near = sorted(each for each in set(aiming.found) if each[0] == icount and each[1] < length)
            shorter = next((each for each in near[:_MOST_AIMED] if self._fails([each])), None)
            if shorter is not None:
                holds[at] = shorter
                return shorter

        def fails(shorter: int) -> bool:
            return self._fails([*holds[:at], (icount, shorter), *holds[at + 1 :]])

        holds[at] = (icount, _least(length, fails))
        return holds[at]

    def _shorten_delays(self, holds: Sequence[Hold]) -> None:
        """Let each device take as little longer as it can for the run to fail."""
        for at in range(len(self._delays)):
            delays = self._delays
            least = _least(delays[at][1], partial(self._fails_with_length, holds, delays, at))
            self._delays = _with_length(delays, at, least)

    def _fails_with_length(self, holds: Sequence[Hold], delays: tuple[Delay, ...], at: int, length: int) -> bool:
        return self._fails_with(holds, _with_length(delays, at, length))

    def _cause(self) -> Hold | None:
        """The interrupt that makes a run without holds fail: past the next store in its way, it does not."""
        looking = _Looking(self._runner.guest.machine)
        self._run(looking)
        for hold in looking.found[:_MOST_LOOKED_AT]:
            if not self._fails([hold]):
                return hold
        return None


def _least(length: int, fails: Callable[[int], bool]) -> int:
    """The least number with which a run still fails: by halves, then by ones."""
    while length > 1:
        found = next((length >> by for by in (4, 3, 2, 1) if length >> by and fails(length >> by)), None)
        if found is None:
            break
        length = found
    for _ in range(_MOST_STEPS):
        if length <= 1 or not fails(length - 1):
            break
        length -= 1
    return length


def _with_length(delays: tuple[Delay, ...], at: int, length: int) -> tuple[Delay, ...]:
    """The same delays, but for the length of one."""
    icount, _, timer = delays[at]
    return (*delays[:at], (icount, length, timer), *delays[at + 1 :])


class _Looking:
    """A policy that holds nothing back, and notes the interrupts that come between a load and a store."""

    def __init__(self, guest: InterruptedGuest) -> None:
        self._guest = guest
        self.found: list[Hold] = []

    def delay(self, icount: int, timer: int) -> int:
        """See Policy."""
        return 0

    def hold(self, icount: int) -> int:
        """See Policy."""
        loaded: set[int] = set()
        for access in self._guest.look_ahead(self._guest.pc, _SIGHT).accesses:
            if not access.store:
                loaded.add(access.word)
            elif not access.stack and access.word not in loaded:
                self.found.append((icount, access.at + 1))
                break
        return 0


class _Aiming:
    """A policy that holds nothing back, and notes for one interrupt how long it might be.

    Args:
        guest: as it stands.
        first: the interrupt is due at this icount or later.
        end: and before this one.
        delays: of devices' work in this run.
    """

    def __init__(self, guest: InterruptedGuest, first: int, end: int, delays: tuple[Delay, ...]) -> None:
        self._guest = guest
        self._delays = FixedPolicy((), delays)
        self._first = first
        self._end = end
        self.found: list[Hold] = []

    def delay(self, icount: int, timer: int) -> int:
        """See Policy."""
        return self._delays.delay(icount, timer)

    def hold(self, icount: int) -> int:
        """See Policy."""
        if self._first <= icount < self._end and not self.found:
            way = self._guest.look_ahead(self._guest.pc, _FAR_SIGHT)
            for moment in worthwhile(way, frozenset()):
                self.found += [
                    (icount, length) for length in range(moment.first, min(moment.last, moment.first + 3) + 1)
                ]
        return 0
