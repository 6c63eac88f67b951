"""Calls and system calls of pieces with borders anywhere are those of one look at all of the run."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest

from rdbg.analysis import followed_pieces, followed_rows
from rdbg.analysis.asking import ask
from rdbg.analysis.calls import Calls
from rdbg.analysis.counting import count_rows
from rdbg.analysis.exceptions import Exceptions, Interrupts
from rdbg.analysis.followed_rows import FollowedQuestion
from rdbg.analysis.in_one_process import InOneProcess
from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.analysis.system_calls import SystemCalls
from rdbg.analysis.where_condition import parse_where
from rdbg.history.history import History
from rdbg.navigation.pace import Pace
from rdbg.timeline import StopConditions, Timeline
from tests.analysis import test_calls
from tests.emu.guests import CODE, ERET, HANDLER, NOP, addiu, beq, i_type, lui, lw, machine_with, mfc0, r_type
from tests.timeline.positions import Trial


class Torn(InOneProcess):
    """Divides a stretch anywhere, and near some positions."""

    def __init__(self, timeline: Timeline, dice: random.Random, most: int, near: Sequence[int]) -> None:
        super().__init__(lambda: ReplayedRun(timeline))
        self._dice = dice
        self._most = most
        self._near = near

    def split(self, stretch: Piece, newest_first: bool) -> Sequence[Piece]:
        inner = range(stretch.start + 1, stretch.end)
        chosen = self._dice.sample(inner, min(self._dice.randrange(1, self._most), len(inner)))
        chosen += [self._dice.choice(self._near) + self._dice.randrange(4) for _ in chosen if self._near]
        borders = sorted({border for border in chosen if border in inner})
        pieces = [Piece(low, high) for low, high in pairwise([stretch.start, *borders, stretch.end])]
        return pieces[::-1] if newest_first else pieces


class Whole(InOneProcess):
    """Divides nothing."""

    def split(self, stretch: Piece, newest_first: bool) -> Sequence[Piece]:
        return [stretch]


def compare(
    timeline: Timeline, question: FollowedQuestion, dice: random.Random, most: int, near: Sequence[int] = ()
) -> int:
    """Ask with borders and without; gives how many rows there were."""
    timeline.goto(dice.randrange(timeline.start, timeline.end))
    start, end = sorted(dice.sample(range(timeline.start, timeline.end + 1), 2))
    stretch = dice.choice([Piece(timeline.start, timeline.end), Piece(start, end)])
    # What is seen does not hang on where one begins to look: all of the run is looked at.
    whole = Whole(lambda: ReplayedRun(timeline))
    every = list(ask(question, whole, Piece(timeline.start, timeline.end)))
    expected = [row for row in every if stretch.start <= row.icount < stretch.end]
    torn = Torn(timeline, dice, most, near)
    assert list(ask(question, torn, stretch)) == expected
    assert list(ask(question, torn, stretch, newest_first=True)) == expected[::-1]
    assert list(ask(question, whole, stretch)) == expected
    for pool in (torn, whole):
        assert sum(count_rows(question, pool, stretch, False)) == len(expected)
    return len(expected)


@pytest.mark.parametrize(("seed", "before"), [(0, 1), (1, 1), (1, 1 << 20), (3, 16)])
def test_borders_change_no_row_of_a_generated_guest(seed: int, before: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed_pieces, "_BEFORE", before)
    trial = Trial(seed, length=500, often=bool(seed % 2))
    dice, timeline = random.Random(seed), trial.timeline
    whole, pool = Piece(timeline.start, timeline.end), Whole(lambda: ReplayedRun(timeline))
    left = [*ask(Exceptions(), pool, whole), *ask(Interrupts(), pool, whole)]
    near = [row.icount for row in left]
    rows = compare(timeline, SystemCalls(), dice, 6, near)
    for condition in ((), (), parse_where("v0 % 2 == 0", timeline.machine.architecture)):
        first = dice.choice(left).pc  # handlers return there, or behind it
        rows += compare(timeline, Calls(first, first + 4 * dice.choice((0, 100)), condition), dice, 6, near)
    assert rows


@pytest.mark.parametrize("patience", [0, 4])
@pytest.mark.parametrize("name", ["recursive", "tail", "loops", "leaves"])
def test_borders_change_no_call_of_functions_that_recur_jump_and_leave(
    name: str, patience: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_pieces, "_BEFORE", 3)
    monkeypatch.setattr(followed_pieces, "_PATIENCE", patience)
    monkeypatch.setattr(followed_rows, "_BEHIND", 5)
    monkeypatch.setattr(followed_rows, "_AT_ONCE", 2)
    timeline, (first, last) = test_calls.lived(name, big_endian=False)
    dice = random.Random(name)
    assert compare(timeline, Calls(first, last), dice, 20) + compare(timeline, Calls(first, last), dice, 4)


def faulting(nested: int) -> tuple[Timeline, int]:
    """A run of calls of a function whose first instruction raises an exception and runs again, and the function. The
    handler raises so many exceptions of its own before it returns."""
    main = [
        lui(29, 0x8020),
        lui(4, 0x8021),
        addiu(4, 4, 1),
        test_calls.jal(8),
        NOP,
        i_type(4, 0, 0, -4 & 0xFFFF),
        NOP,
        NOP,
    ]
    function = [lw(2, 0, 4), test_calls.JR_LINK, NOP]
    again = HANDLER + 4 * 9  # where a nested one goes on
    handler = [
        mfc0(26, 13), i_type(0x0C, 26, 26, 0x7C), addiu(26, 26, -0x24), beq(26, 0, 10), addiu(4, 4, -1),
        addiu(8, 0, nested), lui(27, again >> 16), i_type(0x0D, 27, 27, again & 0xFFFF), 0x0000000D,
        addiu(8, 8, -1), i_type(5, 8, 0, -3 & 0xFFFF), NOP, ERET, NOP,
        addiu(4, 4, 1), r_type(8, 27, 0, 0), NOP,
    ]  # fmt: skip
    machine = machine_with(main + function, handler)
    timeline = Timeline(machine, History.live_run(), sleep=False, pace=Pace(slice=300, spacing=700, rung=100))
    timeline.run(StopConditions(), lambda: timeline.position >= 3500)
    return timeline, CODE + 4 * len(main)


@pytest.mark.parametrize("nested", [2, 80])
def test_a_call_that_runs_again_is_one_call_wherever_the_border_is(
    nested: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_pieces, "_BEFORE", 1)
    timeline, function = faulting(nested)
    whole = Piece(timeline.start, timeline.end)
    every = list(ask(Calls(function, function + 8), Whole(lambda: ReplayedRun(timeline)), whole))
    assert len(every) > 3 and all(row.caller == CODE + 12 and row.a0 == 0x80210000 for row in every[:-1])
    assert all(row.returned == row.icount + 3 for row in every[:-1])
    step = every[1].icount - every[0].icount
    near = range(every[0].icount, every[1].icount)
    for border in near if nested < 5 else random.Random(nested).sample(near, 12):
        for pieces in ([whole.start, border, whole.end], [whole.start, border, border + step // 3, whole.end]):
            torn = Torn(timeline, random.Random(0), 2, ())
            monkeypatch.setattr(torn, "split", lambda stretch, _, at=pieces: [Piece(*each) for each in pairwise(at)])
            assert list(ask(Calls(function, function + 8), torn, whole)) == every
