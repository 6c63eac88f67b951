"""GDB asks where a value came from, and stays where it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import rdbg
from tests.gdb.driver import Gdb, Guest
from tests.gdb.test_commands import TANK, icount
from tests.processes import served

SCRIPT = TANK.parents[2] / "rdbg" / "gdb" / "rdbg_gdb.py"


@pytest.fixture
def at_the_alarm(gdb_program: str) -> Iterator[Gdb]:
    with Guest("kernel", str(TANK), "--run", "7000000", "--finish") as guest, Gdb(gdb_program, TANK) as gdb:
        gdb.run(f"source {SCRIPT}")
        gdb.connect(guest.port)
        gdb.run("break alarm")
        gdb.send("reverse-continue")
        assert "alarm" in gdb.wait(stop=True).text
        yield gdb


def test_origin_goes_from_the_limit_back_to_the_sample_that_was_computed(at_the_alarm: Gdb) -> None:
    gdb = at_the_alarm
    before, registers = icount(gdb), gdb.registers()
    limit = gdb.value("tank.limit")
    assert limit != 900
    said = gdb.run("rdbg origin tank.limit").text
    steps = [line for line in said.splitlines() if "icount" in line]
    assert f"value {limit:#x}" in steps[0] and "record_sample" in steps[0] and "stored to" in steps[0]
    assert re.search(r" in timer_interrupt at \S*tank.c:\d+.* loaded from", steps[1])
    assert re.search(r" in measure at \S*tank.c:\d+.*: addu: .*: computed, value", steps[-1])
    assert (icount(gdb), gdb.registers()) == (before, registers)
    address = gdb.value("(unsigned)&tank.limit")
    assert gdb.run(f"monitor origin {address:#x} 4").text.splitlines()[0] == re.sub(
        r" in \w+ at \S+?:\d+", "", steps[0]
    )
    # The way it was called with: the register has what memory had.
    of_register = gdb.run("rdbg origin $a1").text
    assert f"loaded from {address:#x}" in of_register and " in record_sample" in of_register
    # Each step can be gone to, and there the next instruction is the one that was named.
    at = int(re.findall(r"icount (\d+)", said)[0])
    gdb.run(f"monitor goto {at}")
    gdb.forget()
    assert gdb.value("tank.limit") == 900
    assert "sw" in gdb.run("x/i $pc").text


def test_a_place_that_rdbg_can_name_too_is_named_once(gdb_program: str, tmp_path: Path) -> None:
    recording = tmp_path / "tank.rec"
    assert rdbg("record", "-o", recording, "--", "-kernel", TANK, "-serial", "null").returncode == 0
    with served(["replay", str(recording), "-S", "-serial", "null"]) as port, Gdb(gdb_program, TANK) as gdb:
        gdb.run(f"source {SCRIPT}")
        gdb.connect(port)
        gdb.run("rdbg goto end")
        ours = gdb.run(f"monitor origin {gdb.value('(unsigned)&tank.limit'):#x} 4").text.splitlines()[0]
        assert re.search(r", pc 0x\w+ record_sample\+0x\w+: sw: ", ours)
        first = gdb.run("rdbg origin tank.limit").text.splitlines()[0]
        assert re.search(r", pc 0x\w+ in record_sample at \S*tank.c:\d+: sw: ", first), first


def test_lastset_names_the_instruction(at_the_alarm: Gdb) -> None:
    gdb = at_the_alarm
    limit = gdb.value("$a1")
    said = gdb.run("monitor lastset a1").text
    found = re.search(r"icount (\d+), pc (0x[0-9a-f]+).*: lw set a1 = (0x[0-9a-f]+)", said)
    assert found is not None and int(found[3], 16) == limit, said
    before = icount(gdb)
    assert before > int(found[1])
    same = gdb.run(f"monitor lastset a1 == {limit:#x}").text
    assert same.splitlines()[0] == said.splitlines()[0]
    assert "was not set to 0x12345678" in gdb.run("monitor lastset a1 == 0x12345678").text
    go = re.search(r"monitor goto (\d+)", said)
    assert go is not None
    gdb.run(f"monitor goto {go[1]}")
    gdb.forget()
    assert gdb.value("$pc") & 0xFFFFFFFF in (int(found[2], 16), int(found[2], 16) - 4)


def test_what_cannot_be_asked_is_one_line(at_the_alarm: Gdb) -> None:
    gdb = at_the_alarm
    for command, words in [
        ("monitor origin", "usage: origin"),
        ("monitor origin $nothing", "no register"),
        ("monitor origin 0x80100000 0", "length 0"),
        ("monitor lastset", "usage: lastset"),
        ("monitor lastset nothing", "no register 'nothing'"),
        ("rdbg origin", "usage: rdbg origin"),
        ("rdbg origin 1 + 1", "has no address"),
        ("rdbg origin nowhere", "No symbol"),
    ]:
        said = gdb.run(command).text
        assert words in said and "Traceback" not in said, (command, said)
