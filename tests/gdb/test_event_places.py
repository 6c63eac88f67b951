"""GDB goes to exceptions, interrupts and inputs by number, and from one to the next, forward and back."""

from __future__ import annotations

from tests.gdb.driver import Gdb, debugged
from tests.gdb.test_commands import icount


def at(gdb: Gdb, place: str) -> int:
    gdb.run(f"monitor goto {place}")
    return icount(gdb)


def test_interrupts_are_walked_both_ways(gdb_program: str, order: str) -> None:
    with debugged(gdb_program, "ticks", order, 6000) as gdb:
        first, second, third = (at(gdb, f"interrupt {number}") for number in (1, 2, 3))
        assert first < second < third
        assert at(gdb, "interrupt previous") == second and at(gdb, "interrupt previous") == first
        assert "none of them before here" in gdb.run("monitor goto interrupt previous").text
        assert at(gdb, "interrupt") == second and at(gdb, "interrupt next 1") == third
        gdb.forget()
        assert "handler" in gdb.run("info symbol $pc").text and "begin" in gdb.run("info symbol $epc").text
        last = at(gdb, "interrupt -1")
        gdb.run("monitor back")
        assert icount(gdb) == third < last
        assert (
            gdb.run("monitor interrupts --count")
            .text.strip()
            .endswith(gdb.run("monitor goto interrupt 99999").text.split(" times")[0].split()[-1])
        )
        assert "no instruction raised Bp in this run" in gdb.run("monitor goto exception Bp").text
