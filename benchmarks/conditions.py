"""A condition tested at each hit of a hot breakpoint: by GDB, and by rdbg. Prints microseconds a hit, both directions.

Run from the repository: python -m benchmarks.conditions [GDB]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.gdb.driver import Gdb, Guest

ELF = Path(__file__).parents[1] / "tests" / "gdb" / "guest" / "counter-el.elf"
HITS = {"host": 1000, "target": 1_000_000}


def measure(gdb: Gdb, where: str, reverse: bool) -> float:
    """Microseconds a hit; the guest counts one up at each."""
    gdb.run("delete")
    gdb.run(f"set breakpoint condition-evaluation {where}")
    hits = HITS[where]
    wanted = gdb.value("count") + (-hits if reverse else hits)
    gdb.run(f"break *{gdb.value('$pc'):#x} if count == {wanted}")
    began = time.perf_counter()
    gdb.run("reverse-continue" if reverse else "continue", timeout=600)
    seconds = time.perf_counter() - began
    assert gdb.value("count") == wanted
    return seconds / hits * 1e6


def main() -> None:
    program = sys.argv[1] if len(sys.argv) > 1 else "gdb-multiarch"
    with Guest("kernel", str(ELF), "--run", "20000000") as guest, Gdb(program, ELF) as gdb:
        gdb.connect(guest.port)
        for reverse in (True, False):
            host, target = (measure(gdb, where, reverse) for where in ("host", "target"))
            direction = "backward" if reverse else "forward"
            print(
                f"{direction:>8}: GDB evaluates {host:8.1f} us, rdbg {target:8.3f} us a hit: {host / target:.0f} times"
            )


if __name__ == "__main__":
    main()
