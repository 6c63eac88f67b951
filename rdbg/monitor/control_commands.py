"""Whether the guest runs by itself, and ``stop cont system_reset ui info status``: QEMU's commands for it."""

from __future__ import annotations

from rdbg.analysis.whole_number import whole_number
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.errors import UsageError
from rdbg.monitor.command import MonitorCommand, MonitorContext, arrival, no_arguments, one_argument


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
    context.timeline.require_live_end("the machine")
    if context.control.request is None:
        raise UsageError("nothing can be put into this run from outside")
    context.control.request(InputEvent(0, InputKind.RESET))
    return "the machine is reset when it goes on\n" if context.control.stopped else ""


def _seek(context: MonitorContext, arguments: list[str]) -> str:
    position = whole_number(one_argument(arguments, "replay_seek ICOUNT"), "icount")
    timeline = context.timeline
    if not timeline.start <= position <= timeline.end:
        raise UsageError(
            f"cannot seek to the specified instruction count: the history goes from {timeline.start} to {timeline.end}"
        )
    timeline.scratch.drop()
    return arrival(context, timeline.goto(position, context.interrupted))


def _break(context: MonitorContext, arguments: list[str]) -> str:
    position = whole_number(one_argument(arguments, "replay_break ICOUNT"), "icount")
    if position <= context.timeline.position:
        raise UsageError(
            f"cannot set breakpoint at the instruction in the past: this is icount {context.timeline.position}"
        )
    context.timeline.break_at = position
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


def status(context: MonitorContext, arguments: list[str]) -> str:
    """``info status``, in QEMU's words."""
    timeline = context.timeline
    if not context.control.attached and not context.control.stopped:
        return "VM status: running\n"
    return f"VM status: paused{' (prelaunch)' if timeline.live and timeline.end == timeline.start else ''}\n"


CONTROL_COMMANDS = (
    MonitorCommand("stop", "stop", "let the guest stand", _stop),
    MonitorCommand("cont", "cont", "let the guest go on; under GDB that is GDB's continue", _continue),
    MonitorCommand("system_reset", "system_reset", "reset the machine, here in the present of a live run", _reset),
    MonitorCommand("replay_seek", "replay_seek ICOUNT", "the same as 'goto ICOUNT'", _seek),
    MonitorCommand("replay_break", "replay_break ICOUNT", "stop once when this instruction count is reached", _break),
    MonitorCommand("replay_delete_break", "replay_delete_break", "forget what replay_break has set", _delete_break),
    MonitorCommand("ui", "ui", "the address of the page that shows this run in a browser", _page),
)
