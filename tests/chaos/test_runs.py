"""A run with moved interrupts follows from its seed, and is a recording like any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rdbg.chaos.keep import FAILURE, keep
from rdbg.chaos.plan import Plan, StartPlace
from rdbg.chaos.runner import Finished
from rdbg.chaos.script import Scripted
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest
from rdbg.emu.spec import Image, MachineSpec
from rdbg.history.history import History
from rdbg.history.log import MemoryLog
from rdbg.recording.recording import OpenRecording
from rdbg.timeline import StopConditions, StopReason, Timeline
from tests.chaos.guests import LINE, plan, run_plain, run_seed
from tests.emu.guests import ERET, LOOP, NOP, WAIT, addiu, beq, i_type, lui, mfc0, mtc0

GUESTS = [
    plan("lost_update", "output:LOST [1-9]"),
    plan("rare_update", "output:LOST [1-9]"),
    plan("missed_wakeup", "watch:missed>0"),
    plan("missed_wakeup", "output:MISSED [1-9]"),
    plan("uart_queue", "output:STUCK [1-9]", text=LINE),
]
IDS = ["lost", "rare", "missed-watch", "missed", "queue"]


@pytest.mark.parametrize("guest", GUESTS, ids=IDS)
def test_a_seed_gives_the_same_run_whatever_ran_before(guest: Plan) -> None:
    seeds = range(6)
    one, other = guest.runner(), guest.runner()
    first = {seed: run_seed(guest, one, seed) for seed in seeds}
    again = {seed: run_seed(guest, other, seed) for seed in reversed(seeds)}
    for seed in seeds:
        assert first[seed].outcome == again[seed].outcome
        assert first[seed].history.known.records() == again[seed].history.known.records()


def test_seeds_differ() -> None:
    guest = GUESTS[0]
    runner = guest.runner()
    assert len({run_seed(guest, runner, seed).outcome.digest for seed in range(8)}) == 8


@pytest.mark.parametrize("guest", GUESTS, ids=IDS)
def test_every_run_replays_to_the_same_state(guest: Plan) -> None:
    """Without any part of chaos: another machine, with what stands in the history."""
    runner = guest.runner()
    held = 0
    for seed in range(12):
        run = run_seed(guest, runner, seed)
        held += run.outcome.held
        assert replayed_digest(guest, run) == run.outcome.digest
    assert held


def test_the_runs_of_guests_that_wait_are_held_in_the_wait_too() -> None:
    guest = plan("missed_wakeup", "output:never")
    runner = guest.runner()
    kinds = [
        {record.kind for record in run_seed(guest, runner, seed).history.known.records()} for seed in range(20)
    ]  # fmt: skip
    assert any({InputKind.HOLD, InputKind.WAKE} <= found for found in kinds)


def test_a_watch_changes_nothing() -> None:
    watched, plain = plan("missed_wakeup", "watch:missed>99"), plan("missed_wakeup", "exit")
    with_watch, without = watched.runner(), plain.runner()
    for seed in range(12):
        assert run_seed(watched, with_watch, seed).outcome == run_seed(plain, without, seed).outcome


def test_a_kept_run_is_a_recording(tmp_path: Path) -> None:
    guest = plan("missed_wakeup", "watch:missed>0")
    runner = guest.runner()
    run = next(run for seed in range(40) if (run := run_seed(guest, runner, seed)).outcome.failed)
    path = str(tmp_path / "kept")
    keep(runner, run, path, guest.command_of(1))
    recording = OpenRecording(path)
    assert recording.store is not None and recording.store.notes.bookmarks() == {FAILURE: run.outcome.position}
    assert recording.header.command_line == guest.command_of(1)
    machine = Machine(recording.spec())
    timeline = Timeline(
        machine,
        History.replay(recording.reader),
        store=recording.store,
        initial_snapshot=recording.header.initial_snapshot,
    )
    assert timeline.run(StopConditions(), lambda: False).reason is StopReason.HISTORY_END
    assert timeline.agreement.compared == 1 and machine.icount == run.outcome.end
    assert machine.digest() == run.outcome.digest
    recording.close()


def test_what_is_kept_twice_is_the_same(tmp_path: Path) -> None:
    guest = plan("rare_update", "output:LOST")
    runner = guest.runner()
    run = next(run for seed in range(40) if (run := run_seed(guest, runner, seed)).outcome.failed)
    for _ in range(2):
        keep(runner, run, str(tmp_path / "kept"), ())
        assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "kept.snapshots"]


@pytest.mark.parametrize("place", ["", "init", "50%"])
def test_runs_start_from_a_place_of_a_recording(tmp_path: Path, place: str) -> None:
    guest = plan("lost_update", "output:LOST")
    runner = guest.runner()
    run = run_plain(guest, runner)
    path = str(tmp_path / "whole")
    keep(runner, run, path, ())
    later = Plan(guest.spec, StartPlace(path, place), guest.fail_on)
    starting = later.runner()
    start = starting.guest.start
    assert start == {"50%": run.outcome.end // 2}.get(place, 0) or abs(start * 2 - run.outcome.end) < 4
    # Nothing is moved: it goes on as it was.
    assert run_plain(later, starting).outcome.digest == run.outcome.digest
    moved = run_seed(later, starting, 3)
    keep(starting, moved, str(tmp_path / "moved"), ())
    recording = OpenRecording(str(tmp_path / "moved"))
    assert recording.header.start == start
    recording.close()


def replayed_digest(guest: Plan, run: Finished) -> bytes:
    log = MemoryLog()
    for record in run.history.known.records():
        log.append(record)
    machine = Machine(guest.spec)
    machine.inputs = History(log, 0, run.outcome.end, None, None, run.ending, None)
    while machine.icount < run.outcome.end:
        before = machine.icount
        machine.run(RunRequest(until=run.outcome.end))
        assert machine.icount > before
    machine.run(RunRequest(until=run.outcome.end))
    return machine.digest()


def test_what_is_typed_comes_when_it_is_due_also_after_a_wait_that_input_has_ended() -> None:
    to_handler = 0x380 // 4
    code = [
        mfc0(8, 9), addiu(8, 8, 2000), mtc0(8, 11), lui(9, 0x0040),
        NOP,  # where the board puts its revision
        i_type(0x0D, 9, 9, 0x8001), mtc0(9, 12), NOP, WAIT, LOOP, NOP,
    ]  # fmt: skip
    words = [*code, *[NOP] * (to_handler - len(code)), mtc0(0, 11), ERET]
    image = Image("bios", "code", b"".join(word.to_bytes(4, "little") for word in words))
    guest = Plan(MachineSpec("malta", "24Kf", False, 16 << 20, 3, (image,), sleep=False), None, ("hang:0.001",))
    probe = Machine(guest.spec)
    waits = probe.run(RunRequest(wait_idle=True))
    assert waits.idle_ns is not None
    script = (  # the timer ends the wait just then
        Scripted(10, InputEvent(0, InputKind.SERIAL_BREAK, port=1), wake_ns=probe.now_ns + waits.idle_ns),
        Scripted(5001, InputEvent(0, InputKind.SERIAL, port=0, data=b"b")),
    )
    run = run_plain(guest, guest.runner(), script)
    kinds = {record.kind: record.icount for record in run.history.known.records()}
    assert kinds[InputKind.WAKE] == kinds[InputKind.SERIAL_BREAK] < 20
    assert kinds[InputKind.SERIAL] in (5000, 5001)
    assert replayed_digest(guest, run) == run.outcome.digest


def test_what_is_typed_enters_between_any_two_instructions() -> None:
    straight = 100
    code = [addiu(9, 9, 1)] * straight + [beq(0, 0, -straight - 1), NOP]
    image = Image("bios", "code", b"".join(word.to_bytes(4, "little") for word in code))
    spec = MachineSpec("malta", "24Kf", False, 16 << 20, 3, (image,), sleep=False)
    guest = replace(Plan(spec, None, ("hang:0.001",)), text=b"s")
    runner = guest.runner()
    places = set()
    for seed in range(30):
        run = run_seed(guest, runner, seed)
        assert replayed_digest(guest, run) == run.outcome.digest
        places |= {
            record.icount % len(code) for record in run.history.known.records() if record.kind == InputKind.SERIAL
        }
    assert len(places) > 15
