"""What one session leaves for the next: states on the way, the end, the index. None of it changes any state."""

from __future__ import annotations

import copy
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgpack
import pytest

from rdbg.emu.endpoint import serial_port
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import Access, Watch
from rdbg.errors import RdbgError
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.navigation.pace import Pace
from rdbg.navigation.stops import StopConditions, StopReason
from rdbg.recording.recording import NewRecording, OpenRecording, store_path
from rdbg.store.snapshot_store import SnapshotStore
from rdbg.timeline import Timeline
from tests.forgery import change_store, packed, unpacked
from tests.timeline.test_digest_property import Lived, busy_spec, forward, visit

LENGTH = 300_000
RECORDING = Pace(slice=2_000, spacing=10_000, digest_instructions=20_000, snapshot_spacing=15_000)
COUNTER = 0x80002000


def record(path: Path, initial: str = "init", budget: int = 64 << 20) -> None:
    """Record a busy guest with bytes that come at random."""
    recording = NewRecording(str(path), busy_spec(), initial_snapshot=initial)
    machine = Machine(busy_spec())
    queue = LiveQueue(machine.input_room)
    timeline = Timeline(
        machine,
        History.recording(recording.writer, queue),
        store=recording.store,
        initial_snapshot=initial,
        pace=RECORDING,
        sleep=False,
        snapshot_budget=budget,
    )
    recording.publish()
    timeline.store.use(recording.store)
    dice = random.Random(7)

    def enough() -> bool:
        if dice.random() < 0.05:
            queue.send(serial_port(0), dice.randbytes(2))
        if timeline.store._periodic is not None:
            timeline.store._periodic.wait()  # the run is shorter than one snapshot takes
        return timeline.position >= LENGTH

    timeline.run(StopConditions(), enough)
    timeline.close()
    recording.store.close()


@dataclass
class Session:
    """A recording opened anew."""

    opened: OpenRecording
    timeline: Timeline
    output: bytearray

    def close(self) -> None:
        self.timeline.close()
        self.opened.close()


def reopen(path: Path, **settings: object) -> Session:
    opened = OpenRecording(str(path))
    machine, history = Machine(opened.spec()), History.replay(opened.reader)
    timeline = Timeline(
        machine,
        history,
        store=opened.store,
        initial_snapshot=opened.header.initial_snapshot,
        **settings,  # type: ignore[arg-type]
    )
    output = bytearray()
    timeline.output.lead_to(lambda icount, endpoint, data: output.extend(data))
    return Session(opened, timeline, output)


def periodic(path: Path) -> list[int]:
    store = SnapshotStore.open(store_path(str(path)))
    found = [info.icount for info in store.list() if info.periodic]
    store.close()
    return found


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "rec"
    record(path)
    return path


def test_the_end_is_reached_without_a_replay(recorded: Path) -> None:
    session = reopen(recorded, pace=RECORDING)  # spacing by instructions: a busy host would replay instead
    timeline = session.timeline
    assert len(periodic(recorded)) >= 5 and periodic(recorded)[-1] == timeline.end
    ran = timeline.machine.core.icount  # type: ignore[attr-defined]
    assert ran == timeline.start
    timeline._replayer._run = None  # type: ignore[assignment,method-assign]  # no instruction may run
    timeline.goto(timeline.end)
    assert timeline.position == timeline.end
    expected = timeline.history.known.expected_digests(timeline.end)
    assert expected is not None and timeline.machine.digest() == expected.state
    session.opened.close()


def test_a_search_right_after_opening_uses_the_index(recorded: Path) -> None:
    session = reopen(recorded)
    timeline = session.timeline
    timeline.goto(timeline.end)
    ran: list[int] = []
    advance = timeline._replayer.advance

    def counting(*arguments: object) -> object:
        before = timeline.position
        stop = advance(*arguments)  # type: ignore[arg-type]
        ran.append(max(0, timeline.position - before))
        return stop

    timeline._replayer.advance = counting  # type: ignore[assignment,method-assign]
    never_written = Watch(0x80001000, 4, Access.WRITE)
    stop = timeline.reverse_run(StopConditions(watches=(never_written,)), lambda: False)
    assert stop.reason is StopReason.HISTORY_START and sum(ran) < LENGTH // 20
    session.opened.close()


