"""Tables over stretches of toys' runs, against an oracle that wrote everything down."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdbg.analysis.asking import ask
from rdbg.analysis.executions import Executions
from rdbg.analysis.in_one_process import InOneProcess
from rdbg.analysis.memory_accesses import RangeAccesses
from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.emu.machine_api import Access, Watch
from tests.timeline.test_navigation import Run, programs
from tests.timeline.toy import Op, Toy
from tests.timeline.toy64 import Toy64


@pytest.mark.parametrize("kind", [Toy, Toy64])
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), program=programs())
def test_executions_are_those_of_the_oracle(kind: type[Toy], data: st.DataObject, program: list[Op]) -> None:
    run = Run(kind, data, program, data.draw(st.integers(100, 2000)))
    pool = InOneProcess(lambda: ReplayedRun(run.timeline))
    for _ in range(4):
        run.timeline.goto(data.draw(st.sampled_from(run.oracle.positions)))
        address = data.draw(st.sampled_from(sorted({moment.pc for moment in run.oracle.moments})))
        low, high = sorted(data.draw(st.integers(0, run.timeline.end)) for _ in range(2))
        newest_first = data.draw(st.booleans())
        rows = [row.icount for row in ask(Executions(address), pool, Piece(low, high), newest_first)]
        expected = [
            each.position
            for each, following in pairwise(run.oracle.moments)
            if low <= each.position < high
            and following.position > each.position
            and address
            in (each.pc, *([run.machine._behind(each.pc)] if following.position - each.position == 2 else []))
        ]
        assert rows == (expected[::-1] if newest_first else expected)
        run.check()


@pytest.mark.parametrize("kind", [Toy, Toy64])
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), program=programs())
def test_accesses_are_those_of_single_steps(kind: type[Toy], data: st.DataObject, program: list[Op]) -> None:
    run = Run(kind, data, program, data.draw(st.integers(100, 1500)))
    timeline, machine = run.timeline, run.machine
    pool = InOneProcess(lambda: ReplayedRun(timeline))
    for access in Access:
        watch = Watch(machine.data + data.draw(st.integers(0, 40)), data.draw(st.integers(1, 8)), access)
        timeline.goto(timeline.start)
        expected: list[tuple[int, str]] = []
        while timeline.position < timeline.end:
            hit, here = machine.watched_access((watch,)), timeline.position
            timeline.step()
            if timeline.position == here:
                break
            if hit is not None:
                expected.append((here, hit.access.value))
        rows = ask(RangeAccesses(watch.address, watch.length, access), pool, Piece(timeline.start, timeline.end))
        assert [(row.icount, row.access) for row in rows] == expected
        run.check()
