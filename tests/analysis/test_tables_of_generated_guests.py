"""Tables over guests that branch, fault and change their own code wherever that is hard to follow."""

from __future__ import annotations

import pytest

from rdbg.analysis.asking import ask
from rdbg.analysis.counting import count_rows
from rdbg.analysis.exceptions import Exceptions, Interrupts
from rdbg.analysis.executions import Executions
from rdbg.analysis.in_one_process import InOneProcess
from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.navigation.stops import StopConditions, StopReason
from rdbg.timeline import Timeline
from tests.timeline.positions import Trial

GENERAL_VECTOR = 0x80000180
REFILL_VECTOR = 0x80000000


def met(timeline: Timeline, address: int) -> list[int]:
    """Where a breakpoint is met, one stop at a time."""
    timeline.goto(timeline.start)
    found: list[int] = []
    passes = False
    while True:
        stop = timeline.run(StopConditions(frozenset({address})), lambda: False, passes=passes)
        if stop.reason is not StopReason.BREAKPOINT or stop.position >= timeline.end:
            return found
        found.append(stop.position)
        passes = True


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("often", [False, True])
def test_executions_are_where_breakpoints_are_met(seed: int, often: bool) -> None:
    trial = Trial(seed, length=1200, often=often)
    timeline = trial.timeline
    pool = InOneProcess(lambda: ReplayedRun(timeline))
    pcs = sorted({seen.pc for seen in trial._at.values()})
    chosen = [*trial.dice.sample(pcs, min(8, len(pcs))), GENERAL_VECTOR]
    for address in chosen:
        timeline.goto(trial.dice.randrange(timeline.start, timeline.end))
        stood = timeline.position
        rows = [row.icount for row in ask(Executions(address), pool, Piece(timeline.start, timeline.end))]
        assert timeline.position == stood
        assert rows == met(timeline, address), f"{address:#x}"
        halves = Piece(timeline.start, stood), Piece(stood, timeline.end)
        numbers = [sum(count_rows(Executions(address), pool, half, False)) for half in halves]
        assert numbers == [len([row for row in rows if row < stood]), len([row for row in rows if row >= stood])]
        assert rows == [row.icount for half in halves for row in ask(Executions(address), pool, half)]
        assert rows[::-1] == [
            row.icount for row in ask(Executions(address), pool, Piece(timeline.start, timeline.end), newest_first=True)
        ]


def test_executions_are_counted_as_often_as_one_asks() -> None:
    trial = Trial(3, length=400, often=False)
    timeline = trial.timeline
    pool = InOneProcess(lambda: ReplayedRun(timeline))
    position = next(at for at in range(timeline.start, timeline.end) if at in trial._at)
    once, stretch = Executions(trial._at[position].pc), Piece(position, position + 1)
    assert [sum(count_rows(once, pool, stretch, False)) for _ in range(3)] == [1, 1, 1]


def test_what_a_step_does_counts_once_where_a_stretch_begins_inside_of_it() -> None:
    trial = Trial(3, length=1000, often=True)
    timeline = trial.timeline
    pool = InOneProcess(lambda: ReplayedRun(timeline))
    (begin, *others) = (at for at in range(timeline.start, timeline.end) if at not in trial._at)
    branch = trial._at[begin - 1].pc
    # An exception of the instruction in the slot, too.
    raised = [row.icount + 1 for row in ask(Exceptions(), pool, Piece(timeline.start, timeline.end))]
    inside = next(at for at in raised if at in others)
    for question, border in ((Executions(branch), begin), (Executions(branch + 4), begin), (Exceptions(), inside)):
        rows = [row.icount for row in ask(question, pool, Piece(timeline.start, timeline.end))]
        assert border - 1 in rows
        pieces = Piece(timeline.start, border), Piece(border, timeline.end)
        found = [[row.icount for row in ask(question, pool, piece)] for piece in pieces]
        assert found == [[row for row in rows if row < border], [row for row in rows if row >= border]]
        assert [sum(count_rows(question, pool, piece, False)) for piece in pieces] == [len(each) for each in found]


@pytest.mark.parametrize("seed", range(3))
def test_every_exception_and_interrupt_leads_to_a_handler(seed: int) -> None:
    trial = Trial(seed, length=1200, often=True)
    timeline = trial.timeline
    pool = InOneProcess(lambda: ReplayedRun(timeline))
    whole = Piece(timeline.start, timeline.end)
    entered = len(met(timeline, GENERAL_VECTOR)) + len(met(timeline, REFILL_VECTOR))
    raised = list(ask(Exceptions(), pool, whole))
    taken = list(ask(Interrupts(), pool, whole))
    assert taken or raised
    counted = [sum(count_rows(question, pool, whole, False)) for question in (Exceptions(), Interrupts())]
    assert counted == [len(raised), len(taken)]
    # One at the very end has not come to its handler.
    assert 0 <= len(raised) + len(taken) - entered <= 1
