"""What waits outside for a serial port comes as fast as the guest reads, not as often as rdbg looks up."""

from __future__ import annotations

import struct

import pytest

from rdbg.emu.machine import Machine
from rdbg.emu.spec import Image, MachineSpec
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.navigation.pace import Pace
from rdbg.timeline import StopConditions, Timeline
from tests.emu.guests import CODE, NOP, addiu, beq, i_type, lui
from tests.emu.images import elf

LINE = bytes(range(1, 251)) * 6
#: More instructions than the guest takes for it.
SLICE = 1_000_000
#: On a busy machine the clock ends some slices early.
MOST_SLICES = len(LINE) // 10
KEPT = 0x80200000


@pytest.mark.parametrize("fifo", [0, 1])
def test_a_pasted_text_is_read_as_fast_as_the_guest_reads(fifo: int) -> None:
    code = [
        lui(9, 0xB800),
        addiu(8, 0, fifo),
        i_type(0x28, 9, 8, 0x3FA),  # sb: FIFO control
        lui(10, 0x8020),
        i_type(0x24, 9, 8, 0x3FD),  # lbu: line status
        0x31080001,  # andi $8, $8, 1
        beq(8, 0, -3),
        NOP,
        i_type(0x24, 9, 8, 0x3F8),  # lbu: the byte
        i_type(0x28, 10, 8, 0),
        beq(0, 0, -7),
        addiu(10, 10, 1),
    ]
    image = elf(data=struct.pack(f"<{len(code)}I", *code))
    machine = Machine(MachineSpec("malta", "24Kf", False, 16 << 20, 0, (Image("kernel", "reader.elf", image),)))
    queue = LiveQueue(machine.serial_room)
    timeline = Timeline(machine, History.live_run(queue), pace=Pace(slice=SLICE))
    while machine.pc != CODE + 4 * 4:
        timeline.step()  # what comes before the FIFO is switched is lost
    queue.send(0, LINE)
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
