"""Runs a batch on rdbg."""

from __future__ import annotations

from pathlib import Path

from rdbg.emu.machine import Machine
from rdbg.emu.spec import Image, MachineSpec
from rdbg.history.history import History
from rdbg.timeline import StopConditions, StopReason, Timeline
from tests.differential.layout import SLOT_BYTES, Built

#: More than any batch needs: it stands somewhere in a loop if it is not done by then.
_LIMIT = 20_000_000


def run_on_rdbg(built: Built, big_endian: bool, cpu: str = "24Kf") -> bytes:
    """Run a batch to its end and give the memory of all slots."""
    return memory_from_rdbg(built.path, built.finish, built.slots, SLOT_BYTES * built.count, big_endian, cpu)


def memory_from_rdbg(kernel: Path, finish: int, address: int, size: int, big_endian: bool, cpu: str = "24Kf") -> bytes:
    """Run a kernel to an address and give some of its memory; see memory_from_qemu."""
    image = Image("kernel", str(kernel), kernel.read_bytes())
    machine = Machine(
        MachineSpec(board="malta", cpu=cpu, big_endian=big_endian, ram_bytes=128 << 20, shift=3, images=(image,))
    )
    timeline = Timeline(machine, History.live_run())
    stop = timeline.run(StopConditions(breakpoints=frozenset({finish})), lambda: timeline.position > _LIMIT)
    if stop.reason is not StopReason.BREAKPOINT:
        raise RuntimeError(f"the program did not come to its end: {stop}")
    return machine.read_memory(address, size)
