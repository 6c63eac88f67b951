"""Whether a machine runs code of users or of the system."""

from __future__ import annotations

from rdbg.emu.machine_api import MachineApi
from rdbg.emu.mips32 import MIPS32, STATUS

#: Status: user mode, exception level, error level. Source: MIPS32 Privileged Resource Architecture (vol. III), 3.3.
_UM, _ERL, _EXL = 1 << 4, 1 << 2, 1 << 1


def runs_user_code(machine: MachineApi) -> bool | None:
    """Where the machine stands; None: that cannot be told of its architecture."""
    if machine.architecture.name != MIPS32.name:
        return None
    return machine.read_register(STATUS) & (_UM | _ERL | _EXL) == _UM
