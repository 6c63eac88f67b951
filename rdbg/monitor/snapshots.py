"""``savevm loadvm delvm``."""

from __future__ import annotations

from rdbg.errors import UsageError
from rdbg.monitor.command import Command, Session, arrival, one_argument, recording_state


def _save(session: Session, arguments: list[str]) -> str:
    name = one_argument(arguments, "savevm NAME")
    if session.timeline.on_scratch:
        raise UsageError("a scratch branch keeps no snapshots; name it first: monitor branch NAME")
    session.timeline.save_snapshot(name)
    return f"snapshot '{name}' saved at icount {session.timeline.position}\n{recording_state(session, naming=True)}"


def _load(session: Session, arguments: list[str]) -> str:
    name = one_argument(arguments, "loadvm NAME")
    session.timeline.drop_scratch()
    return f"snapshot '{name}' loaded, " + arrival(session.timeline.load_snapshot(name))


def _delete(session: Session, arguments: list[str]) -> str:
    name = one_argument(arguments, "delvm NAME")
    session.timeline.delete_snapshot(name)
    return f"snapshot '{name}' deleted\n"


SNAPSHOT_COMMANDS = (
    Command("savevm", "savevm NAME", "keep the state of this moment under a name", _save),
    Command("loadvm", "loadvm NAME", "go to a named snapshot", _load),
    Command("delvm", "delvm NAME", "delete a named snapshot", _delete),
)
