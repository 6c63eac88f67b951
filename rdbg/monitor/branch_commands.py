"""``branch branches switch delbranch``: other futures of the run."""

from __future__ import annotations

from rdbg.errors import UsageError
from rdbg.monitor.command import MonitorCommand, MonitorContext, arrival, no_arguments, one_argument

_KEEP = "--keep"
_BRANCH_USAGE = f"branch NAME [{_KEEP}]"


def _branch(context: MonitorContext, arguments: list[str]) -> str:
    keep = _KEEP in arguments
    name = one_argument([word for word in arguments if word != _KEEP], _BRANCH_USAGE)
    if not name.replace("-", "").replace("_", "").isalnum() or name.startswith("-"):
        raise UsageError(f"branch name '{name}': use letters, digits, - and _")
    timeline = context.timeline
    timeline.branch(name, keep)
    where = "kept beside the recording now and when it is left" if keep else "in memory"
    return (
        f"on branch '{name}' at icount {timeline.position}: it goes on from here live, {where}; "
        "'monitor switch main' goes back to the run itself\n"
    )


def _branches(context: MonitorContext, arguments: list[str]) -> str:
    no_arguments(arguments, "branches")
    lines = [f"  {'NAME':<20}{'FROM':<20}{'AT ICOUNT':>16}{'END':>16}"]
    for branch in context.timeline.branches():
        mark = "*" if branch.current else " "
        place = str(branch.fork) if branch.parent else ""
        kept = "  kept" if branch.kept else ""
        lines.append(f"{mark} {branch.name:<20}{branch.parent:<20}{place:>16}{branch.end:>16}{kept}")
    return "\n".join(lines) + "\n"


def _switch(context: MonitorContext, arguments: list[str]) -> str:
    name = one_argument(arguments, "switch NAME")
    return f"on branch '{name}', " + arrival(context, context.timeline.switch(name, context.interrupted))


def _delete(context: MonitorContext, arguments: list[str]) -> str:
    name = one_argument(arguments, "delbranch NAME")
    context.timeline.kept.delete(name)
    return f"branch '{name}' deleted\n"


BRANCH_COMMANDS = (
    MonitorCommand("branch", _BRANCH_USAGE, "go on live from here another way; the old future stays", _branch),
    MonitorCommand("branches", "branches", "all branches, * is the one at hand", _branches),
    MonitorCommand("switch", "switch NAME", "go to another branch; 'main' is the run itself", _switch),
    MonitorCommand("delbranch", "delbranch NAME", "forget a branch, a kept one too", _delete),
)
