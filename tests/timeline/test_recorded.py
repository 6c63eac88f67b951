"""A timeline on a recording: the first passage verifies and prints, snapshots persist, the end is the end."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path

import pytest

from rdbg.emu.endpoint import serial_port
from rdbg.emu.expression import Operation, Step
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import Access, Watch
from rdbg.errors import RdbgError
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.navigation.pace import Pace
from rdbg.navigation.stops import StopConditions, StopReason
from rdbg.navigation.writes import Order
from rdbg.recording.recording import NewRecording, OpenRecording
from rdbg.timeline import Timeline
from tests.timeline.test_digest_property import busy_spec

LENGTH = 200_000
NEVER = (Step(Operation.CONSTANT, 0), Step(Operation.END))
PACE = Pace(slice=5_000, spacing=20_000, digest_instructions=30_000)


class Replay:
    """A recording opened anew."""

    def __init__(self, path: Path, initial: str = "") -> None:
        self.opened = OpenRecording(str(path))
        self.machine = Machine(self.opened.spec())
        self.history = History.replay(self.opened.reader)
        self.output = bytearray()
        self.timeline = Timeline(
            self.machine, self.history, store=self.opened.store, initial_snapshot=initial, pace=PACE
        )
        self.timeline.output.lead_to(lambda icount, endpoint, data: self.output.extend(data))

    def run(self) -> StopReason:
        return self.timeline.run(StopConditions(), lambda: False).reason


def record(path: Path, initial: str = "") -> tuple[bytes, bytes]:
    """Record a run with typed bytes and a write of the debugger; gives its output and its last digest."""
    recording = NewRecording(str(path), busy_spec(), initial_snapshot=initial)
    machine = Machine(busy_spec())
    queue = LiveQueue(machine.input_room)
    history = History.recording(recording.writer, queue)
    timeline = Timeline(machine, history, store=recording.store, initial_snapshot=initial, pace=PACE, sleep=False)
    recording.publish()
    timeline.store.use(recording.store)
    output = bytearray()
    timeline.output.lead_to(lambda icount, endpoint, data: output.extend(data))
    for part in range(4):
        queue.send(serial_port(0), b"typed")
        timeline.run(StopConditions(), lambda goal=(part + 1) * LENGTH // 4: timeline.position >= goal)  # type: ignore[misc]
        timeline.live_end.write_memory(0x80300100, b"poked")
        timeline.live_end.write_register(17, part)
        timeline.reverse_step()
    timeline.snapshots.save("recorded")
    timeline.goto(timeline.end)
    timeline.close()
    recording.store.close()
    return bytes(output), machine.digest()


@pytest.mark.parametrize("initial", ["", "start"])
def test_replay_gives_the_same_bytes_and_state(tmp_path: Path, initial: str) -> None:
    output, digest = record(tmp_path / "rec", initial)
    for _ in range(2):
        replay = Replay(tmp_path / "rec", initial)
        assert replay.history.known.next_digest(0) is not None
        assert replay.run() is StopReason.HISTORY_END
        assert replay.machine.digest() == digest and bytes(replay.output) == output
        assert replay.timeline.goto(0).reason is StopReason.STEP
        assert replay.run() is StopReason.HISTORY_END
        assert replay.machine.digest() == digest and bytes(replay.output) == output  # not printed twice
        replay.opened.close()


@pytest.mark.parametrize("leap", [True, False])
def test_history_is_leapt_over_only_if_allowed(tmp_path: Path, leap: bool) -> None:
    record(tmp_path / "rec")
    replay = Replay(tmp_path / "rec")
    replay.run()  # now the index knows it all, and all of the output has been seen
    replay.timeline.goto(0)
    passed = [0]
    replay.timeline.run(StopConditions(), lambda: bool(passed.append(replay.timeline.position)), leap)
    steps = [after - before for before, after in itertools.pairwise([*passed, replay.timeline.end])]
    assert (max(steps) > LENGTH // 2) is leap
    replay.opened.close()


def test_jumps_and_searches_show_no_output(tmp_path: Path) -> None:
    output, _ = record(tmp_path / "rec")
    replay = Replay(tmp_path / "rec")
    replay.timeline.goto(replay.timeline.end)
    stops = StopConditions(watches=(Watch(0x80300100, 5, Access.WRITE),))
    while replay.timeline.reverse_run(stops, lambda: False).reason is StopReason.WATCHPOINT:
        replay.timeline.reverse_step()  # it stands behind the access
    replay.timeline.goto(LENGTH // 2)
    assert not replay.output
    replay.run()
    seen = bytes(replay.output)
    assert seen and output.endswith(seen) and len(seen) < len(output)
    replay.timeline.goto(0)
    replay.run()
    assert len(replay.output) == len(output)  # the first half now, and the second not again
    assert bytes(replay.output) == seen + output[: len(output) - len(seen)]
    replay.opened.close()


def test_a_snapshot_of_a_replay_is_found_by_the_next(tmp_path: Path) -> None:
    record(tmp_path / "rec")
    first = Replay(tmp_path / "rec")
    first.timeline.goto(77_777)
    kept, pc = first.machine.digest(), first.machine.pc
    first.timeline.snapshots.save("here")
    first.opened.close()
    second = Replay(tmp_path / "rec")
    assert [snapshot.name for snapshot in second.timeline.snapshots.here()] == ["here", "recorded"]
    stop = second.timeline.snapshots.load("here")
    assert (second.machine.digest(), stop.pc) == (kept, pc)
    second.timeline.step()
    second.timeline.reverse_step()
    assert second.machine.digest() == kept
    second.timeline.snapshots.delete("here")
    with pytest.raises(RdbgError, match="no snapshot 'here'"):
        second.timeline.snapshots.load("here")
    assert second.run() is StopReason.HISTORY_END
    second.opened.close()


def test_a_lost_initial_snapshot_is_an_error_in_qemus_words(tmp_path: Path) -> None:
    record(tmp_path / "rec")
    with pytest.raises(RdbgError, match="Could not load snapshot for icount replay"):
        Replay(tmp_path / "rec", "start")


def test_divergence_is_found_between_two_icounts(tmp_path: Path) -> None:
    record(tmp_path / "rec")
    replay = Replay(tmp_path / "rec")
    replay.timeline.goto(100_000)
    replay.machine.write_register(18, 123456)  # behind the timeline's back
    with pytest.raises(RdbgError, match="diverged from the recording between icount [0-9]+ and icount [0-9]+"):
        replay.run()
    replay.opened.close()


def test_a_finished_recording_cannot_be_written(tmp_path: Path) -> None:
    record(tmp_path / "rec")
    replay = Replay(tmp_path / "rec")
    with pytest.raises(RdbgError, match="finished"):
        replay.timeline.live_end.write_register(2, 1)
    replay.run()
    assert replay.timeline.step().reason is StopReason.HISTORY_END
    assert replay.timeline.goto(10**12).reason is StopReason.HISTORY_END
    assert replay.timeline.goto(-1).reason is StopReason.HISTORY_START
    assert replay.timeline.reverse_step().reason is StopReason.HISTORY_START
    replay.opened.close()


def live_timeline() -> Timeline:
    machine = Machine(busy_spec())
    timeline = Timeline(machine, History.live_run(LiveQueue(machine.input_room)), pace=PACE, sleep=False)
    timeline.run(StopConditions(), lambda: timeline.position >= LENGTH)
    return timeline


def test_the_live_end_can_be_written_and_the_past_cannot() -> None:
    timeline = live_timeline()
    end = timeline.position
    timeline.live_end.write_register(2, 99)
    assert timeline.machine.read_register(2) == 99
    timeline.reverse_step()
    with pytest.raises(RdbgError, match=f"live end is at icount {end}"):
        timeline.live_end.write_memory(0x80300000, b"no")
    timeline.goto(0)
    timeline.goto(end)
    assert timeline.machine.read_register(2) == 99
    with pytest.raises(RdbgError, match="not mapped"):
        timeline.live_end.write_memory(0xC0000000, b"no")


def test_a_snapshot_before_a_write_shows_what_was_before() -> None:
    timeline = live_timeline()
    before = timeline.machine.read_register(2)
    timeline.snapshots.save("before")
    timeline.live_end.write_register(2, before ^ 1)
    timeline.step()
    timeline.snapshots.load("before")
    assert timeline.machine.read_register(2) == before
    timeline.goto(timeline.end)
    timeline.reverse_step()
    assert timeline.machine.read_register(2) == before ^ 1


def test_interrupting_a_search_leads_back_to_where_it_began() -> None:
    timeline = live_timeline()
    digest, origin = timeline.machine.digest(), timeline.position
    watch = Watch(0x80002000, 4, Access.READ)
    timeline.reverse_step()
    timeline.goto(origin)
    for patience in range(6):
        asked = iter([False] * patience)
        stop = timeline.reverse_run(
            StopConditions(frozenset({0x80100000}), (watch,), {0x80100000: (NEVER,)}),
            lambda asked=asked: next(asked, True),
        )
        if stop.reason is StopReason.INTERRUPTED:
            assert (timeline.position, timeline.machine.digest()) == (origin, digest)
        timeline.goto(origin)


def test_who_wrote_this_last() -> None:
    timeline = live_timeline()
    machine = timeline.machine
    origin, counter = timeline.position, 0x80002000
    here: Order | None = None
    value_before, place = b"", origin
    for _ in range(5):
        value = machine.read_memory(counter, 4) if here is None else value_before
        (found,) = timeline.past.last_writes(counter, 4, before=here)
        write = found.write
        assert write.new == value and timeline.position == origin and write.after <= place
        value_before, here, place = write.old, found.order, write.before
        assert int.from_bytes(write.new, "little") == int.from_bytes(write.old, "little") + 1
    assert len({write.write.before for write in timeline.past.last_writes(counter, 4, 5)}) == 5
    assert timeline.past.last_writes(counter, 4, 5)[4].order == here
    assert timeline.past.last_writes(0x80001F00, 4) == []
    last = timeline.past.last_executed(0x80000180)
    assert last is not None and last < origin


def test_the_history_of_a_live_run_is_replayed_when_the_machine_is_new() -> None:
    timeline = live_timeline()
    digest, end = timeline.machine.digest(), timeline.position
    history = copy.copy(timeline.history)
    machine = Machine(busy_spec())
    again = Timeline(machine, history, pace=PACE)
    again.goto(end)
    assert machine.digest() == digest


def test_what_was_written_before_the_first_instruction_is_there_at_once(tmp_path: Path) -> None:
    """Also where nothing else was recorded."""
    for instructions in (0, 1000):
        recording = NewRecording(str(tmp_path / "rec"), busy_spec(), initial_snapshot="start")
        machine = Machine(busy_spec())
        history = History.recording(recording.writer, LiveQueue(machine.input_room))
        live = Timeline(machine, history, store=recording.store, initial_snapshot="start", pace=PACE, sleep=False)
        recording.publish()
        live.store.use(recording.store)
        live.live_end.write_memory(0x80300100, b"poked")
        start = machine.digest()
        if instructions:
            live.run(StopConditions(), lambda live=live: live.position >= 1000)  # type: ignore[misc]
        live.close()
        recording.store.close()
        replay = Replay(tmp_path / "rec", "start")
        assert replay.machine.read_memory(0x80300100, 5) == b"poked"
        assert replay.machine.digest() == start
        replay.run()
        assert replay.machine.digest() == machine.digest()
        replay.timeline.goto(0)
        assert replay.machine.digest() == start
        replay.opened.close()
