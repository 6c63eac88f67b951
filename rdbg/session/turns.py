"""Those who have their turns beside GDB: who types to a monitor, programs that speak QMP, and an onlooker."""

from __future__ import annotations

from rdbg.gdbstub import GdbServer
from rdbg.monitor.desk import MonitorDesk
from rdbg.qmp.qmp_desk import QmpDesk
from rdbg.session.onlooker import Onlooker
from rdbg.session.surroundings import Looks


class RunTurns:
    """Gives each his turn, and keeps whoever looks at the past from it while somebody asks.

    Args:
        desk: where monitors are obeyed.
        qmp: where programs are.
        onlooker: who looks on, or None.
        looks: who looks at the past while nobody asks anything, or None.
    """

    def __init__(self, desk: MonitorDesk, qmp: QmpDesk, onlooker: Onlooker | None, looks: Looks | None) -> None:
        self._desk = desk
        self._qmp = qmp
        self._onlooker = onlooker
        self._looks = looks

    def take(self) -> None:
        """The guest stands: obey all that waits."""
        if self._desk.waiting or self._qmp.waiting:
            self.wake()
        self._desk.obey()
        self._qmp.obey()
        if self._onlooker is not None:
            if self._onlooker.waiting:
                self.wake()
            self._onlooker.take_turn()

    def wanted(self) -> bool:
        """Whether somebody waits for his turn while the guest runs by itself."""
        if self._onlooker is not None:
            self._onlooker.look_on()
            if self._onlooker.waiting:
                return True
        return self._desk.waiting or self._qmp.waiting

    def obey_while_gdb_moves(self) -> bool:
        """GDB moves the guest: obey what can be obeyed then. Whether it should stop."""
        if self._onlooker is not None:
            self._onlooker.look_on()
        return self._desk.obey_while_gdb_moves() | self._qmp.obey_while_gdb_moves()

    def wake(self) -> None:
        """Somebody asks something, or the run goes on."""
        if self._looks is not None:
            self._looks.wake()

    def stand(self, server: GdbServer) -> None:
        """Nobody asks anything now, GDB neither."""
        if self._looks is not None:
            if server.attached or self._onlooker is not None:
                server.expect_questions()
                self._looks.stand()
            else:
                self._looks.wake()  # who would have asked is gone
