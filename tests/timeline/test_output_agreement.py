"""What leaves a machine is digested at each endpoint: a replay that would send something else says so, and where."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rdbg.emu.endpoint import Endpoint, EndpointKind, network_port, serial_port
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest
from rdbg.emu.output_mark import NOTHING_SENT, OutputMark, Sent, chained
from rdbg.navigation.output_gate import OutputGate
from tests.cli.command import TANK, rdbg
from tests.forgery import forge_digests
from tests.timeline.test_recorded import LENGTH, Replay, record

#: Runs rdbg with a UART that sends something else than it is told, and is as before in every other way.
OTHER_UART = """
import sys
from rdbg.cli.main import main
from rdbg.emu.system import MachineSystem
send = MachineSystem.output
def output(self, endpoint, data):
    {change}
MachineSystem.output = output
sys.exit(main(sys.argv[1:]))
"""
CHANGES = {
    "another byte": 'send(self, endpoint, data.replace(b"A", b"a"))',
    "a byte less": 'data == b"A" or send(self, endpoint, data)',
    "a byte more": 'send(self, endpoint, data); data == b"A" and send(self, endpoint, data)',
    "another port": "send(self, type(endpoint)(endpoint.kind, 1) if data == b'A' else endpoint, data)",
}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "rec"
    done = rdbg("record", "-o", path, "-kernel", TANK, "-serial", "stdio")
    assert done.returncode == 0 and b"ALARM" in done.stdout
    return path


@pytest.mark.parametrize("change", CHANGES)
def test_a_replay_that_sends_something_else_is_told_in_a_line(recording: Path, change: str) -> None:
    code = OTHER_UART.format(change=CHANGES[change])
    words = [sys.executable, "-c", code, "replay", str(recording)]
    done = subprocess.run(words, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    said = done.stderr.decode()
    assert done.returncode == 1 and said.count("\n") == 1, said
    assert re.search(r"diverged .* between icount \d+ and icount \d+: serial 0 has not sent what was recorded", said)
    assert ("other bytes" in said) == (change == "another byte")


def test_a_replay_that_sends_the_same_agrees(recording: Path) -> None:
    done = rdbg("replay", recording)
    assert done.returncode == 0 and b"ALARM" in done.stdout and b"digest agrees" in done.stderr


def test_where_a_byte_is_sent_counts() -> None:
    assert chained(NOTHING_SENT, 5, b"x") != chained(NOTHING_SENT, 6, b"x")
    assert chained(NOTHING_SENT, 5, b"xy") != chained(chained(NOTHING_SENT, 5, b"x"), 5, b"y")


def test_what_was_sent_up_to_a_position_does_not_depend_on_the_way_there(tmp_path: Path) -> None:
    record(tmp_path / "rec")
    dice = random.Random(5)
    positions = sorted({0, *(dice.randrange(LENGTH) for _ in range(30))})
    replay = Replay(tmp_path / "rec")
    truth = {}
    for position in positions:
        stop = replay.timeline.goto(position)
        truth[stop.position] = replay.timeline.output.sent
    assert truth[max(truth)].sent(serial_port(0)).outputs > 100
    dice.shuffle(positions)
    again = Replay(tmp_path / "rec")  # with the states that the first one has left on disk, too
    for position in positions:
        stop = again.timeline.goto(position)
        assert again.timeline.output.sent == truth[stop.position]
    again.timeline.goto(0)
    again.run()
    assert again.timeline.agreement.compared > 0 and not again.timeline.agreement.diverged


def test_the_digest_of_a_machine_run_alone_is_that_of_the_timeline(tmp_path: Path) -> None:
    """It depends on what was sent and where alone, not on checkpoints, slices and who looks."""
    record(tmp_path / "rec")
    replay = Replay(tmp_path / "rec")
    place = replay.timeline.goto(LENGTH // 5).position
    machine, digest = Machine(replay.opened.spec()), NOTHING_SENT

    def sink(icount: int, endpoint: Endpoint, data: bytes) -> None:
        nonlocal digest
        assert endpoint == serial_port(0)
        digest = chained(digest, icount, data)

    machine.set_output(sink)
    machine.inputs = replay.history
    replay.history.seek(-1)
    machine.run(RunRequest(until=place))
    assert replay.timeline.output.sent.sent(serial_port(0)).digest == digest


@pytest.mark.parametrize("kind", [EndpointKind.NETWORK, EndpointKind.DISK])
def test_packets_and_disk_writes_leave_a_lived_run_once_and_no_other(kind: EndpointKind) -> None:
    endpoint, left = Endpoint(kind, 0), []
    for lived in (True, False):
        gate = OutputGate(lived)
        gate.sink = lambda icount, endpoint, data: left.append((icount, data))
        with gate.open():
            gate(5, endpoint, b"first")
            before = gate.mark
            gate(9, endpoint, b"second")
        after, gate.mark = gate.mark, before
        with gate.open():
            gate(9, endpoint, b"second")
        assert gate.mark == after
        gate.mark = before
        branch = gate.fork()
        with branch.open():
            branch(9, endpoint, b"other")
        assert branch.mark != after
        assert left == [(5, b"first"), (9, b"second")]


def test_a_gap_that_a_jump_leaves_is_let_through_later_endpoint_by_endpoint() -> None:
    seen: list[tuple[Endpoint, bytes]] = []
    gate = OutputGate(lived=False)
    gate.sink = lambda icount, endpoint, data: seen.append((endpoint, data))
    outputs = [(at, serial_port(at % 3 % 2), b"%d" % at) for at in range(30)]
    marks = []
    for output in outputs:
        marks.append(gate.mark)
        gate(*output)
    whole = gate.mark
    for begin, end in ((10, 15), (2, 12), (14, 20), (25, 28), (0, 30)):
        gate.mark = marks[begin]
        with gate.open():
            assert gate.new_before(whole)
            for output in outputs[begin:end]:
                gate(*output)
    assert sorted(seen, key=lambda item: int(item[1])) == [(endpoint, data) for _, endpoint, data in outputs]
    assert gate.mark == whole and not gate.new_before(whole)


def test_the_first_endpoint_that_differs_is_named() -> None:
    one, other = Sent(serial_port(0), 3, 3, b"a" * 16), Sent(network_port(1), 1, 60, b"b" * 16)
    assert OutputMark((one, other)).difference(OutputMark((one,))) == (other, Sent(network_port(1)))
    assert OutputMark().difference(OutputMark((other,))) == (Sent(network_port(1)), other)
    assert OutputMark((one, other)).difference(OutputMark((one, other))) is None


def test_a_digest_record_that_is_none_is_told_of(recording: Path, tmp_path: Path) -> None:
    for name in ("rec", "rec.snapshots"):
        (tmp_path / name).write_bytes(recording.with_name(name).read_bytes())
    forge_digests(tmp_path / "rec", lambda data: b"\xff" + data[1:])
    done = rdbg("replay", tmp_path / "rec")
    said = done.stderr.decode().splitlines()
    assert done.returncode == 1 and "no state digest was compared" in said[0] and len(said) == 2
    assert "icount " in said[1] and "malformed digest record" in said[1]
