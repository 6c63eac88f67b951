"""What a CPU that was reset has: nothing of before."""

from __future__ import annotations

from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest, StopKind
from rdbg.emu.spec import Image, MachineSpec

#: ll $t0, 0x1230($zero): with Status.ERL, as after reset, that is physical memory; then a loop.
_LL, _LOOP = 0xC0081230, 0x1000FFFF
_RESET_VECTOR = 0xBFC00000


def _register(machine: Machine, name: str) -> int:
    return machine.read_register(next(info.number for info in machine.architecture.registers_of() if info.name == name))


def test_no_link_is_left_at_power_on_nor_by_a_reset() -> None:
    """LLAddr showed an address at power-on that finding out about Unicorn had left, and the last link after a reset."""
    code = b"".join(word.to_bytes(4, "little") for word in (_LL, _LOOP, 0))
    machine = Machine(MachineSpec("malta", "24Kf", False, 16 << 20, 0, (Image("bios", "raw", code),)))
    assert _register(machine, "lladdr") == 0
    machine.run(RunRequest(until=1))
    assert _register(machine, "lladdr") == 0x123
    machine.system.request_reset()
    stop = machine.run(RunRequest(until=100, breakpoints=frozenset({_RESET_VECTOR})))
    assert stop.kind is StopKind.BREAKPOINT and machine.icount == 1
    assert _register(machine, "lladdr") == 0
