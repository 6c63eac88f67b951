"""Obeys what is typed at monitors without GDB, and keeps it apart from what a GDB does meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rdbg.monitor import interpreter
from rdbg.monitor.command import STALE, MonitorContext
from rdbg.serial.monitor_console import MonitorConsole

#: Commands after which the machine is somewhere else, behind the back of a GDB.
_MOVING = frozenset({"goto", "back", "forward", "loadvm", "replay_seek", "system_reset", "switch", "branch"})

#: What is answered to who would move the guest behind the back of a GDB, and to who asks while that moves it.
GDB_HAS_IT = "GDB is connected: use its monitor command, so that it looks again"
GDB_RUNS_IT = "GDB has let the guest run: 'stop' interrupts it"


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
                self._answer(console, obeyed_line(self._context_of(console), line))

    def obey_while_gdb_moves(self) -> bool:
        """Answer all lines while a GDB has let the guest go; whether one of them wants it to stand."""
        stop = False
        for console in self._consoles:
            while not self._leaving() and (line := console.next_line()) is not None:
                text, stops = line_while_gdb_moves(self._context_of(console), line)
                stop |= stops
                self._answer(console, text)
        return stop

    def _context_of(self, console: MonitorConsole) -> MonitorContext:
        """What a console's command says on the way is shown at once; Ctrl-C there ends it."""
        context = self._context

        def interrupted() -> bool:
            return context.interrupted() or console.interrupted

        return replace(context, interrupted=interrupted, say=console.say)

    def _answer(self, console: MonitorConsole, text: str) -> None:
        console.answer(text, last=self._leaving())


def obeyed_line(context: MonitorContext, line: str) -> str:
    """What a line leads to that was typed without GDB, while the guest stands."""
    if context.control.attached and _name(line) in _MOVING:
        return GDB_HAS_IT + "\n"
    return interpreter.run(context, line).replace(STALE, "")


def line_while_gdb_moves(context: MonitorContext, line: str) -> tuple[str, bool]:
    """The same while a GDB has let the guest go, and whether the line wants it to stand."""
    if _name(line) in ("stop", "quit"):
        return interpreter.run(context, line), True
    if line.split() == ["info", "status"]:
        return "VM status: running\n", False
    return (GDB_RUNS_IT + "\n" if line.strip() else ""), False


def _name(line: str) -> str:
    first = line.split()[:1]
    return interpreter.SHORT.get(first[0], first[0]) if first else ""
