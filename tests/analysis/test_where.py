"""``--where``: only rows at which a condition holds."""

from __future__ import annotations

import pytest

from rdbg.analysis.asking import ask
from rdbg.analysis.calls import Calls, FunctionCall
from rdbg.analysis.in_one_process import InOneProcess
from rdbg.analysis.probing import ConditionFailed
from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.analysis.where_condition import parse_where
from rdbg.emu.mips32 import MIPS32
from rdbg.errors import UsageError
from rdbg.history.history import History
from rdbg.navigation.stops import StopConditions
from rdbg.timeline import Timeline
from tests.analysis.test_calls import ENOUGH, guest
from tests.emu.guests import CODE, machine_with


@pytest.fixture(scope="module")
def timeline() -> Timeline:
    machine = machine_with(guest(False)[0], [], False, CODE, 0)
    timeline = Timeline(machine, History.live_run(), sleep=False)
    timeline.run(StopConditions(), lambda: timeline.position >= ENOUGH)
    return timeline


def rows(timeline: Timeline, where: str) -> list[FunctionCall]:
    question = Calls(*guest(False)[1]["recursive"], condition=parse_where(where, MIPS32) if where else ())
    found = ask(question, InOneProcess(lambda: ReplayedRun(timeline)), Piece(timeline.start, timeline.end))
    return [row for row in found if isinstance(row, FunctionCall)]


def test_only_calls_at_which_the_condition_holds(timeline: Timeline) -> None:
    every = rows(timeline, "")
    for where, holds in (
        ("a0 == 0", lambda row: row.a0 == 0),
        ("$a0 > 1 && !(a0 == 3)", lambda row: row.a0 > 1 and row.a0 != 3),
        ("a0 == 2 || a0 - 1 >= 0xffffffff", lambda row: row.a0 in (2, 0)),
        ("(a0 & 1) == 1", lambda row: row.a0 & 1 == 1),
        ("sp < 0x80200000", lambda row: row.stack < 0x8020_0000),
    ):
        expected = [row for row in every if holds(row)]
        assert 0 < len(expected) < len(every)
        assert rows(timeline, where) == expected, where


def test_where_it_cannot_be_evaluated_is_told(timeline: Timeline) -> None:
    with pytest.raises(ConditionFailed):
        rows(timeline, "word(8) == 0")


@pytest.mark.parametrize(
    "where", ["", "a0 ==", "zz == 1", "a0.b", "f(a0)", "'a'", "1 < a0 < 3", "a0 == 1.5", "-" * 900]
)
def test_what_is_no_condition_is_refused_in_a_line(where: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_where(where, MIPS32)
    assert str(refused.value).startswith("--where ") and "\n" not in str(refused.value)
