"""Changing the past from GDB: scratch branches, named ones, and calls of the guest's functions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gdb.driver import Gdb, Guest

HERE = Path(__file__).parent / "guest"


@pytest.fixture(params=["el"])
def elf(request: pytest.FixtureRequest) -> Path:
    return HERE / f"counter-{request.param}.elf"


@pytest.fixture(params=["finished", "live"])
def gdb(request: pytest.FixtureRequest, gdb_program: str, elf: Path) -> Iterator[Gdb]:
    options = ["--big-endian"] if "eb" in elf.name else []
    options += ["--finish"] if request.param == "finished" else []
    with Guest("kernel", str(elf), "--run", "6000", *options) as guest, Gdb(gdb_program, elf) as gdb:
        gdb.connect(guest.port)
        gdb.run("break note if value == 43")
        gdb.run("reverse-continue")
        gdb.run("delete")
        yield gdb


def position(gdb: Gdb) -> int:
    return int(gdb.run("monitor when").text.split("icount ")[-1].split(",")[0])


def test_a_call_in_the_past_leaves_the_run_as_it_was(gdb: Gdb) -> None:
    here, registers = position(gdb), gdb.registers()
    last, count = gdb.value("last"), gdb.value("count")
    assert "$1 = 3" in gdb.run("print work(4)")  # counts up, and sets 'last'
    gdb.forget()
    assert "is undone" in gdb.run("monitor when")
    assert (position(gdb), gdb.registers()) == (here, registers)
    assert (gdb.value("last"), gdb.value("count")) == (last, count)
    assert "scratch" not in gdb.run("monitor branches")
    assert "$2 = 13" in gdb.run("print work(14)")
    gdb.run("stepi")
    gdb.run("reverse-stepi")
    assert (position(gdb), gdb.registers()) == (here, registers)


def test_a_call_on_a_changed_past_keeps_the_change(gdb: Gdb) -> None:
    gdb.run("set var last = 1234")
    assert "$1 = 1234" in gdb.run("print work(0)")
    assert gdb.value("last") == 1234
    assert "$2 = 3" in gdb.run("print work(4)")
    assert gdb.value("last") == 1234


def test_a_changed_register_takes_the_guest_another_way_until_one_goes_back(gdb: Gdb) -> None:
    here, registers = position(gdb), gdb.registers()
    gdb.run("set $a0 = 99")
    gdb.run("watch last")
    answer = gdb.run("continue")
    assert "New value = 99" in answer and "scratch branch" in answer
    assert "on branch 'scratch'" in gdb.run("monitor when")
    gdb.run("delete")
    gdb.run("break work")
    assert "scratch branch is dropped" in gdb.run("reverse-continue")
    gdb.run("delete")
    gdb.run(f"monitor goto {here}")
    gdb.forget()
    assert gdb.registers() == registers
    gdb.run("watch last")
    assert "New value = 43" in gdb.run("continue")


def test_a_jump_leaves_the_scratch_branch(gdb: Gdb) -> None:
    value = gdb.value("last")
    here = position(gdb)
    gdb.run("set var last = 77")
    gdb.run("monitor goto start")
    gdb.run(f"monitor goto {here}")
    gdb.forget()
    assert gdb.value("last") == value


def test_a_named_branch_and_back(gdb: Gdb) -> None:
    here, registers = position(gdb), gdb.registers()
    assert "on branch 'other'" in gdb.run("monitor branch other")
    gdb.run("set $a0 = 99")
    gdb.run("break note if value == 93")
    gdb.run("continue")
    there = position(gdb)
    assert there > here
    branches = gdb.run("monitor branches")
    assert "* other" in branches and "main" in branches
    assert "on branch 'main'" in gdb.run("monitor switch main")
    gdb.forget()
    assert (position(gdb), gdb.registers()) == (here, registers)
    gdb.run("monitor switch other")
    gdb.forget()
    assert position(gdb) == there and gdb.value("$a0") == 93
    gdb.run("delete")
    gdb.run("watch last")
    gdb.run("reverse-continue")
    assert "there is no branch 'x'; there are: main, other" in gdb.run("monitor switch x")
    assert "there is a branch 'main' already" in gdb.run("monitor branch main")


def test_a_call_at_the_live_end(gdb_program: str, elf: Path) -> None:
    options = ["--big-endian"] if "eb" in elf.name else []
    with Guest("kernel", str(elf), "--run", "6000", *options) as guest, Gdb(gdb_program, elf) as gdb:
        gdb.connect(guest.port)
        start, pc = position(gdb), gdb.value("$pc")
        assert "$1 = 3" in gdb.run("print work(4)")
        assert gdb.value("$pc") == pc and gdb.value("last") == 3 and position(gdb) > start
        gdb.run("reverse-stepi")
        gdb.run("monitor goto end")
        gdb.forget()
        assert gdb.value("$pc") == pc and gdb.value("last") == 3


@pytest.mark.parametrize("back", [0, 3, 30])
def test_a_call_across_the_end_of_a_recording(gdb_program: str, elf: Path, back: int) -> None:
    options = ["--big-endian"] if "eb" in elf.name else []
    with Guest("kernel", str(elf), "--run", "6000", "--finish", *options) as guest, Gdb(gdb_program, elf) as gdb:
        gdb.connect(guest.port)
        gdb.run(f"monitor goto {guest.end - back}")
        gdb.forget()
        here, registers, last = position(gdb), gdb.registers(), gdb.value("last")
        assert "= 43" in gdb.run("print work(50)")
        gdb.forget()
        assert (position(gdb), gdb.registers(), gdb.value("last")) == (here, registers, last)
        assert f"0..{guest.end}," in gdb.run("monitor when") and "scratch" not in gdb.run("monitor branches")


def test_snapshots_of_the_shared_past_are_listed_and_loaded_on_a_branch(gdb: Gdb) -> None:
    gdb.run("monitor goto 20%")
    place = position(gdb)
    gdb.run("monitor savevm shared")
    gdb.run("monitor goto 60%")
    gdb.run("monitor savevm later")
    gdb.run("monitor goto 40%")
    gdb.run("monitor branch other")
    listed = gdb.run("monitor info snapshots").text
    assert "shared" in listed and "'later' of icount" in listed and "on branch 'main': 'monitor switch main'" in listed
    assert f"snapshot 'shared' loaded, at icount {place}," in gdb.run("monitor loadvm shared")
    assert position(gdb) == place and "on branch 'other'" in gdb.run("monitor when")
    assert "Error: snapshot 'later' is of icount" in gdb.run("monitor loadvm later")
    assert f"at icount {place}," in gdb.run("monitor goto shared")
    gdb.run("monitor switch main")
    assert "loaded" in gdb.run("monitor loadvm later") and "on branch" not in gdb.run("monitor info snapshots")
