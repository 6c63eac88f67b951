"""Timings taken inside a real GDB, connected to a server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.guests import Guest
from benchmarks.servers import Served


@dataclass(frozen=True)
class Task:
    """Something to time.

    Args:
        name: of its row.
        timed: the GDB command.
        prepare: GDB commands before it, not timed.
        times: how often in one go.
        finish: GDB commands after it.
        from_end: whether it begins at the end of the guest's run.
        expect: what GDB must print, or empty.
        expect_pc: where it must end, or None.
    """

    name: str
    timed: str
    prepare: tuple[str, ...] = ()
    times: int = 1
    finish: tuple[str, ...] = ()
    from_end: bool = True
    expect: str = ""
    expect_pc: int | None = None


@dataclass
class Timing:
    """What was measured of a task.

    Args:
        seconds: each single time.
        cpu: CPU seconds of the server for each go.
        trouble: why it is not as it should be, or empty.
        output: what GDB printed last.
        memory_kb: of the server (VmRSS), the last time.
    """

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    output: str = ""
    memory_kb: int = 0
    trouble: str = ""


def time_tasks(
    serve: Callable[[Guest], Served],
    guest: Guest,
    tasks: Sequence[Task],
    repeats: int,
    budget: float,
    timeout: float,
) -> dict[str, Timing]:
    """Time tasks in turn, in as many sessions as it takes: a task that takes too long ends its session.

    Args:
        serve: starts the server.
        guest: what runs.
        tasks: what to time.
        repeats: rounds over all tasks.
        budget: seconds after which a task is not repeated.
        timeout: seconds after which a single task is given up.
    """
    timings: dict[str, Timing] = {task.name: Timing() for task in tasks}
    left = list(tasks)
    while left:
        given_up = _session(serve, guest, left, repeats, budget, timeout, timings)
        if given_up is None:
            break
        if given_up not in timings:
            for task in left:
                timings[task.name].trouble = timings[task.name].trouble or f"no session: {given_up}"
            break
        if not timings[given_up].seconds and not timings[given_up].trouble:
            timings[given_up].trouble = f"did not finish within {timeout:.0f} s"
        at = next(number for number, task in enumerate(left) if task.name == given_up)
        left = [task for number, task in enumerate(left) if number > at and not timings[task.name].seconds]
    return timings


def _session(
    serve: Callable[[Guest], Served],
    guest: Guest,
    tasks: Sequence[Task],
    repeats: int,
    budget: float,
    timeout: float,
    timings: dict[str, Timing],
) -> str | None:
    """Returns the task that did not end, or None."""
    with tempfile.TemporaryDirectory() as folder, serve(guest) as server:
        result = Path(folder) / "result"
        result.touch()
        log = Path(folder) / "log"
        plan = Path(folder) / "plan"
        plan.write_text(
            json.dumps(
                {
                    "elf": str(guest.elf),
                    "port": server.port,
                    "pid": server.process.pid,
                    "end": guest.symbols.get("bench_end"),
                    "result": str(result),
                    "log": str(log),
                    "repeats": repeats,
                    "budget": budget,
                    "tasks": [asdict(task) for task in tasks],
                }
            )
        )
        with log.open("w") as output:
            gdb = subprocess.Popen(
                [gdb_program(), "--nx", "--quiet", "--batch", "-x", str(Path(__file__).with_name("in_gdb.py"))],
                env={**os.environ, "BENCH_PLAN": str(plan)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        seen, last = 0, time.monotonic()
        while gdb.poll() is None:
            time.sleep(0.05)
            size = result.stat().st_size
            if size != seen:
                seen, last = size, time.monotonic()
            if time.monotonic() - last > timeout:
                gdb.kill()
                gdb.wait()
                break
        lines = [json.loads(line) for line in result.read_text().splitlines()]
        by_name = {task.name: task for task in tasks}
        begun = "nothing"
        for line in lines:
            begun = line.get("begin", begun)
            if line.get("task") in by_name:
                _note(by_name[line["task"]], line, timings[line["task"]])
        if lines and "done" in lines[-1]:
            return None
        if gdb.returncode != -9 and begun in timings:
            timings[begun].trouble = _in_words((log.read_text().strip().splitlines() or ["GDB ended"])[-1])
        return begun if begun in by_name else log.read_text()[-300:]


def _note(task: Task, line: dict[str, object], timing: Timing) -> None:
    seconds, output = line["seconds"], str(line["output"])
    assert isinstance(seconds, list)
    timing.seconds += seconds
    timing.cpu.append(float(str(line["cpu"])))
    timing.output, timing.memory_kb = output, int(str(line["memory_kb"]))
    if task.expect and task.expect not in output:
        timing.trouble = f"GDB printed {output.strip()[-120:]!r}"
    elif task.expect_pc is not None and line["pc"] != task.expect_pc:
        timing.trouble = f"ended at {line['pc']:#x}, not at {task.expect_pc:#x}"


def _in_words(error: str) -> str:
    """Why a session ended, from GDB's last line."""
    if "not being run" in error or "Remote connection closed" in error:
        return "fails: the program is gone"
    return f"fails: {error.removeprefix('gdb.error: ')}"


def gdb_program() -> str:
    """A GDB with MIPS and Python."""
    for name in ("gdb-multiarch", "gdb"):
        found = shutil.which(name)
        if found:
            return found
    raise RuntimeError("no GDB found; on Debian: apt install gdb-multiarch")
