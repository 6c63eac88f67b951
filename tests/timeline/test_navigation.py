"""Navigation on the toy machine, against an oracle that wrote everything down."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rdbg.emu.endpoint import Endpoint, serial_port
from rdbg.emu.expression import Expression, Operation, Step
from rdbg.emu.machine_api import Access, Watch
from rdbg.errors import RdbgError
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.navigation.pace import Pace
from rdbg.navigation.stops import StopConditions, StopReason
from rdbg.timeline import Timeline
from tests.timeline.oracle import Oracle
from tests.timeline.toy import Op, Toy
from tests.timeline.toy64 import Toy64

SIZE = 1100  # instructions: two code pages

_plain = st.one_of(
    st.builds(Op, st.just("add"), st.integers(0, 3), st.integers(0, 50_000)),
    st.builds(Op, st.sampled_from(["load", "store", "store"]), st.integers(0, 3), st.integers(0, 500_000)),
    st.builds(Op, st.just("out"), st.integers(0, 3), st.integers(0, 3)),
)


@st.composite
def programs(draw: Any) -> list[Op]:
    """A small body of instructions, spread over two pages by filler that is jumped over."""
    body: list[Op] = []
    for _ in range(draw(st.integers(3, 12))):
        body.append(draw(_plain))
        if draw(st.integers(0, 2)) == 0:
            target = draw(st.integers(0, 30))
            body += [Op("branch", draw(st.integers(0, 3)), target), draw(_plain)]
    filler = [Op("add", i, i * 7) for i in range(40)]
    far = [Op("store", 1, 77), Op("add", 2, 5), Op("branch", 2, 0), Op("add", 0, 1)]
    near = body + filler[: 60 - len(body)]
    if draw(st.booleans()):
        near[25:25] = [Op("wait")]
    jump = [Op("branch", 3, SIZE - 20), Op("add", 3, 1)]
    program = near + jump + filler * 30
    return Program(program[: SIZE - 20] + far + [Op("add", 1, 3)] * 10)


class Program(list[Op]):
    """A list of instructions that does not fill the screen when a test fails."""

    def __repr__(self) -> str:
        return f"Program({super().__repr__()[:1500]}...)"


class Run:
    """A live run on a toy, with bytes typed on the way, and its oracle."""

    def __init__(self, kind: type[Toy], data: st.DataObject, program: list[Op], length: int) -> None:
        self.kind = kind
        self.data = data
        self.program = program
        self.random = random.Random(data.draw(st.integers(0, 2**32)))
        self.seed = data.draw(st.integers(0, 255))
        self.machine = kind(program, ambiguous=data.draw(st.sampled_from([0, 8, 12])), seed=self.seed)
        self.queue = LiveQueue(lambda port: 16)
        self.history = History.live_run(self.queue)
        pace = Pace(
            slice=data.draw(st.integers(5, 60)),
            spacing=data.draw(st.integers(10, 400)),
            rung=data.draw(st.sampled_from([3, 20, 500])),
        )
        self.output = b""
        self.timeline = Timeline(
            self.machine,
            self.history,
            checkpoint_memory=data.draw(st.sampled_from([0, 40_000, 400_000, 1 << 24])),
            max_checkpoints=data.draw(st.sampled_from([2, 5, 100])),
            pace=pace,
            wait=lambda seconds: self.queue.send(serial_port(1), b"wake"),
        )
        self.timeline.output.lead_to(self._sink)
        self.go_live(length)

    def _sink(self, icount: int, endpoint: Endpoint, data: bytes) -> None:
        self.output += data

    def go_live(self, length: int) -> None:
        goal = self.timeline.end + length

        def enough() -> bool:
            if self.random.random() < 0.05:
                self.queue.send(serial_port(self.random.randrange(4)), self.random.randbytes(self.random.randint(1, 4)))
            return self.timeline.position >= goal

        self.timeline.run(StopConditions(), enough)
        self.look()

    def look(self) -> None:
        """Write down what happened so far."""
        self.known = self.history._log.count
        history = copy.copy(self.history)
        history._outside = None
        self.oracle = Oracle(self.kind, self.program, self.seed, history, history.end)

    def check(self) -> None:
        if self.known != self.history._log.count:
            self.look()  # coming back to the live end, the idle machine took what waited outside
        moment = self.oracle.by_position[self.timeline.position]
        assert self.machine.pc == moment.pc
        assert tuple(self.machine.regs) == moment.regs
        assert self.machine.digest() == moment.digest

    def conditions(self) -> tuple[StopConditions, set[int] | None]:
        draw = self.data.draw
        seen = sorted({moment.pc for moment in self.oracle.moments})
        breakpoints = frozenset(draw(st.lists(st.sampled_from(seen), max_size=2)))
        accessed = [made for _, _, made in self.oracle.accesses if made]
        watches = []
        for _ in range(draw(st.integers(0, 2))):
            address = self.machine.data
            if accessed:
                address = draw(st.sampled_from(accessed))[0][0] + draw(st.integers(-2, 2))
            watches.append(
                Watch(
                    address, draw(st.integers(1, 5)), draw(st.sampled_from([Access.READ, Access.WRITE, Access.ACCESS]))
                )
            )
        if draw(st.integers(0, 2)):
            return StopConditions(breakpoints, tuple(watches)), None
        modulus = draw(st.sampled_from([2, 5, 64]))
        passing = {m.position for m in self.oracle.moments if sum(m.regs) % modulus == 0}
        asked = StopConditions(breakpoints, tuple(watches), dict.fromkeys(breakpoints, (self.is_multiple(modulus),)))
        return asked, passing

    def registers(self) -> st.SearchStrategy[int]:
        """Numbers of the general registers."""
        return st.sampled_from([info.number for info in self.machine.architecture.registers[:4]])

    def is_multiple(self, modulus: int) -> Expression:
        """Whether the sum of the general registers is a multiple."""
        first, *others = (Step(Operation.REGISTER, info.number) for info in self.machine.architecture.registers[:4])
        sums = [step for other in others for step in (other, Step(Operation.ADD))]
        rest = (Step(Operation.CONSTANT, modulus), Step(Operation.REMAINDER_UNSIGNED))
        return (first, *sums, *rest, Step(Operation.IS_ZERO), Step(Operation.END))

    def act(self) -> None:
        draw, timeline = self.data.draw, self.timeline
        here = timeline.position
        action = draw(
            st.sampled_from(
                [
                    "goto",
                    "step",
                    "back",
                    "run",
                    "reverse",
                    "reverse",
                    "save",
                    "load",
                    "poke",
                    "live",
                    "break off",
                    "last",
                ]
            )
        )
        if action == "goto":
            goal = draw(st.integers(0, timeline.end))
            stop = timeline.goto(goal)
            assert stop.position == self.oracle.floor(goal) and stop.reason is StopReason.STEP
        elif action == "step" and here < timeline.end:
            conditions, passing = self.conditions()
            expected = self.oracle.here(here, conditions, passing)
            stop = timeline.step(conditions)
            following = min(p for p in self.oracle.positions if p > here)
            assert (stop.reason, stop.position) == ((expected, here) if expected else (StopReason.STEP, following))
        elif action == "back":
            for _ in range(draw(st.integers(1, 12))):
                here = timeline.position
                conditions, _ = self.conditions()
                stop = timeline.reverse_step(conditions=conditions)
                if self.oracle.accessed_before(here, conditions):
                    assert (stop.reason, stop.position) == (StopReason.WATCHPOINT, here)
                elif here == 0:
                    assert stop.reason is StopReason.HISTORY_START
                else:
                    assert stop.position == self.oracle.floor(here - 1) and stop.reason is StopReason.STEP
                self.check()
        elif action == "run":
            conditions, passing = self.conditions()
            expected = self.oracle.run(here, conditions, passing)
            if expected is not None:
                stop = timeline.run(conditions, lambda: False)
                assert (stop.reason, stop.position) == expected
        elif action == "reverse":
            conditions, passing = self.conditions()
            stop = timeline.reverse_run(conditions, lambda: False)
            assert (stop.reason, stop.position) == self.oracle.reverse_run(here, conditions, passing)
        elif action == "break off":
            conditions, _ = self.conditions()
            stop = timeline.reverse_run(conditions, lambda: True)
            assert stop.reason is not StopReason.INTERRUPTED or stop.position == here
        elif action == "save":
            timeline.snapshots.save(draw(st.sampled_from("ab")))
        elif action == "load":
            for snapshot in timeline.snapshots.here()[:1]:
                stop = timeline.snapshots.load(snapshot.name)
                assert stop.position == snapshot.position
                if snapshot.entered != self.history.entered_at(snapshot.position):
                    timeline.goto(snapshot.position)
        elif action == "poke":
            if timeline.at_live_end:
                timeline.live_end.write_memory(self.machine.data + draw(st.integers(0, 500_000)), b"poke")
                timeline.live_end.write_register(draw(self.registers()), draw(st.integers(0, 99)))
                self.look()
            else:
                with pytest.raises(RdbgError):
                    timeline.live_end.write_register(draw(self.registers()), 1)
        elif action == "live":
            self.go_live(draw(st.integers(0, 300)))
        elif action == "last":
            made = [entry for _, _, entries in self.oracle.accesses for entry in entries if entry[2] is Access.WRITE]
            if made:
                watch = Watch(draw(st.sampled_from(made))[0], 4, Access.WRITE)
                expected = self.oracle.reverse_run(here, StopConditions(watches=(watch,)), None)
                found = next(iter(timeline.past.last_writes(watch.address, 4)), None)
                assert (found is None) == (expected[0] is StopReason.HISTORY_START)
                if found is not None:
                    assert found.write.after == expected[1]
                    assert found.write.pc == self.oracle.by_position[found.write.before].pc
                assert timeline.position == here
        self.check()


@pytest.mark.parametrize("kind", [Toy, Toy64])
@settings(
    max_examples=25, phases=(Phase.explicit, Phase.generate), deadline=None, suppress_health_check=list(HealthCheck)
)
@given(st.data())
def test_any_navigation_agrees_with_what_happened(kind: type[Toy], data: st.DataObject) -> None:
    run = Run(kind, data, data.draw(programs()), data.draw(st.integers(50, 3000)))
    run.check()
    for _ in range(data.draw(st.integers(5, 25))):
        run.act()
    run.timeline.goto(run.timeline.end)
    run.check()
    assert run.output == run.oracle.output
