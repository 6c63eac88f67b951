"""The fewest moved interrupts with which a run still fails, by delta debugging.

Source: A. Zeller, R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (ddmin), IEEE TSE 28(2), 2002.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rdbg.chaos.policy import FixedPolicy, InterruptedGuest, Policy, worthwhile
from rdbg.chaos.runner import Finished, Runner
from rdbg.chaos.script import Scripted
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass

#: (icount, instructions): an interrupt due there is held back so long.
Hold = tuple[int, int]

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
        before: how many there were.
        tries: runs that it took.
        cause: without any hold: the interrupt (its icount, and for how many instructions it was held back) that makes
            the run fail where it comes, and not when it comes that much later; None: none was found, or not looked for.
    """

    run: Finished
    holds: tuple[Hold, ...]
    before: int
    tries: int
    cause: Hold | None = None


def scripted_inputs(events: Sequence[InputEvent]) -> tuple[Scripted, ...]:
    """All inputs of a recording but holds, at their own moments, to be let in again."""
    found: list[Scripted] = []
    wake: int | None = None
    for event in events:
        if event.kind is InputKind.WAKE:
            wake = event.value
        elif event.kind is not InputKind.HOLD:
            found.append(Scripted(event.icount, event, wake))
            wake = None
    return tuple(found)


def holds_of(events: Sequence[InputEvent]) -> tuple[Hold, ...]:
    """The holds of a recording."""
    return tuple((event.icount, event.value) for event in events if event.kind is InputKind.HOLD)


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
        self._tries = 0

    def shrink(self, holds: Sequence[Hold]) -> Shrunk:
        """Find the fewest of these.

        Raises:
            RdbgError: with all of them the run does not fail.
            Stopped: the user has ended it.
        """
        whole = self._run(FixedPolicy(tuple(holds)))
        self._failed = whole.outcome.failed
        if not self._failed:
            raise RdbgError(
                f"the run does not fail ({whole.outcome.what}): there is nothing to shrink; say with --fail-on what "
                "made it fail"
            )
        left = [] if self._fails([]) else self._fewest(list(holds))
        if len(left) > 1:
            left = self._alone(left) or left
        left = [self._shorter(left, at) for at in range(len(left))]
        run = self._run(FixedPolicy(tuple(left)))
        cause = None if left else self._cause()
        return Shrunk(run, tuple(left), len(holds), self._tries, cause)

    def _run(self, policy: Policy) -> Finished:
        self._tries += 1
        finished = self._runner.run(policy, self._script)
        if finished is None:
            raise Stopped
        return finished

    def _fails(self, holds: Sequence[Hold]) -> bool:
        self._told(self._tries, len(holds))
        return self._run(FixedPolicy(tuple(holds))).outcome.failed == self._failed

    def _fewest(self, holds: list[Hold]) -> list[Hold]:
        pieces = 2
        while len(holds) > 1:
            size = -(-len(holds) // pieces)
            chunks = [holds[at : at + size] for at in range(0, len(holds), size)]
            found = next((chunk for chunk in chunks if len(chunk) < len(holds) and self._fails(chunk)), None)
            if found is not None:
                holds, pieces = found, 2
                continue
            rests = ([hold for hold in holds if hold not in chunk] for chunk in chunks) if len(chunks) > 2 else ()
            rest = next((rest for rest in rests if self._fails(rest)), None)
            if rest is not None:
                holds, pieces = rest, max(pieces - 1, 2)
            elif pieces >= len(holds):
                break
            else:
                pieces = min(2 * pieces, len(holds))
        return holds

    def _alone(self, holds: list[Hold]) -> list[Hold] | None:
        """One of these that is enough by itself if it ends at another moment: without the others, the code that it
        interrupts is elsewhere by then."""
        for icount, length in holds:
            aiming = _Aiming(self._runner.guest.machine, icount, icount + length)
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
            aiming = _Aiming(self._runner.guest.machine, icount, icount + length)
            self._run(aiming)
            near = sorted(each for each in set(aiming.found) if each[0] == icount and each[1] < length)
            shorter = next((each for each in near[:_MOST_AIMED] if self._fails([each])), None)
            if shorter is not None:
                holds[at] = shorter
                return shorter

        def fails(shorter: int) -> bool:
            return self._fails([*holds[:at], (icount, shorter), *holds[at + 1 :]])

        while length > 1:
            found = next((length >> by for by in (4, 3, 2, 1) if length >> by and fails(length >> by)), None)
            if found is None:
                break
            length = found
        for _ in range(_MOST_STEPS):
            if length <= 1 or not fails(length - 1):
                break
            length -= 1
        holds[at] = (icount, length)
        return holds[at]

    def _cause(self) -> Hold | None:
        """The interrupt that makes a run without holds fail: past the next store in its way, it does not."""
        looking = _Looking(self._runner.guest.machine)
        self._run(looking)
        for hold in looking.found[:_MOST_LOOKED_AT]:
            if not self._fails([hold]):
                return hold
        return None


class _Looking:
    """A policy that holds nothing back, and notes the interrupts that come between a load and a store."""

    def __init__(self, guest: InterruptedGuest) -> None:
        self._guest = guest
        self.found: list[Hold] = []

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
    """

    def __init__(self, guest: InterruptedGuest, first: int, end: int) -> None:
        self._guest = guest
        self._first = first
        self._end = end
        self.found: list[Hold] = []

    def hold(self, icount: int) -> int:
        """See Policy."""
        if self._first <= icount < self._end and not self.found:
            way = self._guest.look_ahead(self._guest.pc, _FAR_SIGHT)
            for moment in worthwhile(way, frozenset()):
                self.found += [
                    (icount, length) for length in range(moment.first, min(moment.last, moment.first + 3) + 1)
                ]
        return 0
