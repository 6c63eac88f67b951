"""Who looks at a run beside GDB and the monitors, and moves it in his turn: a page in a browser."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

from rdbg.monitor.command import MonitorContext
from rdbg.quick_dataclass import dataclass


class Onlooker(Protocol):
    """Has his turn between what the session's loop does; in another thread he touches nothing of the run."""

    @property
    def waiting(self) -> bool:
        """Whether he waits for his turn."""
        ...

    def fileno(self) -> int:
        """A descriptor that can be read while he waits, for select."""
        ...

    def take_turn(self) -> None:
        """Do what waits; the guest stands, and nobody else moves it meanwhile."""
        ...

    def look_on(self) -> None:
        """The guest is being moved, and has come somewhere. He moves nothing."""
        ...

    def in_copy(self) -> None:
        """This is a copy of the process: let go of what only the process itself should have open."""
        ...

    def close(self) -> None:
        """The run ends."""
        ...


class WorkingCopies(Protocol):
    """Copies of the process of a run, at work."""

    def submit(self, *arguments: Any) -> Future[Any]:
        """Let one of them do its work. The future ends in BrokenExecutor where it was lost."""
        ...

    def dismiss(self) -> None:
        """End all."""
        ...


#: Makes so many copies that do a work.
MakeCopies = Callable[[int, Callable[..., Any]], WorkingCopies]


@dataclass(frozen=True)
class RunOnView:
    """What an onlooker is given.

    Args:
        context: the run, what commands work on, and whether the guest runs by itself.
        copies: makes copies that look at the past, while GDB goes on; None: this run cannot have any.
        gdb: host and port where GDB is listened for; None: nowhere.
        sources: folder that the guest's image came from, where its source files may be; None: not here.
    """

    context: MonitorContext
    copies: MakeCopies | None
    gdb: tuple[str, int] | None
    sources: Path | None = None
