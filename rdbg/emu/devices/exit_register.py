"""The register of a ``bare`` machine that a test program ends the run with: whatever is stored is the exit code."""

from __future__ import annotations

from rdbg.emu.device import Device, State, System

SIZE = 4
WORD = 0xFFFF_FFFF


class ExitRegister(Device):
    """One 32-bit register.

    Args:
        name: unique in the machine.
        system: the way out.
    """

    def __init__(self, name: str, system: System) -> None:
        super().__init__(name)
        self._system = system

    def read(self, offset: int, size: int) -> int:
        """A guest load: 0."""
        return 0

    def write(self, offset: int, size: int, value: int) -> None:
        """A guest store: the run ends with this exit code."""
        self._system.request_shutdown(value & WORD)

    def reset(self) -> None:
        """It keeps nothing."""

    def save(self) -> State:
        """Nothing."""
        return {}

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
