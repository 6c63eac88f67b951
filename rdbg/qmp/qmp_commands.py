"""QEMU's QMP commands that this machine has, by their names and in its words (qapi/*.json of QEMU 7.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from rdbg.monitor import control_commands as control
from rdbg.monitor.command import MonitorContext
from rdbg.qmp.qmp_session import VERSION, QmpError
from rdbg.quick_dataclass import dataclass
from rdbg.timeline import StopReason


@dataclass(frozen=True)
class QmpContext:
    """What commands work on.

    Args:
        monitor: the run, as monitors see it.
        obey: obeys a line of the monitor's, and gives its answer.
        recording: gives the file of the journal that is recorded to, or replayed; None: neither.
        name: what the user calls the guest (``-name``), or empty.
    """

    monitor: MonitorContext
    obey: Callable[[str], str]
    recording: Callable[[], str | None]
    name: str = ""


@dataclass(frozen=True)
class QmpCommand:
    """One command.

    Args:
        function: does it, and gives what it returns. Raises QmpError or RdbgError.
        arguments: types of its arguments, by name.
        optional: which of them may be left out.
        while_gdb_moves: whether it can be answered while a GDB has let the guest go.
    """

    function: Callable[[QmpContext, Mapping[str, Any]], object]
    arguments: Mapping[str, type] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    while_gdb_moves: bool = False

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Check what a client has given.

        Raises:
            QmpError: an argument is missing, unknown, or of another type.
        """
        for name, kind in self.arguments.items():
            if name not in arguments:
                if name not in self.optional:
                    raise QmpError(f"Parameter '{name}' is missing")
            elif not isinstance(arguments[name], kind) or (kind is int and isinstance(arguments[name], bool)):
                raise QmpError(f"Invalid parameter type for '{name}', expected: {_TYPES[kind]}")
        for name in arguments:
            if name not in self.arguments:
                raise QmpError(f"Parameter '{name}' is unexpected")


_TYPES = {int: "integer", str: "string", list: "array"}


def run_status(context: MonitorContext) -> str:
    """QEMU's RunState."""
    timeline = context.timeline
    if context.control.running:
        return "running"
    if timeline.exit_code is not None:
        return "shutdown"
    if control.is_prelaunch(context):
        return "prelaunch"
    return "debug" if context.control.attached else "paused"


def _query_status(context: QmpContext, arguments: Mapping[str, Any]) -> object:
    return {
        "status": run_status(context.monitor),
        "singlestep": False,
        "running": context.monitor.control.running,
    }


def _query_replay(context: QmpContext, arguments: Mapping[str, Any]) -> object:
    timeline = context.monitor.timeline
    recording = context.recording()
    mode = "play" if not timeline.live else "record" if recording is not None else "none"
    file = {} if recording is None else {"filename": recording}
    return {"icount": timeline.position, "mode": mode, **file}


def _seek(context: QmpContext, arguments: Mapping[str, Any]) -> object:
    stop = control.seek(context.monitor, arguments["icount"])
    if stop.reason is StopReason.INTERRUPTED:
        raise QmpError(f"interrupted on the way, at icount {stop.position}")
    return {}


def _break(context: QmpContext, arguments: Mapping[str, Any]) -> object:
    control.set_break(context.monitor, arguments["icount"])
    return {}


def _word(line: str) -> Callable[[QmpContext, Mapping[str, Any]], object]:
    """A command that is the monitor's of the same meaning, and returns nothing."""

    def function(context: QmpContext, arguments: Mapping[str, Any]) -> object:
        control.BY_NAME[line].function(context.monitor, [])
        return {}

    return function


def _quit(context: QmpContext, arguments: Mapping[str, Any]) -> object:
    context.monitor.leave()
    return {}


def _human(context: QmpContext, arguments: Mapping[str, Any]) -> object:
    if arguments.get("cpu-index", 0) != 0:
        raise QmpError("Parameter 'cpu-index' expects a CPU number")
    return context.obey(arguments["command-line"]).replace("\n", "\r\n")


def _query_target(context: QmpContext, arguments: Mapping[str, Any]) -> object:
    return {"arch": "mips" if context.monitor.timeline.machine.big_endian else "mipsel"}


#: Where the machine is somewhere else afterwards, behind the back of a GDB.
MOVING = frozenset({"replay-seek", "system_reset"})

COMMANDS: Mapping[str, QmpCommand] = {
    "query-version": QmpCommand(lambda context, arguments: VERSION, while_gdb_moves=True),
    "query-name": QmpCommand(
        lambda context, arguments: {"name": context.name} if context.name else {}, while_gdb_moves=True
    ),
    "query-commands": QmpCommand(
        lambda context, arguments: [{"name": name} for name in ("qmp_capabilities", *COMMANDS)], while_gdb_moves=True
    ),
    "query-status": QmpCommand(_query_status, while_gdb_moves=True),
    "query-target": QmpCommand(_query_target, while_gdb_moves=True),
    "query-replay": QmpCommand(_query_replay),
    "replay-break": QmpCommand(_break, {"icount": int}),
    "replay-delete-break": QmpCommand(_word("replay_delete_break")),
    "replay-seek": QmpCommand(_seek, {"icount": int}),
    "stop": QmpCommand(_word("stop"), while_gdb_moves=True),
    "cont": QmpCommand(_word("cont")),
    "system_reset": QmpCommand(_word("system_reset")),
    "human-monitor-command": QmpCommand(
        _human, {"command-line": str, "cpu-index": int}, frozenset({"cpu-index"}), while_gdb_moves=True
    ),
    "quit": QmpCommand(_quit, while_gdb_moves=True),
}
