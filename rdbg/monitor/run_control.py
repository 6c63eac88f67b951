"""Whether the guest runs by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rdbg.emu.inputs import InputEvent
from rdbg.monitor.plugs import Plugs


@dataclass
class RunControl:
    """What GDB and the monitors agree on, and the main loop goes by.

    Args:
        stopped: the guest stands until somebody lets it go on (``-S``, ``stop``, a GDB that broke off).
        attached: a GDB is connected, and the guest moves when that says so.
        request: puts an input where the live run takes it soon; None: it takes none.
        plugs: cards and drives.
        page: address of the page that shows the run; empty: there is none.
        record: makes the run a recording of that name, in place of an older one if that is said; None: nobody can.
    """

    stopped: bool = False
    attached: bool = False
    request: Callable[[InputEvent], None] | None = None
    plugs: Plugs = Plugs()
    page: str = ""
    record: Callable[[str, bool], None] | None = None

    @property
    def runs(self) -> bool:
        """Whether the guest should run by itself now."""
        return not self.stopped and not self.attached
