"""All that is done with a machine whose state may come from a file."""

from __future__ import annotations

from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest


def use(machine: Machine, instructions: int) -> None:
    """Run it, and look at everything.

    Args:
        machine: in any state.
        instructions: how far to run.

    Raises:
        RdbgError: it refuses.
    """
    machine.run(RunRequest(until=machine.icount + instructions))
    machine.step()
    for register in machine.architecture.registers:
        machine.read_register(register.number)
    machine.reports()["tlb"].make()
    machine.digest()
    for address in range(0, 1 << 32, 1 << 28):
        machine.read_memory(address, 8)
