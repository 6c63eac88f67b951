"""``record``: a live run is kept after all."""

from __future__ import annotations

import os

from rdbg.errors import UsageError
from rdbg.monitor.command import MonitorCommand, MonitorContext, one_argument

_FORCE = "--force"
_USAGE = f"record FILE [{_FORCE}]"


def _record(context: MonitorContext, arguments: list[str]) -> str:
    force = _FORCE in arguments
    path = os.path.abspath(one_argument([word for word in arguments if word != _FORCE], _USAGE))
    if context.control.record is None:
        raise UsageError("this run cannot be recorded: it has no session that could go on recording it")
    context.control.record(path, force)
    timeline = context.timeline
    return (
        f"icount {timeline.start} to {timeline.end} is in {path}, and the run goes on into it until it ends "
        "('monitor quit' closes it)\n"
    )


RECORD_COMMANDS = (
    MonitorCommand("record", _USAGE, "keep this live run, from power-on, as a recording that it goes on into", _record),
)
