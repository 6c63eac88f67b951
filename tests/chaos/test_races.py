"""Races are found, and shrunk to the one interrupt that makes them strike."""

from __future__ import annotations

import pytest

from rdbg.chaos.plan import Plan
from rdbg.chaos.policy import FixedPolicy
from rdbg.chaos.runner import Finished
from rdbg.chaos.script import Scripted, typed
from rdbg.chaos.shrink import Shrinker, holds_of, scripted_inputs
from rdbg.chaos.where import find_interruption
from rdbg.errors import RdbgError
from rdbg.journal.records import INPUT_KINDS, event_of
from tests.chaos.guests import LINE, plan, run_plain, run_seed

LOST = plan("lost_update", "output:LOST [1-9]")
RARE = plan("rare_update", "output:LOST [1-9]")
MISSED = plan("missed_wakeup", "output:MISSED [1-9]")
QUEUE = plan("uart_queue", "output:STUCK [1-9]", text=LINE)


@pytest.mark.parametrize("guest", [RARE, MISSED, QUEUE], ids=["rare", "missed", "queue"])
def test_without_moved_interrupts_nothing_strikes(guest: Plan) -> None:
    runner = guest.runner()
    script = tuple(_unmoved(guest))
    assert run_plain(guest, runner, script).outcome.failed == ""


@pytest.mark.parametrize(
    ("guest", "tries"), [(LOST, 1), (RARE, 60), (MISSED, 30), (QUEUE, 200)], ids=["lost", "rare", "missed", "queue"]
)
def test_the_race_is_found(guest: Plan, tries: int) -> None:
    assert _failing(guest, tries).outcome.failed == "output"


@pytest.mark.parametrize("guest", [RARE, QUEUE], ids=["rare", "queue"])
def test_a_lost_update_shrinks_to_one_interrupt_between_a_load_and_a_store(guest: Plan) -> None:
    runner = guest.runner()
    run = next(run for seed in range(200) if (run := run_seed(guest, runner, seed)).outcome.failed)
    events = [event_of(record) for record in run.history.known.records() if record.kind in INPUT_KINDS]
    script = scripted_inputs(events)
    shrunk = Shrinker(runner, script).shrink(holds_of(events))
    assert shrunk.run.outcome.failed == "output" and len(shrunk.holds) <= 1
    if not shrunk.holds:
        assert shrunk.cause is not None
        due, policy = shrunk.cause[0], FixedPolicy(())
    else:
        due, policy = sum(shrunk.holds[0]), FixedPolicy(shrunk.holds)
    where = find_interruption(runner, policy, script, due)
    assert where is not None and where.before is not None and where.after is not None
    assert where.before.word == where.after.word and not where.before.store and where.after.store
    assert where.before.pc < where.pc <= where.after.pc


def test_a_missed_wake_up_shrinks_to_one_interrupt_before_the_wait() -> None:
    runner = MISSED.runner()
    run = next(
        run for seed in range(60) if (run := run_seed(MISSED, runner, seed)).outcome.held > 2 and run.outcome.failed
    )
    events = [event_of(record) for record in run.history.known.records() if record.kind in INPUT_KINDS]
    shrunk = Shrinker(runner, scripted_inputs(events)).shrink(holds_of(events))
    assert len(shrunk.holds) == 1
    where = find_interruption(runner, FixedPolicy(shrunk.holds), (), sum(shrunk.holds[0]))
    assert where is not None and where.waits


def test_a_race_that_needs_no_moved_interrupt_is_told_so() -> None:
    runner = LOST.runner()
    run = run_seed(LOST, runner, 1)
    events = [event_of(record) for record in run.history.known.records() if record.kind in INPUT_KINDS]
    assert Shrinker(runner, ()).shrink(holds_of(events)).holds == ()


def test_a_run_that_does_not_fail_cannot_be_shrunk() -> None:
    with pytest.raises(RdbgError, match="does not fail"):
        Shrinker(RARE.runner(), ()).shrink([])


def _failing(guest: Plan, tries: int) -> Finished:
    runner = guest.runner()
    for seed in range(1, tries + 1):
        run = run_seed(guest, runner, seed)
        if run.outcome.failed:
            return run
    raise AssertionError(f"none of {tries} runs fails")


def _unmoved(guest: Plan) -> list[Scripted]:
    return list(typed(guest.text, 0))
