"""``branch branches switch``: other futures of the run."""

from __future__ import annotations

from rdbg.errors import UsageError
from rdbg.monitor.command import MonitorCommand, MonitorContext, arrival, no_arguments, one_argument


def _branch(context: MonitorContext, arguments: list[str]) -> str:
    name = one_argument(arguments, "branch NAME")
    if not name.replace("-", "").replace("_", "").isalnum():
        raise UsageError(f"branch name '{name}': use letters, digits, - and _")
    timeline = context.timeline
    timeline.branch(name)
    return (
        f"on branch '{name}' at icount {timeline.position}: it goes on from here live, in memory; "
        "'monitor switch main' goes back to the run itself\n"
    )


def _branches(context: MonitorContext, arguments: list[str]) -> str:
    no_arguments(arguments, "branches")
    lines = [f"  {'NAME':<20}{'FROM':<20}{'AT ICOUNT':>16}{'END':>16}"]
    for branch in context.timeline.branches():
        mark = "*" if branch.current else " "
        place = str(branch.fork) if branch.parent else ""
        lines.append(f"{mark} {branch.name:<20}{branch.parent:<20}{place:>16}{branch.end:>16}")
    return "\n".join(lines) + "\n"


def _switch(context: MonitorContext, arguments: list[str]) -> str:
    name = one_argument(arguments, "switch NAME")
    return f"on branch '{name}', " + arrival(context, context.timeline.switch(name, context.interrupted))


BRANCH_COMMANDS = (
    MonitorCommand("branch", "branch NAME", "go on live from here another way; the old future stays", _branch),
    MonitorCommand("branches", "branches", "all branches, * is the one at hand", _branches),
    MonitorCommand("switch", "switch NAME", "go to another branch; 'main' is the run itself", _switch),
)