#: what the recording and the replay are made with
EXTREMES: dict[str, tuple[str, int, dict[str, object]]] = {
    "as delivered": ("init", 64 << 20, {}),
    "without initial snapshot": ("", 64 << 20, {"pace": Pace(spacing=4_000, slice=1_000)}),
    "no memory": ("init", 64 << 20, {"checkpoint_memory": 0, "pace": Pace(spacing=4_000, slice=1_000)}),
    "no room on disk": ("init", 1, {"checkpoint_memory": 0, "pace": Pace(spacing=4_000, slice=1_000)}),
    "saving while replaying": (
        "init",
        0,
        {
            "snapshot_budget": 3 << 20,
            "checkpoint_memory": 1_000_000,
            "pace": Pace(spacing=4_000, slice=1_000, rung=20, snapshot_spacing=6_000),
        },
    ),
}


@pytest.mark.parametrize("name", EXTREMES)
def test_states_from_disk_are_the_run_s_own(name: str, tmp_path: Path) -> None:
    initial, budget, settings = EXTREMES[name]
    path = tmp_path / "rec"
    record(path, initial, budget)
    dice = random.Random(name)
    session = reopen(path)
    end = session.timeline.end
    wanted = sorted({0, end, *(dice.randrange(end) for _ in range(40))})
    truth = forward(busy_spec(), copy.copy(session.timeline.history), wanted)
    session.close()
    for count in (1, 4, 15):
        session = reopen(path, **settings)
        lived = Lived(busy_spec(), session.timeline, session.output, truth)
        visit(lived, dice, count)
        session.timeline.goto(0)
        session.timeline.run(StopConditions(), lambda: False)
        assert session.timeline.position == end
        assert sorted(session.output) == sorted(truth.output)  # each byte once; jumps change their order
        session.close()


def test_replaying_an_old_recording_leaves_states_where_digests_agree(tmp_path: Path) -> None:
    record(tmp_path / "rec", budget=0)
    assert periodic(tmp_path / "rec") == []
    session = reopen(tmp_path / "rec", snapshot_budget=64 << 20, pace=RECORDING)
    timeline = session.timeline

    def patient() -> bool:
        assert timeline.store._periodic is not None
        timeline.store._periodic.wait()
        return False

    assert timeline.run(StopConditions(), patient).reason is StopReason.HISTORY_END
    end, history = timeline.end, timeline.history
    session.close()
    found = periodic(tmp_path / "rec")
    assert len(found) >= 2 and found[-1] == end
    assert all(history.known.expected_digests(position) is not None for position in found)


def test_a_replay_that_diverges_leaves_nothing(tmp_path: Path) -> None:
    record(tmp_path / "rec", budget=0)
    session = reopen(tmp_path / "rec", snapshot_budget=64 << 20, pace=RECORDING)
    session.timeline.goto(30_000)
    session.timeline.store._periodic.wait()  # type: ignore[union-attr]
    before = periodic(tmp_path / "rec")
    session.timeline.machine.write_register(18, 123456)  # type: ignore[attr-defined]  # behind the timeline's back
    with pytest.raises(Exception, match="diverged"):
        session.timeline.run(StopConditions(), lambda: False)
    session.close()
    assert periodic(tmp_path / "rec") == before
    store = SnapshotStore.open(store_path(str(tmp_path / "rec")))
    assert store.notes.index() is None or before
    store.close()


