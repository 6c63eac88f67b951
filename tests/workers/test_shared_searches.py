"""Searches of the past with copies of the process at one's side: the answers are those of one who looks alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

import rdbg.navigation.search
import rdbg.navigation.writes
from rdbg.emu.expression import Operation, Step
from rdbg.emu.machine_api import Access, Watch
from rdbg.timeline import QuestionInterrupted, StopConditions, StopReason, Timeline
from rdbg.workers.copies import Copies
from rdbg.workers.run_copies import RunCopies
from tests.workers.runs import COUNTING, SYMBOLS, interrupts_after, no_process_is_left, written_run

COUNT = SYMBOLS.find("count")
assert COUNT is not None
NEVER = StopConditions(watches=(Watch(COUNT.address + 8, 4, Access.WRITE),))  # on the page of what is written


def when_count_is(number: int) -> StopConditions:
    """A breakpoint that is met in every stretch of the run, and whose condition holds once."""
    steps = (
        Step(Operation.CONSTANT, COUNT.address),
        Step(Operation.LOAD_32),
        Step(Operation.CONSTANT, number),
        Step(Operation.EQUAL),
        Step(Operation.END),
    )
    return StopConditions(frozenset({COUNTING}), conditions={COUNTING: (steps,)})


HALFWAY = when_count_is(4000)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Helpers are called for as soon as there is something to search."""
    for module in (rdbg.navigation.search, rdbg.navigation.writes):
        monkeypatch.setattr(module, "PATIENCE", -1.0)
        monkeypatch.setattr(module, "PIECE_SECONDS", 0.002)


@pytest.fixture
def timeline() -> Timeline:
    return written_run()


class Counted(RunCopies):
    """Counts the pieces that copies were given."""

    def __init__(self, timeline: Timeline, jobs: int) -> None:
        super().__init__(timeline, jobs, lambda: None)
        self.asked = 0

    def crew(self, work: Callable[[int, int], Any]) -> Copies | None:
        crew = super().crew(work)
        if crew is not None:
            ask = crew.ask

            def counted(start: int, end: int) -> Future[Any]:
                self.asked += 1
                return ask(start, end)

            crew.ask = counted  # type: ignore[method-assign]
        return crew


def hits_back(timeline: Timeline, conditions: StopConditions, most: int = 6) -> list[tuple[Any, ...]]:
    """Where a debugger comes to that goes back again and again from here."""
    found = []
    for _ in range(most):
        stop = timeline.reverse_run(conditions, lambda: False)
        found.append((stop.reason, stop.position, stop.pc, stop.watch, timeline.machine.digest()))
        if stop.reason is StopReason.HISTORY_START:
            break
    return found


@pytest.mark.parametrize("conditions", [NEVER, HALFWAY], ids=["never", "halfway"])
@pytest.mark.parametrize("back_from", ["end", "a branch", "a scratch write"])
def test_a_reverse_search_finds_what_one_process_finds(
    timeline: Timeline, conditions: StopConditions, back_from: str
) -> None:
    def go_there() -> None:
        """Stand where the debugger goes back from: on a scratch branch, which goes when it is left, on one like it."""
        if back_from == "a scratch write":
            timeline.goto(30_000)
            timeline.scratch.begin()
            timeline.live_end.write_memory(COUNT.address, b"\7\0\0\0")
        timeline.goto(place)
        while timeline.position < place:
            timeline.step()
        assert timeline.branch_name == name and timeline.machine.digest() == digest

    if back_from != "end":
        timeline.goto(30_000)
        if back_from == "a branch":
            timeline.branch("other")
        else:
            timeline.scratch.begin()
        timeline.live_end.write_memory(COUNT.address, b"\7\0\0\0")
        timeline.run(StopConditions(), lambda: timeline.position >= 36_000)
    place, name, digest = timeline.position, timeline.branch_name, timeline.machine.digest()
    helped = Counted(timeline, 3)
    timeline.copies.call(helped)
    found = hits_back(timeline, conditions)
    assert helped.asked > 0 and no_process_is_left()
    assert conditions is NEVER or found[0][1] > timeline.start + 5000
    timeline.copies.call(None)
    assert (timeline.branch_name == name) == (back_from != "a scratch write"), "going back before it leaves it"
    go_there()
    again = hits_back(timeline, conditions)
    assert found == again


def test_what_was_searched_by_copies_is_known_afterwards(timeline: Timeline) -> None:
    helped = Counted(timeline, 3)
    timeline.copies.call(helped)
    timeline.reverse_run(NEVER, lambda: False)
    timeline.goto(timeline.end)
    helped.asked = 0
    assert timeline.reverse_run(NEVER, lambda: False).reason is StopReason.HISTORY_START
    assert helped.asked == 0, "nothing is left to look through"


@pytest.mark.parametrize("count", [1, 7, 1000])
@pytest.mark.parametrize("offset", [0, 4, 8])
def test_who_wrote_this_is_what_one_process_says(timeline: Timeline, count: int, offset: int) -> None:
    helped = Counted(timeline, 3)
    alone = timeline.past.last_writes(COUNT.address + offset, 4, count)
    timeline.copies.call(helped)
    assert timeline.past.last_writes(COUNT.address + offset, 4, count) == alone
    assert no_process_is_left()


def test_a_helper_that_is_killed_changes_no_answer(timeline: Timeline, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = hits_back(timeline, NEVER)
    timeline.goto(timeline.end)
    timeline._replayer.keeper.index.forget_searches(0)

    class Killed(Counted):
        def crew(self, work: Callable[[int, int], Any]) -> Copies | None:
            def dies(start: int, end: int) -> Any:
                os.kill(os.getpid(), signal.SIGKILL)

            return super().crew(dies)

    helped = Killed(timeline, 3)
    timeline.copies.call(helped)
    assert hits_back(timeline, NEVER) == alone and helped.asked > 0
    assert no_process_is_left()


def test_ctrl_c_ends_a_shared_search_where_it_began(timeline: Timeline) -> None:
    timeline.copies.call(Counted(timeline, 3))
    place = timeline.position
    stop = timeline.reverse_run(NEVER, interrupts_after(3))
    assert stop.reason is StopReason.INTERRUPTED and stop.position == place
    with pytest.raises(QuestionInterrupted):
        timeline.past.last_writes(COUNT.address + 8, 4, 5, interrupted=interrupts_after(3))
    assert timeline.position == place and no_process_is_left()
