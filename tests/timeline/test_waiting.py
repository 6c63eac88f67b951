"""Input that comes while an idle CPU waits in host time finds the guest's clock where it should be."""

from __future__ import annotations

import copy
import time
from pathlib import Path

import pytest

from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.machine import Machine
from rdbg.emu.registers import PC, STATUS
from rdbg.emu.spec import Image, MachineSpec
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.journal.records import event_of
from rdbg.navigation.pace import Pace
from rdbg.navigation.stops import StopConditions, StopReason
from rdbg.recording.recording import NewRecording, OpenRecording
from rdbg.timeline import Timeline
from tests.emu.guests import CODE, HANDLER, WAIT, addiu, beq, i_type, lui, machine_with, mfc0, mtc0, sw

SHIFT = 3
NAP_COUNTS = 0x7F00 << 7  # of Count
DATA = 0x80200000
#: Count += NAP until the timer's interrupt; note Count in memory; wait; again.
INTERRUPTS_ON = 0x8001


def guest() -> tuple[list[int], list[int]]:
    code = [
        lui(20, DATA >> 16),
        mfc0(8, 9),
        lui(9, NAP_COUNTS >> 16),
        0x01094021,  # addu $8, $8, $9
        mtc0(8, 11),
        WAIT,
        i_type(0x04, 0, 0, -2),  # b to the wait
        0,
    ]
    handler = [
        mfc0(8, 9),
        sw(8, 0, 20),
        addiu(20, 20, 4),
        lui(9, NAP_COUNTS >> 16),
        0x01094021,
        mtc0(8, 11),
        0x42000018,
    ]
    return code, handler


def spec() -> MachineSpec:
    loop = b"\x00\x00\x00\x10\x00\x00\x00\x00" * 32
    return MachineSpec("malta", "24Kf", False, 16 << 20, SHIFT, (Image("bios", "loop.bin", loop),))


def start(timeline: Timeline) -> None:
    code, handler = guest()
    for address, words in ((CODE, code), (HANDLER, handler)):
        timeline.live_end.write_memory(address, b"".join(word.to_bytes(4, "little") for word in words))
    timeline.live_end.write_register(STATUS, INTERRUPTS_ON)
    timeline.live_end.write_register(PC, CODE)


def test_breakpoints_stop_a_cpu_that_was_waiting() -> None:
    for address in (HANDLER, CODE + 6 * 4):  # where the interrupt leads, and behind the wait
        machine = Machine(spec())
        timeline = Timeline(machine, History.live_run(LiveQueue(machine.input_room)), sleep=True)
        start(timeline)
        stops = StopConditions(breakpoints=frozenset({address}))
        for times in range(1, 5):
            began = time.monotonic()
            stop = timeline.run(stops, lambda began=began: time.monotonic() - began > 20, passes=True)  # type: ignore[misc]
            assert (stop.reason, stop.pc) == (StopReason.BREAKPOINT, address)
            noted = machine.read_memory(DATA, 4 * times + 4)
            assert len(noted.rstrip(b"\0")) <= 4 * times and any(noted[4 * times - 8 :]) == (times > 1)


@pytest.mark.parametrize("slice", [1, 2, 3, 5, 7, 50])
def test_a_breakpoint_where_a_live_run_pauses_stops_it(slice: int) -> None:
    machine = machine_with([addiu(8, 8, 1), addiu(9, 9, 1), beq(0, 0, -3), 0])
    timeline = Timeline(machine, History.live_run(LiveQueue(machine.input_room)), pace=Pace(slice=slice))
    stops = StopConditions(breakpoints=frozenset({CODE}))
    for times in range(1, 50):
        stop = timeline.run(stops, lambda: False, passes=True)
        assert (stop.reason, stop.position) == (StopReason.BREAKPOINT, 4 * times)


def test_time_goes_on_while_input_comes(tmp_path: Path) -> None:
    recording = NewRecording(str(tmp_path / "rec"), spec())
    machine = Machine(spec())
    queue = LiveQueue(machine.input_room)
    history = History.recording(recording.writer, queue)
    host_seconds, waits = 0.0, 0

    def wait(seconds: float) -> None:
        nonlocal host_seconds, waits
        host_seconds += min(max(seconds, 1e-6), 0.002)  # some time passes always
        waits += 1
        if waits % 3 == 0:
            queue.put(InputEvent(0, InputKind.SERIAL, port=7, data=b"x"))  # wakes the host, not the guest

    timeline = Timeline(machine, history, store=recording.store, sleep=True, wait=wait, clock=lambda: host_seconds)
    recording.publish()
    timeline.store.use(recording.store)
    start(timeline)
    began = machine.now_ns
    timeline.run(StopConditions(), lambda: host_seconds > 0.6)
    shown = (machine.now_ns - began) / 1e9
    timeline.close()
    recording.store.close()
    # All the time was spent waiting; without the wakes each byte would have taken back what was waited before it.
    assert host_seconds - 0.02 < shown <= host_seconds
    digest, noted = machine.digest(), machine.read_memory(DATA, 64)
    opened = OpenRecording(str(tmp_path / "rec"))
    wakes = [event_of(record) for record in opened.reader.records() if record.kind == InputKind.WAKE]
    assert len(wakes) > 5
    assert [event.value for event in wakes] == sorted(event.value for event in wakes)
    for _ in range(3):
        replayed = Machine(opened.spec())
        again = Timeline(replayed, copy.copy(History.replay(opened.reader)), store=opened.store)
        again.goto(again.end)
        assert replayed.digest() == digest and replayed.read_memory(DATA, 64) == noted
        again.goto(again.end // 2)
        again.goto(again.end)
        assert replayed.digest() == digest
    opened.close()
