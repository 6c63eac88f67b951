"""Going back for the first time: each question in a session of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.effort import Effort
from benchmarks.gdb_session import Task, Timing, time_tasks
from benchmarks.guests import LENGTH, LONG, GuestMaker
from benchmarks.progress import tell
from benchmarks.rows import Row, Section, median, target_of, timing_row
from benchmarks.servers import Rdbg
from benchmarks.tasks import breakpoint_tasks, standing_tasks, watch_tasks

_HEADING = "The first question of a session"
_TEXT = """The tables above repeat each question in one session, as someone does who hunts a bug: rdbg then has states
near the places asked about, and knows where a watched range was looked for. Here each run is a new `rdbg replay`,
in which GDB continues to the end of the run and asks this one question. What there is to go back by then is what
recording left on disk: states and the index. A question is asked three times, but not again once its sessions have
taken four seconds: those that stand still for ten are asked once for each recording."""
#: Times that a question is asked at most, and seconds of its sessions after which it is not asked again: the whole part
#: shall take three minutes.
_MOST_TIMES, _ENOUGH_SECONDS = 3, 4.0
_ASKED = (
    "reverse-continue, breakpoint thousand, own page",
    "reverse-continue, breakpoint halfway, own page",
    "reverse-continue, breakpoint start, own page",
    "reverse-continue, breakpoint never, own page",
    "reverse-continue, watch halfway",
    "reverse-continue, watch start",
    "reverse-continue, watch halfway, page of the hot stores",
)


def first_sections(server: Rdbg, guest: GuestMaker, effort: Effort) -> Iterator[Section]:
    """The rows of first questions, as they are measured."""
    runs = [("alu", LENGTH), *([("alu", LONG), ("walk", LONG)] if effort.long else [])]
    short: dict[str, Timing] = {}
    for kind, length in runs:
        tell(f"first questions in {length:.3g} instructions, {kind}")
        timings = _timings(server, guest, kind, length, effort.repeats)
        yield Section(_HEADING, _TEXT, [_row(kind, length, name, each, short) for name, each in timings.items()])
        short = short or timings


def _timings(server: Rdbg, guest: GuestMaker, kind: str, length: int, repeats: int) -> dict[str, Timing]:
    made = guest(kind, length)
    server.record(made)
    known = {task.name: task for task in [*breakpoint_tasks(made), *watch_tasks(made)]}
    tasks = [Task("reverse-stepi", "reverse-stepi"), *(known[name] for name in _ASKED), *standing_tasks(made)]
    timings = {task.name: Timing() for task in tasks}
    for task in tasks:
        timing = timings[task.name]
        began = time.monotonic()
        for _ in range(min(repeats, _MOST_TIMES)):
            if timing.seconds and time.monotonic() - began > _ENOUGH_SECONDS:
                break
            one = time_tasks(server.serve, made, [task], 1, 30, 120)[task.name]
            timing.seconds += one.seconds
            timing.cpu += one.cpu
            timing.trouble = timing.trouble or one.trouble
    return timings


def _row(kind: str, length: int, name: str, timing: Timing, short: dict[str, Timing]) -> Row:
    """A row; what was stood still for takes at most twice as long in a long run."""
    aim = target_of(name) if length == LENGTH else None
    if length != LENGTH and "standing still" in name and name in short and short[name].seconds:
        aim = 2 * median(short[name])
    return timing_row(f"{length:.3g}, {kind}: {name}", timing, None, aim)