def test_damaged_states_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "rec"
    record(path)
    session = reopen(path)
    session.timeline.goto(LENGTH // 2)
    digest = session.timeline.machine.digest()
    session.close()
    database = sqlite3.connect(store_path(str(path)))
    initial = database.execute("SELECT page_table FROM snapshots WHERE initial").fetchone()
    assert initial is not None
    database.execute("UPDATE snapshots SET cpu = x'00' WHERE NOT initial AND id % 2")
    database.execute("UPDATE snapshots SET output = x'0100' WHERE NOT initial AND NOT id % 2")
    database.execute("UPDATE interval_index SET data = x'1234'")
    database.commit()
    database.close()
    session = reopen(path)
    session.timeline.goto(LENGTH // 2)
    assert session.timeline.machine.digest() == digest
    session.close()


def test_states_that_no_machine_can_have_are_passed_over(tmp_path: Path) -> None:
    """Some are refused by the CPU, some by the devices after that: an earlier state or a replay leads there all the
    same, and what was touched is known as before."""
    path = tmp_path / "rec"
    record(path)

    def change(store: sqlite3.Connection) -> None:
        rows = store.execute("SELECT id, cpu, devices FROM snapshots WHERE name IS NULL").fetchall()
        assert len(rows) >= 5
        for turn, (number, cpu, devices) in enumerate(rows):
            if turn % 2:
                cpu = packed(b"\xff" * len(unpacked(cpu)))
            else:
                parts = msgpack.unpackb(unpacked(devices))
                parts["devices"]["fpga"][1] = {}
                devices = packed(msgpack.packb(parts))
            store.execute("UPDATE snapshots SET cpu = ?, devices = ? WHERE id = ?", (cpu, devices, number))

    found = []
    for turn in range(2):
        if turn:
            change_store(Path(store_path(str(path))), change)
        session = reopen(path)
        timeline = session.timeline
        timeline.goto(timeline.end)
        digest = timeline.machine.digest()
        stop = timeline.reverse_run(StopConditions(watches=(Watch(COUNTER, 4, Access.WRITE),)), lambda: False)
        found.append((digest, stop.reason, timeline.position, timeline.machine.digest()))
        session.close()
    assert found[0] == found[1] and found[0][1] is StopReason.WATCHPOINT


def test_states_that_were_forged_are_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each can be one of the machine's, and has right sums: its digest alone tells."""
    path = tmp_path / "rec"
    record(path)
    session = reopen(path)
    session.timeline.goto(session.timeline.end)
    digest = session.timeline.machine.digest()
    session.close()

    def change(store: sqlite3.Connection) -> None:
        for number, cpu in store.execute("SELECT id, cpu FROM snapshots WHERE name IS NULL").fetchall():
            forged = bytearray(unpacked(cpu))
            forged[-4] ^= 1
            store.execute("UPDATE snapshots SET cpu = ? WHERE id = ?", (packed(bytes(forged)), number))

    change_store(Path(store_path(str(path))), change)
    session = reopen(path, pace=RECORDING)  # a busy host would replay instead, and meet none of them
    session.timeline.goto(session.timeline.end)
    assert session.timeline.machine.digest() == digest
    assert "its digest differs" in caplog.text
    session.close()


def test_states_without_a_digest_are_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As older versions saved them: the run is replayed as if they were not there, and new ones come."""
    path = tmp_path / "rec"
    record(path)

    def change(store: sqlite3.Connection) -> None:
        store.execute("UPDATE snapshots SET digest = x'' WHERE name IS NULL")

    change_store(Path(store_path(str(path))), change)
    session = reopen(path, snapshot_budget=64 << 20)
    timeline = session.timeline
    timeline.goto(timeline.end)
    expected = timeline.history.known.expected_digests(timeline.end)
    assert expected is not None and timeline.machine.digest() == expected.state
    session.close()
    store = SnapshotStore.open(store_path(str(path)))
    found = [info for info in store.list() if info.periodic and info.digest]
    store.close()
    assert found and found[-1].icount == timeline.end and not caplog.records


def test_bookmarks_stay_with_the_recording(recorded: Path) -> None:
    session = reopen(recorded)
    place = session.timeline.goto(12_345).position  # or before it, if a delay slot is there
    session.timeline.bookmarks.put("found it")
    session.close()
    session = reopen(recorded)
    assert session.timeline.bookmarks.all() == {"found it": place}
    session.timeline.bookmarks.delete("found it")
    session.close()
    session = reopen(recorded)
    assert session.timeline.bookmarks.all() == {}
    session.close()


KILLED = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from tests.timeline import test_persistent as test
test.LENGTH = 10**12
print("recording", flush=True)
test.record(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("seconds", [0.3, 0.7, 1.5])
def test_kill_9_leaves_a_recording_that_replays(tmp_path: Path, seconds: float) -> None:
    path, root = tmp_path / "rec", str(Path(__file__).parents[2])
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path), root], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    while not path.exists():
        time.sleep(0.01)
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    session = reopen(path)
    end = session.timeline.end
    session.timeline.goto(end)
    truth = forward(busy_spec(), copy.copy(session.timeline.history), [end])
    assert session.timeline.machine.digest() == truth.at[end][0]
    session.close()


def test_two_sessions_on_one_recording(tmp_path: Path) -> None:
    """What one deletes, the other need not have: it saves on, and forgets what is gone."""
    record(tmp_path / "rec")
    first, second = reopen(tmp_path / "rec"), reopen(tmp_path / "rec")
    first.timeline.goto(10_000)
    first.timeline.snapshots.save("a")
    second.timeline.snapshots.delete("a")
    assert [each.name for each in first.timeline.snapshots.here()] == ["init"]
    with pytest.raises(RdbgError, match="'a'"):
        first.timeline.snapshots.load("a")
    with pytest.raises(RdbgError, match="'a'"):
        first.timeline.snapshots.delete("a")
    first.timeline.goto(20_000)
    first.timeline.snapshots.save("b")
    second.timeline.snapshots.load("b")
    assert second.timeline.machine.digest() == first.timeline.machine.digest()
    for session in (first, second):
        assert [each.name for each in session.timeline.snapshots.here()] == ["init", "b"]
        session.close()
