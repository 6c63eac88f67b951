"""What a campaign has to say at its end."""

from __future__ import annotations

import json
import shlex
import signal

from rdbg.chaos.campaign import Summary
from rdbg.chaos.keep import FAILURE
from rdbg.chaos.plan import Plan

#: Of failing runs that were not kept, how many seeds are named.
_NAMED = 5


def opening(path: object) -> str:
    """The command that opens a kept run at its failure."""
    return f"rdbg debug {shlex.quote(str(path))} --at {FAILURE}"


def summary_lines(plan: Plan, summary: Summary, first: int, count: int, seconds: float) -> list[str]:
    """The summary for people.

    Args:
        plan: of the campaign.
        summary: of it.
        first: seed of the first run.
        count: of runs that were wanted.
        seconds: that it took.
    """
    failed = f"{summary.failures or 'none'} failed"
    if summary.signal:
        name = signal.Signals(summary.signal).name
        lines = [f"ended by {name} after {summary.runs} of {_runs(count)}: {failed}"]
    else:
        seeds = f"seeds {first} to {first + summary.runs - 1}" if summary.runs > 1 else f"seed {first}"
        speed = summary.runs / seconds if seconds > 0 else 0.0
        lines = [
            f"{_runs(summary.runs)} ({seeds}), {seconds:.1f} s, {speed:.0f} runs/s: {failed}, "
            f"{_counted(len(summary.outcomes), 'distinct outcome')}"
        ]
        for what, times in sorted(summary.outcomes.items(), key=lambda item: (-item[1], item[0])):
            lines.append(f"{times:>8}  {what}")
    for seed, path in sorted(summary.kept.items()):
        outcome = summary.failed[seed]
        lines += [
            "",
            f"seed {seed}: {outcome.what}, at icount {outcome.position}; "
            f"{outcome.held} of {_counted(outcome.asked, 'interrupt')} moved"
            + (f", {_counted(outcome.delayed, 'piece')} of devices' work late" if outcome.delayed else ""),
            f"  {opening(path)}",
            f"  rdbg chaos --shrink {shlex.quote(str(path))}",
        ]
    others = [seed for seed in sorted(summary.failed) if seed not in summary.kept]
    if others:
        named = ", ".join(map(str, others[:_NAMED])) + (", ..." if len(others) > _NAMED else "")
        lines += ["", f"not kept: {_runs(len(others))} that failed in the same ways (seeds {named}); one of them:"]
        lines.append(f"  {shlex.join(plan.command_of(others[0]))}")
    return lines


def summary_object(plan: Plan, summary: Summary, first: int, count: int, seconds: float) -> str:
    """The same as JSON."""
    return json.dumps(
        {
            "seed": first,
            "wanted": count,
            "runs": summary.runs,
            "failures": summary.failures,
            "seconds": round(seconds, 3),
            "signal": signal.Signals(summary.signal).name if summary.signal else None,
            "outcomes": summary.outcomes,
            "failed": [
                {
                    "seed": seed,
                    "condition": outcome.failed,
                    "what": outcome.what,
                    "icount": outcome.position,
                    "end": outcome.end,
                    "seconds": outcome.seconds,
                    "interrupts": outcome.asked,
                    "moved": outcome.held,
                    "delayed": outcome.delayed,
                    "recording": str(summary.kept[seed]) if seed in summary.kept else None,
                    "command": opening(summary.kept[seed]) if seed in summary.kept else None,
                }
                for seed, outcome in sorted(summary.failed.items())
            ],
        },
        indent=2,
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _runs(count: int) -> str:
    return _counted(count, "run")
