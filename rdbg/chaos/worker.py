"""What a worker process of a campaign does: it loads the guest once, and runs it for one seed after another."""

from __future__ import annotations

import logging

from rdbg.chaos.keep import keep
from rdbg.chaos.plan import Plan, policy_of
from rdbg.chaos.runner import Finished, Outcome, Runner
from rdbg.errors import RdbgError
from rdbg.host.parent_watch import become_helper
from rdbg.host.shared_flag import SharedFlag
from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class Result:
    """What came of a run.

    Args:
        seed: of the run.
        outcome: None: it was stopped.
    """

    seed: int
    outcome: Outcome | None


class Worker:
    """Runs seeds.

    Args:
        plan: of the campaign.
        stop: set when the campaign ends.
    """

    def __init__(self, plan: Plan, stop: SharedFlag) -> None:
        self._plan = plan
        self._runner: Runner = plan.runner(stop.is_set)

    def run(self, seed: int) -> Result:
        """Run once; nothing is written."""
        finished = self._finish(seed)
        return Result(seed, None if finished is None else finished.outcome)

    def keep(self, seed: int, path: str, expected: Outcome) -> Result:
        """Run a seed that has failed once more, and keep it as a recording.

        Raises:
            RdbgError: the recording cannot be written, or the run is another one now.
        """
        finished = self._finish(seed)
        if finished is None:
            return Result(seed, None)
        outcome = finished.outcome
        if outcome.repeatable and expected.repeatable and outcome != expected:
            raise RdbgError(
                f"seed {seed} has come to another end the second time (icount {expected.end}, then {outcome.end}): "
                "the guest's run is not repeatable, which is a fault of rdbg; please report it"
            )
        keep(self._runner, finished, path, self._plan.command_of(seed))
        return Result(seed, outcome)

    def _finish(self, seed: int) -> Finished | None:
        guest = self._runner.guest
        return self._runner.run(policy_of(seed, guest), self._plan.script(seed, guest.start))


#: The worker of this process, or why there is none: a process pool hands a job a function and its arguments, nothing
#: that lives on.
_here: list[Worker | RdbgError] = []


def begin(plan: Plan, stop: SharedFlag, parent: int) -> None:
    """Make this process a worker.

    Args:
        plan: of the campaign.
        stop: set when it ends.
        parent: its process: when that is gone, however it ended, this one goes too.
    """
    become_helper(parent)
    logging.disable(logging.WARNING)  # what the guest does wrong a thousand times over
    try:
        _here[:] = [Worker(plan, stop)]
    except RdbgError as error:
        _here[:] = [error]  # the first job says it


def _worker() -> Worker:
    here = _here[0]
    if isinstance(here, RdbgError):
        raise here
    return here


def run_seed(seed: int) -> Result:
    """Run a seed in this worker."""
    return _worker().run(seed)


def keep_seed(seed: int, path: str, expected: Outcome) -> Result:
    """Keep a seed's run from this worker."""
    return _worker().keep(seed, path, expected)
