"""Devices take longer in some runs: a guest that does not wait for one is found out."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from rdbg.chaos.keep import keep
from rdbg.chaos.plan import Plan
from rdbg.chaos.policy import FixedPolicy
from rdbg.chaos.runner import Finished
from rdbg.chaos.shrink import Shrinker, delays_of, holds_of, scripted_inputs
from rdbg.chaos.where import end_of_hold, find_interruption
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.machine_api import RunRequest
from rdbg.emu.spec import Image, MachineSpec
from rdbg.journal.records import INPUT_KINDS, event_of
from rdbg.recording.dump import write_dump
from tests.chaos.guests import Nothing, run_plain, run_seed
from tests.chaos.test_runs import replayed_digest
from tests.emu.guests import LOOP, NOP, WAIT, addiu, i_type, lui, lw, mtc0, sw

#: A sample takes 2 us, of which STATUS tells, and interrupts; the guest ends by EXIT.
BOARD = """
name = "sampler"
endian = "little"
[[ram]]
base = 0
size = "1M"
[[rom]]
base = 0x1fc0_0000
size = "64K"
[exit]
base = 0x1f00_1000
"""
SAMPLER = """
[[registers]]
name = "adc"
base = 0x1f00_0000
irq = 3
[[registers.register]]
offset = 0
name = "STATUS"
write_one_to_clear = 1
interrupt = 1
[[registers.register]]
offset = 4
name = "COMMAND"
on_store = [{when = 1, register = "STATUS", set = 1, after_ns = 2000}]
"""
#: A second sampler. Both have their samples at one time if the second is asked 8 instructions later.
SECOND_SAMPLER = (
    SAMPLER.replace("adc", "other").replace("1f00_0000", "1f00_2000").replace("irq = 3", "irq = 4")
    .replace("after_ns = 2000", "after_ns = 1936")
)  # fmt: skip
T0, T1, T2, T3 = 8, 9, 10, 11
BEGIN = [lui(T0, 0xBF00), addiu(T1, 0, 1), sw(T1, 4, T0)]
#: Counts for 400 instructions, and ends with 0 if the sample is there.
HASTY = [*BEGIN, addiu(T2, 0, 200), i_type(5, T2, 0, -1), addiu(T2, T2, -1), lw(T3, 0, T0), NOP,
         i_type(0x0E, T3, T3, 1), sw(T3, 0x1000, T0), LOOP, NOP]  # fmt: skip
#: Waits for its interrupt, three times, and ends with 0. (Status.BEV is set: the handler is part of the ROM.)
WAITING = [addiu(T3, 0, 3), *BEGIN, lui(T2, 0x0040), i_type(0x0D, T2, T2, 0x2001), mtc0(T2, 12), WAIT,
           sw(T1, 4, T0), addiu(T3, T3, -1), i_type(7, T3, 0, -4), NOP, sw(0, 0x1000, T0), LOOP, NOP]  # fmt: skip
ACKNOWLEDGE = [sw(T1, 0, T0), 0x42000018]
HANDLER_OFFSET = 0x380


def guest(code: list[int], *fail_on: str, samplers: str = SAMPLER, handler: list[int] = ACKNOWLEDGE) -> Plan:
    words = [*code, *[NOP] * (HANDLER_OFFSET // 4 - len(code)), *handler]
    images = (
        Image("board", "sampler.toml", (BOARD + samplers).encode()),
        Image("bios", "code", b"".join(word.to_bytes(4, "little") for word in words)),
    )
    return Plan(MachineSpec("bare", "24Kf", False, 1 << 20, 3, images, sleep=False), None, fail_on)


def events(run: Finished) -> list[InputEvent]:
    return [event_of(record) for record in run.history.known.records() if record.kind in INPUT_KINDS]


def test_a_guest_that_does_not_wait_for_its_device_fails_when_that_is_late() -> None:
    plan = guest(HASTY, "exit")
    runner = plan.runner()
    assert run_plain(plan, runner).outcome.failed == ""
    run = next(run for seed in range(300) if (run := run_seed(plan, runner, seed)).outcome.failed)
    assert (run.outcome.failed, run.outcome.delayed) == ("exit", 1)
    assert replayed_digest(plan, run) == run.outcome.digest
    shrunk = Shrinker(runner, scripted_inputs(events(run))).shrink(holds_of(events(run)), delays_of(events(run)))
    assert (shrunk.holds, len(shrunk.delays), shrunk.cause) == ((), 1, None)
    assert shrunk.run.outcome.failed == "exit"
    # The guest looks behind 410 instructions, or some less; the sample is due after 250.
    assert 100 < shrunk.delays[0][1] < run_plain(plan, runner).outcome.end - shrunk.delays[0][0] + 64


def test_what_is_late_in_a_wait_replays_and_is_asked_about_once() -> None:
    plan = guest(WAITING, "exit")
    runner = plan.runner()
    kinds: set[InputKind] = set()
    for seed in range(40):
        run = run_seed(plan, runner, seed)
        assert run.outcome.what == "ended with code 0" and run.outcome.delayed <= 3
        assert replayed_digest(plan, run) == run.outcome.digest
        assert run.outcome.delayed == len(delays_of(events(run)))
        kinds |= {event.kind for event in events(run)}
    assert kinds == {InputKind.WAKE, InputKind.DELAY, InputKind.HOLD}


SECOND = [*[NOP] * 7, sw(T1, 0x2004, T0)]
BOTH_DONE = [sw(T1, 0, T0), sw(T1, 0x2000, T0), 0x42000018]


@pytest.mark.parametrize("waits", [False, True])
def test_all_that_is_due_at_one_place_is_moved_there(waits: bool) -> None:
    """Two devices are done with their work together, and ask for interrupts then."""

    class Late(Nothing):
        def hold(self, icount: int) -> int:
            return 50

        def delay(self, icount: int, timer: int) -> int:
            return 300

    ready = [lui(T2, 0x0040), i_type(0x0D, T2, T2, 0x6001), mtc0(T2, 12)]
    passing = [WAIT] if waits else [addiu(T2, 0, 400), i_type(5, T2, 0, -1), addiu(T2, T2, -1)]
    code = [*BEGIN, *SECOND, *ready, *passing, sw(0, 0x1000, T0), LOOP, NOP]
    plan = guest(code, "exit", samplers=SAMPLER + SECOND_SAMPLER, handler=BOTH_DONE)
    run = plan.runner().run(Late())
    assert run is not None and run.outcome.what == "ended with code 0"
    moved = [event for event in events(run) if event.kind is not InputKind.WAKE]
    assert [event.kind for event in moved] == [InputKind.DELAY, InputKind.DELAY, InputKind.HOLD]
    assert moved[0].icount == moved[1].icount and moved[0].port != moved[1].port
    assert (moved[1].icount == moved[2].icount) == waits  # in a wait nothing is counted
    assert (run.outcome.delayed, run.outcome.held) == (2, 1)
    assert replayed_digest(plan, run) == run.outcome.digest
    shrunk = Shrinker(plan.runner(), scripted_inputs(events(run)))
    assert shrunk._run(FixedPolicy(holds_of(events(run)), delays_of(events(run)))).outcome == run.outcome


@pytest.mark.parametrize(("hold", "delay"), [(0, 300), (300, 0), (1, 1)])
def test_what_is_late_where_a_wait_begins_replays(hold: int, delay: int) -> None:
    """The wait begins before the sample is due, right there, and behind."""

    class Late(Nothing):
        def hold(self, icount: int) -> int:
            return hold

        def delay(self, icount: int, timer: int) -> int:
            return delay

    counting = [addiu(T2, 0, 100), i_type(5, T2, 0, -1), addiu(T2, T2, -1)]
    begins: set[bool] = set()
    for more in range(42, 46):
        plan = guest([*WAITING[:7], *counting, *[NOP] * more, WAIT, sw(0, 0x1000, T0), LOOP, NOP], "exit")
        run = plan.runner().run(Late())
        assert run is not None and run.outcome.what == "ended with code 0"
        assert replayed_digest(plan, run) == run.outcome.digest
        begins.add(events(run)[0].kind is InputKind.WAKE)
    assert begins == {True, False}


def test_an_interrupt_that_was_held_in_a_wait_is_found_there() -> None:
    plan = guest(WAITING, "exit")
    runner = plan.runner()
    policy = FixedPolicy(((15, 246),))
    run = runner.run(policy)
    assert run is not None and (InputKind.HOLD, 15) in {(event.kind, event.icount) for event in events(run)}
    assert end_of_hold(runner, policy, (), 15, 246) == 15
    found = find_interruption(runner, policy, (), 15)
    assert found is not None and (found.icount, found.pc, found.waits) == (15, 0xBFC00020, False)


@pytest.mark.parametrize("length", [1, 100, 5000])
def test_work_is_done_so_much_later(length: int) -> None:
    plan = guest(HASTY, "exit")
    runner = plan.runner()
    place = runner.open(FixedPolicy(()))
    place.run_to(150)
    machine = runner.guest.machine
    (timer,) = [timer for timer in machine.system.timers.by_name.values() if timer.work]
    due_ns = timer.deadline_ns
    assert due_ns is not None
    due = -(-due_ns // 16) * 2  # not in a slot
    run = runner.run(FixedPolicy((), ((due, length, list(machine.system.timers.by_name.values()).index(timer)),)))
    assert run is not None and [(event.icount, event.kind, event.value) for event in events(run)] == [
        (due, InputKind.DELAY, length)
    ]
    assert (run.outcome.failed == "exit") == (length > 150)


def test_what_is_late_has_a_name_that_the_user_knows(tmp_path: Path) -> None:
    plan = guest(HASTY, "exit")
    runner = plan.runner()
    run = next(run for seed in range(300) if (run := run_seed(plan, runner, seed)).outcome.delayed)
    path = str(tmp_path / "kept")
    keep(runner, run, path, ("rdbg", "chaos"))
    out = io.StringIO()
    assert write_dump(path, out)
    ((_, length, _),) = delays_of(events(run))
    late = [line for line in out.getvalue().splitlines() if "  delay  " in line]
    assert [line.split(maxsplit=3)[3] for line in late] == [
        f"what a store to COMMAND of adc does to STATUS takes {length} instructions' time longer"
    ]


def test_a_timer_that_is_no_work_or_is_not_there_is_not_delayed() -> None:
    plan = guest(HASTY, "exit")
    machine = plan.runner().guest.machine
    before = machine.digest()
    for number in (0, 5, 1 << 20):
        machine.apply(InputEvent(0, InputKind.DELAY, number, 1 << 60))
    assert machine.digest() == before


def test_work_that_is_delayed_for_ever_ends_in_an_hour() -> None:
    machine = guest(HASTY, "exit").runner().guest.machine
    machine.run(RunRequest(until=150))
    (number,) = [number for number, timer in enumerate(machine.system.timers.by_name.values()) if timer.work]
    for _ in range(5):
        machine.apply(InputEvent(0, InputKind.DELAY, number, (1 << 64) - 1))
    deadline_ns = list(machine.system.timers.by_name.values())[number].deadline_ns
    assert deadline_ns == machine.now_ns + 3_600 * 10**9
    machine.load_state(machine.save_state())


def test_input_behind_a_hold_in_a_wait_comes_when_it_came() -> None:
    recorded = [
        InputEvent(5, InputKind.WAKE, value=1000),
        InputEvent(5, InputKind.HOLD, value=7),
        InputEvent(9, InputKind.SERIAL, data=b"a"),
        InputEvent(20, InputKind.WAKE, value=9000),
        InputEvent(20, InputKind.SERIAL, data=b"b"),
    ]
    assert [(item.icount, item.wake_ns) for item in scripted_inputs(recorded)] == [(9, None), (20, 9000)]
