"""What a monitor command is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING

from rdbg.errors import UsageError
from rdbg.host.progress import SILENT, Progress
from rdbg.monitor.run_control import RunControl
from rdbg.quick_dataclass import dataclass
from rdbg.symbols.table import SymbolTable
from rdbg.timeline import Stop, StopReason, Timeline

if TYPE_CHECKING:
    from rdbg.analysis.question import MakePool


def _to_nobody(text: str) -> None:
    pass


@dataclass(frozen=True)
class MonitorContext:
    """What commands work on.

    Args:
        timeline: the run.
        interrupted: asked during movements: whether the user wants them to end.
        leave: ends rdbg.
        symbols: names in the guest's image.
        control: whether the guest runs by itself.
        say: shows text while a command is still at work.
        progress: told how far a command has come.
        make_pool: who answers questions to the whole run; None: this process alone.
    """

    timeline: Timeline
    interrupted: Callable[[], bool]
    leave: Callable[[], None]
    symbols: SymbolTable = field(default_factory=SymbolTable)
    control: RunControl = field(default_factory=RunControl)
    say: Callable[[str], None] = field(default=_to_nobody)
    progress: Progress = field(default=SILENT)
    make_pool: MakePool | None = None


@dataclass(frozen=True)
class MonitorCommand:
    """One command.

    Args:
        name: the first word.
        usage: the command with its arguments, as ``help`` shows it.
        help: what it does, in a phrase.
        function: given the words after the name; gives the text for the user. Raises RdbgError.
    """

    name: str
    usage: str
    help: str
    function: Callable[[MonitorContext, list[str]], str]


#: GDB keeps registers and memory until the guest runs, and no packet can make it look again.
STALE = (
    "GDB still holds the old registers, and its watchpoints the old values: 'maintenance flush register-cache' "
    "(GDB before 12: 'flushregs') and 'enable N' for each watchpoint make it read them again; "
    "the script rdbg.gdb does it by itself\n"
)


def no_arguments(arguments: list[str], usage: str) -> None:
    """Check that nothing follows a command.

    Raises:
        UsageError: something does.
    """
    if arguments:
        raise UsageError(f"'{arguments[0]}' is too much; usage: {usage}")


def one_argument(arguments: list[str], usage: str) -> str:
    """The only argument.

    Raises:
        UsageError: there are more, or none, or it is empty.
    """
    if not arguments or not arguments[0]:
        raise UsageError(f"usage: {usage}")
    if len(arguments) > 1:
        blanks = ' (quote what has blanks: "...")' if usage.endswith("NAME") else ""
        raise UsageError(f"'{arguments[1]}' is too much; usage: {usage}{blanks}")
    return arguments[0]


def arrival(context: MonitorContext, stop: Stop) -> str:
    """Where a jump has led."""
    note = {
        StopReason.HISTORY_START: " (the start of the history)",
        StopReason.HISTORY_END: " (the end of the history)",
        StopReason.INTERRUPTED: " (interrupted on the way)",
    }.get(stop.reason, "")
    pc = context.timeline.machine.architecture.shown(stop.pc)
    return f"at icount {stop.position}, pc {pc}{note}\n{STALE}"


def recording_state(context: MonitorContext, naming: bool = False) -> str:
    """A line that says that the recording of this run broke off; empty if it did not.

    Args:
        context: what the command works on.
        naming: the command gave something a name, which is kept in vain.
    """
    failure = context.timeline.recording_failure
    if failure is None:
        return ""
    outcome = "the name lasts as long as this session" if naming else "the run goes on, unrecorded"
    return f"{failure}; {outcome}\n"
