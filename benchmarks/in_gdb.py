"""Runs inside GDB: does what it is told, and times it.

GDB is started with ``-x`` this file and, in the environment, BENCH_PLAN: a JSON file (see `benchmarks.gdb_session`).
Each measurement is appended to the plan's result file as one line of JSON.
"""

from __future__ import annotations

import glob
import json
import os
import time
from typing import Any, TextIO

import gdb  # type: ignore[import-untyped, import-not-found, unused-ignore]


def server_cpu(pid: int) -> float:
    """CPU seconds that the server's threads have used."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        try:
            with open(path) as file:
                total += int(file.read().split()[0])
        except OSError:
            pass
    return total / 1e9


def memory_kb(pid: int) -> int:
    """The server's resident memory."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def say(command: str) -> str:
    """A command's output."""
    return str(gdb.execute(command, to_string=True))


def pc() -> int:
    """Where the guest stands."""
    return int(gdb.parse_and_eval("$pc")) & 0xFFFFFFFF


def to_end(end: int | None) -> None:
    """Forward to the end of what the guest does: an address, or where the recording ends."""
    say("delete")
    if end is None:
        say("monitor goto end")
        say("maintenance flush register-cache")
        return
    if pc() != end:
        say(f"tbreak *{end:#x}")
        say("continue")
    if pc() != end:
        raise gdb.GdbError(f"stands at {pc():#x} instead of the end")


def measure(plan: dict[str, Any], task: dict[str, Any], result: TextIO) -> float:
    """Do a task once; gives the seconds it took in all."""
    began = time.perf_counter()
    pid = plan["pid"]
    if task["from_end"]:
        to_end(plan["end"])
    for command in task["prepare"]:
        say(command)
    seconds, output = [], ""
    gdb.flush()
    printed = os.path.getsize(plan["log"])
    cpu = server_cpu(pid)
    for _ in range(task["times"]):
        start = time.perf_counter()
        output = say(task["timed"])
        seconds.append(time.perf_counter() - start)
    cpu = server_cpu(pid) - cpu
    gdb.flush()
    with open(plan["log"], errors="replace") as log:  # GDB announces stops there, not in what say() gives
        log.seek(printed)
        output += log.read()
    record = {"task": task["name"], "seconds": seconds, "cpu": cpu, "pc": pc(), "output": output[-800:]}
    record["memory_kb"] = memory_kb(pid)
    for command in task["finish"]:
        say(command)
    result.write(json.dumps(record) + "\n")
    result.flush()
    return time.perf_counter() - began


def main() -> None:
    """Obey the plan."""
    with open(os.environ["BENCH_PLAN"]) as file:
        plan = json.load(file)
    for command in ("set confirm off", "set pagination off", "set height 0", "set width 0", "set remotetimeout 3600"):
        say(command)
    say(f"file {plan['elf']}")
    say(f"target remote 127.0.0.1:{plan['port']}")
    spent: dict[str, float] = {}
    with open(plan["result"], "a") as result:
        start = time.perf_counter()
        to_end(plan["end"])
        first = {"task": "to the end", "seconds": [time.perf_counter() - start], "cpu": 0, "pc": pc(), "output": ""}
        result.write(json.dumps(first) + "\n")
        result.flush()
        for _ in range(plan["repeats"]):
            for task in plan["tasks"]:
                name = task["name"]
                if spent.get(name, 0.0) < plan["budget"]:
                    result.write(json.dumps({"begin": name}) + "\n")
                    result.flush()
                    spent[name] = spent.get(name, 0.0) + measure(plan, task, result)
        result.write(json.dumps({"done": True}) + "\n")


main()
gdb.execute("kill")
gdb.execute("quit")
