"""Conditions on memory are decided without a replay where nobody writes that memory, and never wrongly."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rdbg
from rdbg.analysis.where_condition import parse_where
from rdbg.emu.expression import Expression, Operation, Step
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest, RunStop
from rdbg.navigation.last_hits import LastHits
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.stops import never
from rdbg.navigation.unread_registers import LOADED_BYTES, reads_that_make_it_false
from rdbg.timeline import StopConditions, StopReason, Timeline
from tests.cli.command import TANK
from tests.cli.command import rdbg as command
from tests.emu.test_conditions import counter
from tests.workers.runs import SYMBOLS, written_run

END = Step(Operation.END)
_WORDS = (0x80100000, 0x80100FFC, 0xA0100004, 0xC0000000)
_STEPS = st.one_of(
    st.sampled_from([*(Step(Operation.CONSTANT, at) for at in _WORDS), Step(Operation.CONSTANT, 0)]),
    st.integers(0, 3).map(lambda n: Step(Operation.CONSTANT, n)),
    st.sampled_from([Step(Operation.REGISTER, 2), Step(Operation.REGISTER, 4), Step(Operation.REGISTER, 9999)]),
    st.sampled_from(
        [
            Step(each)
            for each in Operation
            if each.value in {*range(0x02, 0x16), *range(0x17, 0x1B), 0x28, 0x29, 0x2B, 0x33}
        ]
    ),
    st.integers(0, 3).map(lambda n: Step(Operation.PICK, n)),
    st.integers(1, 64).map(lambda n: Step(Operation.EXTEND_SIGN, n)),
    st.integers(0, 12).map(lambda n: Step(Operation.JUMP_UNLESS_ZERO, n)),
    st.integers(0, 12).map(lambda n: Step(Operation.JUMP, n)),
)


@pytest.fixture(scope="module")
def machine() -> Machine:
    return counter()


@settings(deadline=None, max_examples=400)
@given(
    st.lists(_STEPS, max_size=12), st.lists(st.integers(0, (1 << 32) - 1) | st.integers(0, 3), min_size=8, max_size=8)
)
def test_what_is_false_whatever_registers_hold_is_false(machine: Machine, steps: list[Step], values: list[int]) -> None:
    expression: Expression = (*steps, END)
    reads = reads_that_make_it_false(expression, machine.evaluate)
    held = machine.read_register(2), machine.read_register(4)
    for v0, a0 in zip(values[::2], values[1::2], strict=True):
        machine.write_register(2, v0)
        machine.write_register(4, a0)
        if reads is not None:
            assert machine.evaluate(expression) == 0
    machine.write_register(2, held[0])
    machine.write_register(4, held[1])
    loads = any(step.operation in LOADED_BYTES for step in steps)
    assert reads is None or loads or not reads


@pytest.mark.parametrize(
    ("text", "decided"),
    [
        ("word(0x80100000) == 77", True),
        ("a0 == 1 && word(0x80100000) == 77", True),
        (
            "word(0x80100000) == 77 && word(sp) == 1",
            False,
        ),  # of the stack's word nothing is known, nor whether it is mapped
        ("a0 == 1 || word(0x80100000) == 77", False),
        ("word(0x80100000) / a0 == 77", False),
        ("a0 == 77", False),
        ("0", True),
    ],
)
def test_which_conditions_memory_decides(machine: Machine, text: str, decided: bool) -> None:
    expression = parse_where(text, machine.architecture)
    assert (reads_that_make_it_false(expression, machine.evaluate) is not None) == decided


def test_a_condition_on_memory_that_nobody_writes_is_decided_without_a_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    timeline = written_run()
    count = SYMBOLS.find("count")
    assert count is not None
    hot, end = _hot(timeline), timeline.position
    condition = parse_where(f"word({count.address + 0x100000:#x}) == 1", timeline.machine.architecture)
    wanted = StopConditions(frozenset({hot}), conditions={hot: (condition,)})
    advance, ran = Replayer.advance, 0

    def counted(self: Replayer, request: RunRequest, hits: LastHits | None = None) -> RunStop:
        nonlocal ran
        before = self.machine.icount
        stop = advance(self, request, hits)
        ran += self.machine.icount - before
        return stop

    timeline.goto(end)
    monkeypatch.setattr(Replayer, "advance", counted)
    assert timeline.reverse_run(wanted, never).reason is StopReason.HISTORY_START
    assert ran == 0
    timeline.goto(timeline.start)
    ran = 0
    timeline.close()
    assert timeline.run(wanted, never).reason is StopReason.HISTORY_END
    assert ran < end // 10


def test_what_was_found_of_a_condition_is_known_in_the_next_session(tmp_path: Path) -> None:
    path = tmp_path / "tank.rec"
    assert command("record", "-o", path, "--", "-kernel", TANK, "-serial", "null").returncode == 0
    with rdbg.open(str(path)) as run:
        run.goto("end")
        assert run.find("put_char", where="a0 == 0x7fffffff", backward=True) is None
        cleared = list(run.timeline._keeper.index.cleared.conditions())
    with rdbg.open(str(path)) as again:
        assert list(again.timeline._keeper.index.cleared.conditions()) == cleared
    (known,) = cleared
    assert known.stretches[0][0] == 0


def _hot(timeline: Timeline) -> int:
    """Where code runs all the time."""
    here, seen = timeline.position, Counter[int]()
    for back in range(200):
        timeline.goto(here - 1000 + back)
        seen[timeline.machine.pc] += 1
    timeline.goto(here)
    return seen.most_common(1)[0][0]
