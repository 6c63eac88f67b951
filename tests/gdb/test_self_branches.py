"""Instructions that branch to themselves, through a real GDB: a step goes once around, and stays where it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gdb.driver import Gdb, debugged

#: bnez $t0, itself; addiu $t0, $t0, -1; b itself; addiu $t1, $t1, 1
CODE = (0x1500FFFF, 0x2508FFFF, 0x1000FFFF, 0x25290001)


@pytest.fixture
def gdb(gdb_program: str, order: str) -> Iterator[Gdb]:
    """Before a loop that counts $t0 down to 0, and another one that counts $t1 up for ever."""
    with debugged(gdb_program, "counter", order, 1000) as gdb:
        for at, word in enumerate(CODE):
            gdb.run(f"set var *(unsigned *) ($pc + {4 * at}) = {word:#x}")
        gdb.run("set var $t0 = 3")
        gdb.run("set var $t1 = 0")
        yield gdb


def position(gdb: Gdb) -> int:
    return int(gdb.run("monitor when").text.split()[1].rstrip(","))


def test_a_step_goes_once_around_a_loop_of_one_branch(gdb: Gdb) -> None:
    begin, at = gdb.value("$pc"), position(gdb)
    for left in (2, 1, 0):
        gdb.run("stepi")
        assert (gdb.value("$t0"), gdb.value("$pc")) == (left, begin)
    gdb.run("stepi")
    assert (gdb.value("$t0"), gdb.value("$pc"), position(gdb)) == (0xFFFFFFFF, begin + 8, at + 8)
    gdb.run("stepi 5")
    gdb.run("nexti")
    assert (gdb.value("$t1"), gdb.value("$pc"), position(gdb)) == (6, begin + 8, at + 20)
    gdb.run("reverse-stepi")
    assert (gdb.value("$t1"), gdb.value("$pc"), position(gdb)) == (5, begin + 8, at + 18)
    gdb.run("reverse-stepi 6")
    assert (gdb.value("$t0"), gdb.value("$pc"), position(gdb)) == (0, begin, at + 6)


def test_a_breakpoint_on_it_is_met_each_time_around(gdb: Gdb) -> None:
    begin, at = gdb.value("$pc") + 8, position(gdb)
    gdb.run(f"break *{begin:#x}")
    gdb.run("continue")
    assert (gdb.value("$pc"), gdb.value("$t1"), position(gdb)) == (begin, 0, at + 8)
    for times in (1, 2, 3):
        assert gdb.run("continue").stops
        assert (gdb.value("$pc"), gdb.value("$t1")) == (begin, times)
    gdb.run("stepi")
    assert gdb.value("$t1") == 4
    gdb.run("reverse-continue")
    assert (gdb.value("$pc"), gdb.value("$t1")) == (begin, 3)
    gdb.run("condition 1 $t1 == 9")
    gdb.run("continue")
    assert (gdb.value("$pc"), gdb.value("$t1")) == (begin, 9)
    gdb.run("stepi")
    assert (gdb.value("$pc"), gdb.value("$t1")) == (begin, 10)


def test_a_watched_slot_is_met_each_time_around(gdb: Gdb) -> None:
    word = gdb.value("&last")
    gdb.run(f"set var *(unsigned *) ($pc + 12) = {0xAD490000:#x}")  # sw $t1, 0($t2)
    gdb.run(f"set var $t2 = {word:#x}")
    gdb.run("watch last")
    for value in (7, 8):
        gdb.run(f"set var $t1 = {value}")
        assert f"New value = {value}" in gdb.run("continue")
