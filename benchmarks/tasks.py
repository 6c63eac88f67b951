"""What is timed through GDB."""

from __future__ import annotations

from benchmarks.gdb_session import Task
from benchmarks.guests import Guest

BEGIN = "No more reverse-execution history"


def breakpoint_tasks(guest: Guest) -> list[Task]:
    """``reverse-continue`` to breakpoints, from the end of the run."""
    tasks = []
    for where in ("own", "hot"):
        for when in ("thousand", "halfway", "start"):
            at = guest.symbols[f"{where}_{when}"]
            name = f"reverse-continue, breakpoint {when}, {where} page"
            tasks.append(Task(name, "reverse-continue", (f"break *{at:#x}",), expect="Breakpoint", expect_pc=at))
        at = guest.symbols[f"{where}_never"]
        name = f"reverse-continue, breakpoint never, {where} page"
        tasks.append(Task(name, "reverse-continue", (f"break *{at:#x}",), expect=BEGIN))
    at = guest.symbols["hot_loop"]
    tasks.append(
        Task(
            "reverse-continue, breakpoint in the hot loop",
            "reverse-continue",
            (f"break *{at:#x}",),
            expect="Breakpoint",
            expect_pc=at,
        )
    )
    return tasks


def watch_tasks(guest: Guest) -> list[Task]:
    """``reverse-continue`` to write watchpoints, from the end of the run."""
    tasks = []
    for when in ("near", "halfway", "start", "never"):
        name = f"reverse-continue, watch {when}"
        expect = BEGIN if when == "never" else "Old value"
        tasks.append(Task(name, "reverse-continue", (f"watch written_{when}.value",), expect=expect))
    name = "reverse-continue, watch halfway, page of the hot stores"
    tasks.append(Task(name, "reverse-continue", ("watch beside_halfway",), expect="Old value"))
    return tasks


def standing_tasks(guest: Guest, seconds: int = 10) -> list[Task]:
    """Questions that are asked for the first time after GDB has stood still for a while, and at once."""
    beside, at = "watch beside_halfway", guest.symbols["hot_loop"]
    condition = ("set breakpoint always-inserted on", f"break *{at:#x} if $a0 == 0x7fffffff")
    stand = f"shell sleep {seconds}"
    after = f"after {seconds} s of standing still"
    word = "reverse-continue, watch halfway, page of the hot stores"
    never = "reverse-continue, condition in the hot loop that never holds"
    memory = "reverse-continue, condition on memory in the hot loop that never holds"
    return [
        Task(f"{word}, {after}", "reverse-continue", (stand, beside), expect="Old value"),
        Task(memory, "reverse-continue", (f"break *{at:#x} if written_never.value == 1",), expect=BEGIN),
        Task(never, "reverse-continue", condition, expect=BEGIN),
        Task(f"{never}, {after}", "reverse-continue", (*condition, stand), expect=BEGIN),
    ]


def step_tasks(guest: Guest, single: int, many: int) -> list[Task]:
    """Steps near the end of the run.

    Args:
        guest: what runs.
        single: how many single steps.
        many: how many in one command.
    """
    return [
        Task("reverse-stepi", "reverse-stepi", times=single),
        Task("stepi after reverse-stepi", "stepi", (f"reverse-stepi {min(single, 20)}",), times=min(single, 20)),
        Task(f"reverse-stepi {many}", f"reverse-stepi {many}"),
        Task(
            "reverse-next over a call that prints",
            "reverse-next",
            (f"break {guest.after_print}", "reverse-continue", "delete"),
            expect=f"{int(guest.after_print.split(':')[1]) - 1}\t",
        ),
    ]


def anywhere_tasks(places: int, steps: int) -> list[Task]:
    """Single steps back at many places of the run.

    Args:
        places: how many places, spread over the run.
        steps: steps at each.
    """
    tasks = []
    for n in range(places):
        percent = (n * 61.803398875 + 13) % 98 + 1
        prepare = (f"monitor goto {percent:.5f}%", "maintenance flush register-cache")
        tasks.append(Task(f"anywhere {n}", "reverse-stepi", prepare, times=steps, from_end=False))
    return tasks
