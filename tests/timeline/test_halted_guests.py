"""A CPU that waits for what never comes: its run ends when the user wants, and is one state however it is reached."""

from __future__ import annotations

import signal
import struct
import subprocess
import time
from pathlib import Path

import pytest

from rdbg.emu.endpoint import serial_port
from rdbg.emu.machine import Machine
from rdbg.emu.registers import PC, STATUS
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.navigation.pace import Pace
from rdbg.recording.recording import NewRecording, OpenRecording
from rdbg.timeline import StopConditions, Timeline
from tests.cli.command import start
from tests.emu.guests import CODE, LOOP, NOP, WAIT, addiu, beq, mtc0
from tests.emu.images import elf
from tests.processes import RDBG
from tests.timeline.test_waiting import spec

#: Status while it waits -> what could wake it.
HALTS = {"nothing": 0, "interrupts that are masked": 0x0001, "a serial port": 0x0401}
PATIENCE = 60.0


def image(status: int) -> bytes:
    """Counts to a million, says '.', and waits."""
    code = [
        0x3C080010,  # lui $8, 16
        addiu(8, 8, -1),
        0x1500FFFE,  # bnez $8, -2
        NOP,
        0x3C09B800,  # lui $9, 0xb800
        addiu(10, 0, 0x2E),
        0xA12A03F8,  # sb $10, 0x3f8($9): the UART
        0x34080000 | status,  # ori $8, $0, status
        mtc0(8, 12),
        WAIT,
        beq(0, 0, -2),
        NOP,
    ]
    return elf(data=struct.pack(f"<{len(code)}I", *code))


@pytest.mark.parametrize("status", HALTS.values(), ids=HALTS)
@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "Ctrl-A x"])
def test_the_recording_ends_at_once_and_is_closed(tmp_path: Path, status: int, how: str) -> None:
    (tmp_path / "halt.elf").write_bytes(image(status))
    words = ("-m", "16", "-kernel", tmp_path / "halt.elf", "-serial", "mon:stdio")
    process = start("record", "-o", tmp_path / "j", *words)
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.read(1) == b"."
    if how == "Ctrl-A x":
        process.stdin.write(b"\x01x")
        process.stdin.flush()
    else:
        process.send_signal(getattr(signal, how))
    try:
        said = process.communicate(timeout=PATIENCE)[1]
    finally:
        process.kill()
    assert process.returncode == 0 and b"recorded" in said
    replay = subprocess.run(
        [*RDBG, "replay", tmp_path / "j"], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE
    )
    assert (replay.returncode, replay.stdout) == (0, b".")
    info = subprocess.run([*RDBG, "info", tmp_path / "j"], capture_output=True, timeout=PATIENCE)
    assert info.returncode == 0 and b"stopped by the user" in info.stdout


def test_kill_9_leaves_the_run_up_to_the_halt(tmp_path: Path) -> None:
    (tmp_path / "halt.elf").write_bytes(image(0))
    process = start("record", "-o", tmp_path / "j", "-m", "16", "-kernel", tmp_path / "halt.elf", "-serial", "stdio")
    assert process.stdout is not None and process.stdout.read(1) == b"."
    deadline = time.monotonic() + PATIENCE
    length = 0
    while length < 3_000_000:  # three instructions each time
        assert time.monotonic() < deadline
        info = subprocess.run([*RDBG, "info", tmp_path / "j"], capture_output=True, timeout=PATIENCE).stdout
        length = int(info.partition(b"length")[2].split()[0].replace(b",", b""))
    process.kill()
    process.communicate()


@pytest.mark.parametrize("status", [0x0401, 0x0400])
@pytest.mark.parametrize("sleep", [False, True])
def test_however_long_it_slept_the_end_is_one_state(tmp_path: Path, status: int, sleep: bool) -> None:
    """Timers expire meanwhile, and none of them wakes the CPU."""
    recording = NewRecording(str(tmp_path / "rec"), spec(), initial_snapshot="init")
    machine = Machine(spec())
    queue = LiveQueue(machine.input_room)
    timeline = Timeline(
        machine,
        History.recording(recording.writer, queue),
        store=recording.store,
        initial_snapshot="init",
        sleep=sleep,
        pace=Pace(slice=50),
    )
    recording.publish()
    timeline.store.use(recording.store)
    words = [addiu(8, 8, 1)] * 20 + [WAIT, LOOP, NOP]
    timeline.live_end.write_memory(CODE, struct.pack(f"<{len(words)}I", *words))
    timeline.live_end.write_register(STATUS, status)
    timeline.live_end.write_register(PC, CODE)
    looks = 0

    def enough() -> bool:
        nonlocal looks
        looks += 1
        if looks == 40:
            queue.send(serial_port(0), b"x")  # the UART asks for no interrupt: the CPU sleeps on
        return looks > 100

    timeline.run(StopConditions(), enough)
    timeline.snapshots.save("asleep")
    timeline.close()
    recording.store.close()
    digest = machine.digest()
    opened = OpenRecording(str(tmp_path / "rec"))
    replayed = Machine(opened.spec())
    again = Timeline(replayed, History.replay(opened.reader), store=opened.store, initial_snapshot="init")
    for place in (again.end, 5, again.end, 0, again.end):
        again.goto(place)
    assert replayed.digest() == digest
    again.snapshots.load("asleep")
    again.goto(5)
    again.snapshots.load("asleep")
    again.goto(again.end)
    assert again.run(StopConditions(), lambda: False).position == again.end
    assert replayed.digest() == digest
    opened.close()
