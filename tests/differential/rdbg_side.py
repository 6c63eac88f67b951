"""Runs a batch on rdbg."""

from __future__ import annotations

from rdbg.emu.machine import Machine
from rdbg.emu.spec import Image, MachineSpec
from rdbg.journal.history import History
from rdbg.timeline import StopConditions, StopReason, Timeline
from tests.differential.layout import SLOT_BYTES, Built

#: More than any batch needs: it stands somewhere in a loop if it is not done by then.
_LIMIT = 20_000_000


def run_on_rdbg(built: Built, big_endian: bool) -> bytes:
    """Run a batch to its end and give the memory of all slots."""
    kernel = Image("kernel", str(built.path), built.path.read_bytes())
    machine = Machine(
        MachineSpec(board="malta", cpu="24Kf", big_endian=big_endian, ram_bytes=128 << 20, shift=3, images=(kernel,))
    )
    timeline = Timeline(machine, History.live_run())
    stop = timeline.run(StopConditions(breakpoints=frozenset({built.finish})), lambda: timeline.position > _LIMIT)
    if stop.reason is not StopReason.BREAKPOINT:
        raise RuntimeError(f"the batch did not come to its end: {stop}")
    return machine.read_memory(built.slots, SLOT_BYTES * built.count)
