"""What waits outside for a serial port comes as fast as the guest reads, not as often as rdbg looks up."""

from __future__ import annotations

import pytest

from rdbg.emu.endpoint import serial_port
from rdbg.emu.machine import Machine
from rdbg.emu.spec import Image, MachineSpec
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.navigation.pace import Pace
from rdbg.timeline import StopConditions, Timeline
from tests.emu.guests import CODE, KEPT, serial_reader

LINE = bytes(range(1, 251)) * 6
#: More instructions than the guest takes for it.
SLICE = 1_000_000
#: On a busy machine the clock ends some slices early.
MOST_SLICES = len(LINE) // 10


@pytest.mark.parametrize("fifo", [False, True])
def test_a_pasted_text_is_read_as_fast_as_the_guest_reads(fifo: bool) -> None:
    image = serial_reader(fifo=fifo)
    machine = Machine(MachineSpec("malta", "24Kf", False, 16 << 20, 0, (Image("kernel", "reader.elf", image),)))
    queue = LiveQueue(machine.input_room)
    timeline = Timeline(machine, History.live_run(queue), pace=Pace(slice=SLICE))
    while machine.pc != CODE + 4 * 4:
        timeline.step()  # what comes before the FIFO is switched is lost
    queue.send(serial_port(0), LINE)
    slices = 0

    def interrupted() -> bool:
        nonlocal slices
        slices += 1
        return slices == MOST_SLICES or machine.read_memory(KEPT, len(LINE)) == LINE

    timeline.run(StopConditions(), interrupted)
    assert machine.read_memory(KEPT, len(LINE)) == LINE
    digest, end = machine.digest(), timeline.position
    timeline.goto(100)
    timeline.goto(end)
    assert machine.digest() == digest
