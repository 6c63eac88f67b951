"""``savevm loadvm delvm``."""

from __future__ import annotations

from rdbg.errors import UsageError
from rdbg.monitor.command import MonitorCommand, MonitorContext, arrival, one_argument, recording_state


def _save(context: MonitorContext, arguments: list[str]) -> str:
    name = one_argument(arguments, "savevm NAME")
    if context.timeline.scratch.active:
        raise UsageError("a scratch branch keeps no snapshots; name it first: monitor branch NAME")
    context.timeline.snapshots.save(name)
    return f"snapshot '{name}' saved at icount {context.timeline.position}\n{recording_state(context, naming=True)}"


def _load(context: MonitorContext, arguments: list[str]) -> str:
    name = one_argument(arguments, "loadvm NAME")
    context.timeline.scratch.drop()
    return f"snapshot '{name}' loaded, " + arrival(context, context.timeline.snapshots.load(name))


def _delete(context: MonitorContext, arguments: list[str]) -> str:
    name = one_argument(arguments, "delvm NAME")
    context.timeline.snapshots.delete(name)
    return f"snapshot '{name}' deleted\n"


SNAPSHOT_COMMANDS = (
    MonitorCommand("savevm", "savevm NAME", "keep the state of this moment under a name", _save),
    MonitorCommand("loadvm", "loadvm NAME", "go to a named snapshot", _load),
    MonitorCommand("delvm", "delvm NAME", "delete a named snapshot", _delete),
)
