"""Debian's U-Boot for malta, stock GDBs, nothing else: back and forth over its boot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import UBOOT_BIOS
from tests.gdb.answers import START_WORDS, says
from tests.gdb.driver import Gdb, Guest

pytestmark = [pytest.mark.real("u-boot-qemu"), pytest.mark.timeout(900)]

STEPS = 1000
BOOTED = 50_000_000  #: instructions: the prompt has been printed


@pytest.fixture(params=["finished", "live"])
def guest(request: pytest.FixtureRequest) -> Iterator[Guest]:
    finish = ["--finish"] if request.param == "finished" else []
    with Guest("bios", str(UBOOT_BIOS), "--run", str(BOOTED), *finish) as guest:
        yield guest


@pytest.fixture
def gdb(gdb_program: str, guest: Guest) -> Iterator[Gdb]:
    with Gdb(gdb_program) as gdb:
        gdb.connect(guest.port)
        yield gdb


def test_a_thousand_steps_back_and_forward_pass_the_same_registers(gdb: Gdb) -> None:
    # Each prompt makes GDB fetch all registers; its unwinder's complaints about code without symbols are not wanted.
    gdb.run("set heuristic-fence-post 64")
    gdb.run("monitor goto 10%")
    gdb.forget()
    passed = [gdb.registers()]
    for _ in range(STEPS):
        gdb.run("reverse-stepi")
        passed.append(gdb.registers())
    assert len(set(passed)) == STEPS + 1  # Count alone makes every position's registers different
    for expected in reversed(passed[:-1]):
        gdb.run("stepi")
        assert gdb.registers() == expected


def test_reverse_continue_to_a_hot_breakpoint_stops_at_the_latest_hit(gdb: Gdb) -> None:
    gdb.run("set heuristic-fence-post 64")
    gdb.run("monitor goto 50%")
    gdb.forget()
    gdb.run("break *$pc")
    answer = gdb.run("reverse-continue")
    assert "Breakpoint 1" in answer
    position = _position(gdb)
    # Forward from there the next hit of the same breakpoint is at or after where the search began: it was the latest.
    gdb.run("continue")
    assert _position(gdb) > position
    gdb.run("reverse-continue")
    assert _position(gdb) == position
    gdb.run("delete")
    assert says(gdb.run("reverse-continue"), START_WORDS)
    assert gdb.value("$pc") == 0xBFC00000


def test_a_snapshot_brings_the_saved_state_back(gdb: Gdb) -> None:
    gdb.run("monitor goto 40%")
    gdb.forget()
    saved = gdb.registers()
    gdb.run("monitor savevm here")
    gdb.run("monitor goto start")
    gdb.forget()
    assert gdb.registers() != saved
    gdb.run("monitor loadvm here")
    gdb.forget()
    assert gdb.registers() == saved
    gdb.run("stepi")
    gdb.run("reverse-stepi")
    assert gdb.registers() == saved


def test_watching_the_stack_forward_and_back(gdb: Gdb) -> None:
    gdb.run("set heuristic-fence-post 64")
    gdb.run("monitor goto 70%")
    gdb.forget()
    gdb.run(f"watch *(int *) {gdb.value('$sp') - 16:#x}")
    back = gdb.run("reverse-continue")
    assert "Old value" in back and "New value" in back
    before = _position(gdb)
    forward = gdb.run("continue")
    assert "Old value" in forward and "New value" in forward
    assert _position(gdb) == before + 1 or _position(gdb) == before + 2  # two, if the store sits in a delay slot


def _position(gdb: Gdb) -> int:
    return int(gdb.run("monitor when").text.split()[1].rstrip(","))
