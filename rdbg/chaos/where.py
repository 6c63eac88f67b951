"""Where in the guest's code an interrupt was taken, and between which accesses to memory."""

from __future__ import annotations

from collections.abc import Sequence

from rdbg.chaos.policy import Policy
from rdbg.chaos.runner import Runner
from rdbg.chaos.script import Scripted
from rdbg.emu.way_ahead import AccessAhead
from rdbg.quick_dataclass import dataclass

#: Instructions of the interrupted code that are looked at: before the interrupt, and after it.
_BEFORE = 200
_AFTER = 2000
#: Steps within which an interrupt is taken once it is not held back any more.
_STEPS = 64


@dataclass(frozen=True)
class Interruption:
    """An interrupt that was taken.

    Args:
        icount: where.
        pc: the instruction before which.
        line: what the interrupt line is called that asked for it.
        before: the access before it, if it is one of a pair; a load that it makes stale.
        after: the access after it.
        waits: the code after it waits at once.
    """

    icount: int
    pc: int
    line: str
    before: AccessAhead | None
    after: AccessAhead | None
    waits: bool


def end_of_hold(runner: Runner, policy: Policy, script: Sequence[Scripted], icount: int, length: int) -> int:
    """The icount at which interrupts that were held back come: sooner than so many instructions on, if the CPU waits.

    Args:
        runner: with the guest.
        policy: of the run.
        script: what comes in from outside.
        icount: where the hold begins.
        length: of it, in instructions, or their time in a wait.
    """
    machine = runner.guest.machine

    def time_at(position: int) -> int:
        runner.open(policy, script).run_to(position)
        return machine.now_ns

    end_ns = time_at(icount) + (length << machine.spec.shift)
    if runner.guest.view.in_exception:  # it was held in a wait: an interrupt could be taken here, so none was handled
        return icount
    first, last = icount, icount + length
    if time_at(last) <= end_ns:
        return last
    while last - first > 1:
        middle = (first + last) // 2
        if time_at(middle) >= end_ns:
            last = middle
        else:
            first = middle
    return last


def find_interruption(runner: Runner, policy: Policy, script: Sequence[Scripted], due: int) -> Interruption | None:
    """Look at the first interrupt that is taken at ``due`` or soon after.

    Args:
        runner: with the guest.
        policy: of the run.
        script: what comes in from outside.
        due: icount.

    Returns:
        None: none is taken there.
    """
    run = runner.open(policy, script)
    guest = runner.guest
    machine, view = guest.machine, guest.view
    run.run_to(max(guest.start, due - _BEFORE))
    accesses: list[tuple[int, AccessAhead]] = []
    while machine.icount < due - 1:
        here = machine.icount
        if not view.in_exception:
            accesses += [(here + access.at, access) for access in machine.look_ahead(machine.pc, 1).accesses]
        if not run.step() or machine.icount > due:
            break
    base = machine.icount
    way = machine.look_ahead(machine.pc, _AFTER)
    for _ in range(_STEPS):
        if view.in_exception and machine.by_interrupt:
            break
        if not run.step():
            return None
    else:
        return None
    taken = machine.icount
    accesses += [(base + access.at, access) for access in way.accesses]
    before = [access for at, access in accesses if at < taken]
    after = [access for at, access in accesses if at >= taken]
    pair = _pair(before, after)
    waits = way.waits_at is not None and 0 <= base + way.waits_at - taken <= 2
    return Interruption(taken, view.interrupted, view.line, *pair, waits)


def _pair(before: Sequence[AccessAhead], after: Sequence[AccessAhead]) -> tuple[AccessAhead | None, AccessAhead | None]:
    """The nearest load before and store after it of one word, with no store between; stack words last."""
    latest: dict[int, AccessAhead] = {access.word: access for access in before}
    pairs: list[tuple[bool, int, AccessAhead, AccessAhead]] = []
    passed: set[int] = set()
    for distance, access in enumerate(after):
        loaded = latest.get(access.word)
        if access.store and access.word not in passed and loaded is not None and not loaded.store:
            pairs.append((access.stack, distance + _distance(before, loaded), loaded, access))
        if access.store:
            passed.add(access.word)
    if not pairs:
        return None, None
    best = min(pairs, key=lambda pair: pair[:2])
    return best[2], best[3]


def _distance(accesses: Sequence[AccessAhead], access: AccessAhead) -> int:
    return len(accesses) - max(at for at, each in enumerate(accesses) if each is access)
