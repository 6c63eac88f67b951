"""A guest loaded once and put back to its start again and again: what the runs of a campaign share in one process."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.chaos.guest_disks import GuestDisks
from rdbg.chaos.source import ChaosInputs
from rdbg.checkpoints.keeper import CheckpointKeeper
from rdbg.emu.interrupt_view import InterruptView
from rdbg.emu.machine import Machine
from rdbg.emu.output_mark import OutputMark
from rdbg.emu.spec import MachineSpec
from rdbg.history.history import History
from rdbg.navigation.pace import Pace
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.stored import StoredStates


class LoadedGuest:
    """A machine that stands at the start of all runs, and can be put back there.

    Args:
        spec: the machine.
        load: puts the machine into the state that the runs start from; None: power-on.
        disks: what its disks hold; None: nothing can be read of them.
    """

    def __init__(
        self, spec: MachineSpec, load: Callable[[Machine], None] | None = None, disks: GuestDisks | None = None
    ) -> None:
        self.spec = spec
        self.disks = disks or GuestDisks(())
        self.machine = Machine(spec, disk_sources=None if disks is None else disks.sources)
        if load is not None:
            load(self.machine)
        self.view = InterruptView(self.machine, self.machine.board.cpu_irq_timer, spec.board)
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
