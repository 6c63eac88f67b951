"""Loads that the CPU core does not see one by one: from pages of code, and from pages that were stored to before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rdbg.emu.machine_api import Access, Watch
from rdbg.serial.serial_spec import SerialKind, SerialSpec
from rdbg.session.options import ImageFile, RunOptions
from rdbg.session.session import Session
from rdbg.timeline import StopConditions, StopReason, Timeline
from tests.cli.command import TANK

LIMIT = 0x8010_06D8  # tank.limit, on the page of the code


def never() -> bool:
    return False


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    options = RunOptions(images=(ImageFile("kernel", str(TANK)),), serials=(SerialSpec(SerialKind.NULL),))
    session = Session(options)
    try:
        assert session.timeline.run(StopConditions(), never).reason is StopReason.SHUTDOWN
        yield session.timeline
    finally:
        session.close()


def test_a_variable_beside_the_code(timeline: Timeline) -> None:
    conditions = StopConditions(watches=(Watch(LIMIT, 4, Access.READ),))
    timeline.goto(0)
    stops = []
    for _ in range(5):
        stop = timeline.run(conditions, never)  # stands before the access
        assert stop.reason is StopReason.WATCHPOINT
        stops.append(stop.position)
        timeline.step()
    assert stops == sorted(set(stops))
    for position in reversed(stops):
        stop = timeline.reverse_run(conditions, never)
        assert stop.reason is StopReason.WATCHPOINT and position < stop.position <= position + 2  # behind it
        timeline.goto(position)


def test_a_stack(timeline: Timeline) -> None:
    stack = StopConditions(watches=(Watch(0x8010_2000, 4096, Access.READ),))
    end = timeline.position
    stop = timeline.reverse_run(stack, never)
    assert stop.reason is StopReason.WATCHPOINT and stop.position > end - 1000
