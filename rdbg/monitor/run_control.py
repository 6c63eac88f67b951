"""Whether the guest runs by itself."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.inputs import InputEvent
from rdbg.monitor.plugs import Plugs


class RunControl:
    """What GDB, monitors and QMP clients agree on, and the main loop goes by."""

    def __init__(self) -> None:
        #: Puts an input where the live run takes it soon; None: it takes none.
        self.request: Callable[[InputEvent], None] | None = None
        self.plugs = Plugs()  #: cards and drives
        self.page = ""  #: address of the page that shows the run; empty: there is none
        #: Makes the run a recording of that name, in place of an older one if that is said; None: nobody can.
        self.record: Callable[[str, bool], None] | None = None
        self._stopped = self._attached = self._moving = False
        self._watchers: list[Callable[[bool], None]] = []
        self._told = True

    def watch(self, watcher: Callable[[bool], None]) -> None:
        """Tell somebody from now on when the guest begins to run (True), and when it stands."""
        self._told = self.running
        self._watchers.append(watcher)

    @property
    def stopped(self) -> bool:
        """The guest stands until somebody lets it go on (``-S``, ``stop``, a GDB that broke off, the end of the
        run)."""
        return self._stopped

    @stopped.setter
    def stopped(self, stopped: bool) -> None:
        self._stopped = stopped
        self._changed()

    @property
    def attached(self) -> bool:
        """A GDB is connected, and the guest moves when that says so."""
        return self._attached

    @attached.setter
    def attached(self, attached: bool) -> None:
        self._attached = attached
        self._changed()

    @property
    def moving(self) -> bool:
        """A GDB, or somebody who seeks, moves the guest now."""
        return self._moving

    @moving.setter
    def moving(self, moving: bool) -> None:
        self._moving = moving
        self._changed()

    @property
    def runs(self) -> bool:
        """Whether the guest should run by itself now."""
        return not self._stopped and not self._attached

    @property
    def running(self) -> bool:
        """Whether it moves, by itself or since somebody moves it."""
        return self.runs or self._moving

    def _changed(self) -> None:
        if self.running != self._told:
            self._told = self.running
            for watcher in self._watchers:
                watcher(self._told)
