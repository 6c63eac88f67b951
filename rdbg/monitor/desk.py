"""Obeys what is typed at monitors without GDB, and keeps it apart from what a GDB does meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rdbg.monitor import interpreter
from rdbg.monitor.command import STALE, MonitorContext
from rdbg.serial.monitor_console import MonitorConsole

#: Commands after which the machine is somewhere else, behind the back of a GDB.
_MOVING = frozenset({"goto", "back", "forward", "loadvm", "replay_seek", "system_reset", "switch", "branch"})


class MonitorDesk:
    """All monitors of a run.

    Args:
        consoles: where lines come from, and answers go to.
        context: what commands work on.
        leaving: whether a command has ended the run.
    """

    def __init__(
        self, consoles: Sequence[MonitorConsole], context: MonitorContext, leaving: Callable[[], bool]
    ) -> None:
        self._consoles = consoles
        self._context = context
        self._leaving = leaving

    @property
    def waiting(self) -> bool:
        """Whether a line has been typed that is not yet obeyed."""
        return any(console.waiting for console in self._consoles)

    def obey(self) -> None:
        """Obey all lines; to be called while the guest stands."""
        for console in self._consoles:
            while not self._leaving() and (line := console.next_line()) is not None:
                if self._context.control.attached and _name(line) in _MOVING:
                    console.answer("GDB is connected: use its monitor command, so that it looks again\n")
                else:
                    self._answer(console, self._obeyed(console, line).replace(STALE, ""))

    def obey_while_gdb_moves(self) -> bool:
        """Answer all lines while a GDB has let the guest go; whether one of them wants it to stand."""
        stop = False
        for console in self._consoles:
            while not self._leaving() and (line := console.next_line()) is not None:
                if _name(line) in ("stop", "quit"):
                    stop = True
                    self._answer(console, self._obeyed(console, line))
                elif line.split() == ["info", "status"]:
                    console.answer("VM status: running\n")
                else:
                    console.answer("GDB has let the guest run: 'stop' interrupts it\n" if line.strip() else "")
        return stop

    def _obeyed(self, console: MonitorConsole, line: str) -> str:
        """What a line led to. What its command says on the way is shown at once; Ctrl-C there ends it."""
        context = self._context

        def interrupted() -> bool:
            return context.interrupted() or console.interrupted

        return interpreter.run(replace(context, interrupted=interrupted, say=console.say), line)

    def _answer(self, console: MonitorConsole, text: str) -> None:
        console.answer(text, last=self._leaving())


def _name(line: str) -> str:
    first = line.split()[:1]
    return interpreter.SHORT.get(first[0], first[0]) if first else ""
