"""Whether the guest runs by itself, and ``stop cont system_reset ui info status``: QEMU's commands for it."""

from __future__ import annotations

from rdbg.analysis.whole_number import whole_number
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.errors import UsageError
from rdbg.monitor.command import MonitorCommand, MonitorContext, arrival, no_arguments, one_argument
from rdbg.timeline import Stop


def _stop(context: MonitorContext, arguments: list[str]) -> str:
    no_arguments(arguments, "stop")
    context.control.stopped = True
    return ""


def _continue(context: MonitorContext, arguments: list[str]) -> str:
    no_arguments(arguments, "cont")
    if context.control.attached:
        raise UsageError("GDB is connected and holds the guest: its 'continue' lets it go on, or 'detach'")
    context.control.stopped = False
    return ""


def _reset(context: MonitorContext, arguments: list[str]) -> str:
    no_arguments(arguments, "system_reset")
    context.timeline.live_end.require("the machine")
    if context.control.request is None:
        raise UsageError("nothing can be put into this run from outside")
    context.control.request(InputEvent(0, InputKind.RESET))
    return "the machine is reset when it goes on\n" if context.control.stopped else ""


def seek(context: MonitorContext, position: int) -> Stop:
    """Go to an instruction count; the guest stands there, as in QEMU.

    Raises:
        UsageError: it is not in the history.
    """
    timeline, control = context.timeline, context.control
    if not timeline.start <= position <= timeline.end:
        raise UsageError(
            f"cannot seek to the specified instruction count: the history goes from {timeline.start} to {timeline.end}"
        )
    timeline.scratch.drop()
    control.moving = control.stopped = True
    try:
        return timeline.goto(position, context.interrupted)
    finally:
        control.moving = False


def _seek(context: MonitorContext, arguments: list[str]) -> str:
    return arrival(context, seek(context, whole_number(one_argument(arguments, "replay_seek ICOUNT"), "icount")))


def set_break(context: MonitorContext, position: int) -> None:
    """Let the run stop once at an instruction count.

    Raises:
        UsageError: it has passed it.
    """
    if position <= context.timeline.position:
        raise UsageError(
            f"cannot set breakpoint at the instruction in the past: this is icount {context.timeline.position}"
        )
    context.timeline.break_at = position


def _break(context: MonitorContext, arguments: list[str]) -> str:
    set_break(context, whole_number(one_argument(arguments, "replay_break ICOUNT"), "icount"))
    return ""


def _delete_break(context: MonitorContext, arguments: list[str]) -> str:
    no_arguments(arguments, "replay_delete_break")
    context.timeline.break_at = None
    return ""


def _page(context: MonitorContext, arguments: list[str]) -> str:
    no_arguments(arguments, "ui")
    if not context.control.page:
        raise UsageError("no page shows this run; rdbg ui, or rdbg debug --ui, begins one with it")
    return f"{context.control.page}\n"


def is_prelaunch(context: MonitorContext) -> bool:
    """Whether the guest has not begun to run."""
    return context.timeline.live and context.timeline.end == context.timeline.start


def status(context: MonitorContext, arguments: list[str]) -> str:
    """``info status``, in QEMU's words."""
    if context.control.runs:
        return "VM status: running\n"
    return f"VM status: paused{' (prelaunch)' if is_prelaunch(context) else ''}\n"


CONTROL_COMMANDS = (
    MonitorCommand("stop", "stop", "let the guest stand", _stop),
    MonitorCommand("cont", "cont", "let the guest go on; under GDB that is GDB's continue", _continue),
    MonitorCommand("system_reset", "system_reset", "reset the machine, here in the present of a live run", _reset),
    MonitorCommand("replay_seek", "replay_seek ICOUNT", "the same as 'goto ICOUNT'", _seek),
    MonitorCommand("replay_break", "replay_break ICOUNT", "stop once when this instruction count is reached", _break),
    MonitorCommand("replay_delete_break", "replay_delete_break", "forget what replay_break has set", _delete_break),
    MonitorCommand("ui", "ui", "the address of the page that shows this run in a browser", _page),
)
#: The same by name.
BY_NAME = {command.name: command for command in CONTROL_COMMANDS}
