"""A guest loaded once and put back to its start again and again: what the runs of a campaign share in one process."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.chaos.source import ChaosInputs
from rdbg.checkpoints.checkpoint import OutputMark
from rdbg.checkpoints.keeper import CheckpointKeeper
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import MachineApi
from rdbg.emu.spec import MachineSpec
from rdbg.history.history import History
from rdbg.navigation.pace import Pace
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.stored import StoredStates

#: What CP0 registers are called, by number and select.
_SYSTEM_NAMES = {(8, 0): "badvaddr", (9, 0): "count", (12, 0): "status", (12, 1): "intctl", (13, 0): "cause",
                 (14, 0): "epc", (15, 1): "ebase", (4, 0): "context"}  # fmt: skip
_STATUS_BEV, _CAUSE_IV, _EXCEPTION_CODE, _SPACING = 1 << 22, 1 << 23, 0x7C, 0x3E0


class GuestView:
    """Registers of a guest by what they are, as far as policies ask for them.

    Args:
        machine: the guest's.
    """

    def __init__(self, machine: MachineApi) -> None:
        self._machine = machine
        self._numbers = {register.name: register.number for register in machine.architecture.registers}

    def register(self, name: str) -> int:
        """A register by its name."""
        return self._machine.read_register(self._numbers[name])

    def system(self, register: int, select: int) -> int | None:
        """What a handler would find in a register of CP0 if the interrupt were taken here."""
        name = _SYSTEM_NAMES.get((register, select))
        if name is None:
            return None
        if name == "epc":
            return self._machine.pc
        value = self.register(name)
        return value & ~_EXCEPTION_CODE if name == "cause" else value

    def handler(self) -> int | None:
        """Where an interrupt's handler begins (MIPS32 PRA vol. III, section 6.2.2); None: that depends on its line."""
        offset = 0x200 if self.register("cause") & _CAUSE_IV else 0x180
        if self.register("status") & _STATUS_BEV:
            return 0xBFC00200 + offset
        if offset == 0x200 and self.register("intctl") & _SPACING:
            return None
        return (self.register("ebase") & 0xFFFFF000) + offset


class LoadedGuest:
    """A machine that stands at the start of all runs, and can be put back there.

    Args:
        spec: the machine.
        load: puts the machine into the state that the runs start from; None: power-on.
    """

    def __init__(self, spec: MachineSpec, load: Callable[[Machine], None] | None = None) -> None:
        self.spec = spec
        self.machine = Machine(spec)
        if load is not None:
            load(self.machine)
        self.view = GuestView(self.machine)
        self.keeper = CheckpointKeeper(self.machine)
        self._start = self.keeper.capture(0, OutputMark())

    @property
    def start(self) -> int:
        """The icount at which runs start."""
        return self._start.position

    def begin(self, inputs: ChaosInputs) -> Replayer:
        """Stand at the start of a new live run.

        Args:
            inputs: what comes from outside, and when.
        """
        self.rewind()
        history = History.live_run(inputs, self.start)
        return Replayer(self.machine, history, self.keeper, StoredStates(self.keeper, history, None), Pace())

    def rewind(self) -> None:
        """Stand at the start, and forget what is known of any other moment."""
        self.keeper.release(self.keeper.detach(self.start, -1))
        self.keeper.restore(self._start.state, self._start.table)
