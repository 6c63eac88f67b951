"""U-Boot, recorded with commands typed at its prompt, replays from the journal to the same bytes and states."""

from __future__ import annotations

from pathlib import Path

import pytest

from rdbg.emu.endpoint import Endpoint, serial_port
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest, StopKind
from rdbg.emu.output_mark import OutputMark
from rdbg.emu.spec import Image, MachineSpec
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.journal.output_marks import Digests
from rdbg.journal.reader import JournalReader
from rdbg.journal.records import EndOfRun, EndReason
from rdbg.recording.recording import NewRecording, OpenRecording

UBOOT = Path("/usr/lib/u-boot/maltael/u-boot.bin")
COMMANDS = (b"version\r", b"md bfc00000 8\r", b"printenv\r")
SLICE = 777_777
DIGEST_EVERY = 2  # slices


def console(machine: Machine) -> bytearray:
    """Collects what the first serial port sends."""
    sent = bytearray()

    def sink(icount: int, endpoint: Endpoint, data: bytes) -> None:
        if endpoint == serial_port(0):
            sent.extend(data)

    machine.set_output(sink)
    return sent


def record(path: str, spec: MachineSpec) -> bytes:
    """Type each command when the prompt stands; gives what the console showed."""
    recording = NewRecording(path, spec)
    recording.publish()
    machine = Machine(spec)
    sent = console(machine)
    queue = LiveQueue(machine.input_room)
    history = History.recording(recording.writer, queue)
    machine.inputs = history
    left = list(COMMANDS)
    seen = 0
    for number in range(500):
        stop = machine.run(RunRequest(slice=SLICE))
        history.advance(machine.icount, idle=stop.kind is StopKind.IDLE)
        if number % DIGEST_EVERY == 0:
            history.note_digest(machine.icount, Digests(machine.digest(), OutputMark()))
        if sent.endswith(b" # ") and len(sent) > seen and not queue.waiting(serial_port(0)):
            if not left:
                break
            seen = len(sent)
            queue.send(serial_port(0), left.pop(0))
    assert not left
    history.close(EndOfRun(machine.icount, EndReason.STOPPED))
    recording.store.close()
    return bytes(sent)


def replay(path: str, spacing: int) -> bytes:
    """Replay from the journal in runs of ``spacing`` instructions, comparing every digest on the way."""
    recording = OpenRecording(path)
    machine = Machine(recording.spec())
    sent = console(machine)
    history = History.replay(recording.reader)
    machine.inputs = history
    compared = 0
    while machine.icount < history.end:
        digest_at = history.known.next_digest(machine.icount)
        until = min(machine.icount + spacing, history.end, history.end if digest_at is None else digest_at)
        before = machine.icount
        machine.run(RunRequest(until=until))
        expected = history.known.expected_digests(machine.icount)
        if expected is not None:
            assert machine.digest() == expected.state
            compared += 1
        assert machine.icount > before or machine.icount == history.end
    assert compared >= 5
    recording.close()
    return bytes(sent)


@pytest.mark.real("u-boot-qemu")
def test_a_typed_session_replays(tmp_path: Path) -> None:
    path = str(tmp_path / "session")
    spec = MachineSpec("malta", "24Kf", False, 256 << 20, 3, (Image("bios", str(UBOOT), UBOOT.read_bytes()),))
    seen = record(path, spec)
    for words in (b"U-Boot 20", b"bfc00000: ", b"stdin=serial", b"Environment size"):
        assert words in seen
    assert JournalReader(path).size < 20_000
    for spacing in (1 << 62, 12_345, 1_234_567):
        assert replay(path, spacing) == seen
