"""The situations that Renode tests its reverse execution with, on this machine. docs/gdb.md says which is which."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gdb.answers import HERE, START_WORDS, says
from tests.gdb.driver import Gdb, Guest


@pytest.fixture(params=["el", "eb"])
def elf(request: pytest.FixtureRequest) -> Path:
    return HERE / f"counter-{request.param}.elf"


@pytest.fixture
def gdb(gdb_program: str, elf: Path) -> Iterator[Gdb]:
    """A live run at its first instruction: nothing is recorded, and going back works at once."""
    order = ["--big-endian"] if "-eb" in elf.name else []
    with Guest("kernel", str(elf), *order) as guest, Gdb(gdb_program, elf) as gdb:
        gdb.connect(guest.port)
        yield gdb


def place(gdb: Gdb) -> tuple[int, int]:
    """Where the guest stands: instruction count and PC."""
    found = re.search(r"icount (\d+),.* pc (0x[0-9a-f]+)", gdb.run("monitor when").text)
    assert found is not None
    return int(found[1]), int(found[2], 16)


def address(gdb: Gdb, expression: str) -> int:
    return gdb.value(f"(unsigned long) {expression}")


def call_in_begin(gdb: Gdb) -> int:
    """Address of begin's call of work."""
    for offset in range(0, 64, 4):
        if "jal" in gdb.run(f"x/i {address(gdb, '&begin') + offset:#x}").text:
            return address(gdb, "&begin") + offset
    raise AssertionError("begin calls nothing")


def test_registers_are_what_they_were(gdb: Gdb) -> None:
    gdb.run("tbreak work")
    gdb.run("continue")
    before = gdb.registers()
    gdb.run("stepi")
    between = gdb.registers()
    gdb.run("reverse-stepi")
    assert gdb.registers() == before != between
    gdb.forget()
    assert gdb.registers() == before


def test_back_over_a_call(gdb: Gdb) -> None:
    gdb.run(f"break *{call_in_begin(gdb):#x}")
    gdb.run("continue")
    here = place(gdb)
    gdb.run("stepi")
    assert place(gdb)[1] == address(gdb, "&work")
    gdb.run("reverse-stepi")
    assert place(gdb) == here


def test_forward_to_the_breakpoint_just_left_backward(gdb: Gdb) -> None:
    begin = address(gdb, "&begin")
    gdb.run(f"break *{begin:#x}")
    gdb.run(f"break *{begin + 4:#x}")
    gdb.run("continue")
    gdb.run("continue")
    here = place(gdb)
    gdb.run("reverse-stepi")
    assert "Breakpoint 2" in gdb.run("continue") and place(gdb) == here


def test_nothing_has_to_be_saved_before_going_back(gdb: Gdb) -> None:
    gdb.run("stepi")
    here = place(gdb)
    gdb.run("stepi")
    gdb.run("reverse-stepi")
    assert place(gdb) == here


def test_three_steps_back(gdb: Gdb) -> None:
    gdb.run("tbreak work")
    gdb.run("continue")
    here = place(gdb)
    gdb.run("stepi 3")
    assert place(gdb)[0] >= here[0] + 3
    gdb.run("reverse-stepi 3")
    assert place(gdb) == here


def test_a_breakpoint_on_the_instruction_before(gdb: Gdb) -> None:
    gdb.run("break work")
    gdb.run("continue")
    here = place(gdb)
    gdb.run("stepi")
    assert "Breakpoint 1" in gdb.run("reverse-continue") and place(gdb) == here


def test_to_the_beginning(gdb: Gdb) -> None:
    gdb.run("break work")
    gdb.run("continue")
    assert says(gdb.run("reverse-continue"), START_WORDS)
    assert place(gdb) == (0, 0xBFC00000)


def test_a_deleted_breakpoint_does_not_stop(gdb: Gdb) -> None:
    gdb.run("break work")
    gdb.run("break note")
    gdb.run("continue")
    here = place(gdb)
    gdb.run("continue")
    gdb.run("stepi")
    gdb.run("delete 2")
    gdb.run("reverse-continue")
    assert place(gdb) == here


def test_continue_and_reverse_continue_with_a_count(gdb: Gdb) -> None:
    gdb.run("break note")
    gdb.run("continue")
    gdb.run("continue")
    here = place(gdb)
    gdb.run("continue 2")
    gdb.run("reverse-continue 2")
    assert place(gdb) == here


def test_both_branches_are_visited(gdb: Gdb) -> None:
    """Change a register before a comparison, and the guest goes the other way."""
    note = address(gdb, "&note")
    gdb.run(f"break *{note:#x}")
    gdb.run("watch last")
    gdb.run("continue")
    assert "New value = 3" in gdb.run("continue")
    gdb.run("reverse-continue")  # back over the store
    gdb.run("reverse-continue")
    assert place(gdb)[1] == note
    gdb.run("set $a0 = 1337")
    assert "New value = 1337" in gdb.run("continue")
    gdb.run("monitor switch main")
    gdb.forget()
    gdb.run("continue")
    assert gdb.value("last") in (0, 3)


def test_back_from_an_infinite_loop(gdb: Gdb) -> None:
    """It was left by Ctrl-C, somewhere; one step back is one step back, however long it has run."""
    gdb.run("tbreak begin")
    gdb.run("continue")
    here = place(gdb)
    gdb.send("continue")
    time.sleep(0.3)
    gdb.interrupt()
    assert "SIGINT" in gdb.wait(stop=True)
    there = place(gdb)
    gdb.run("reverse-stepi")
    assert there[0] - 2 <= place(gdb)[0] < there[0]
    gdb.run("break begin")
    gdb.run("reverse-continue")
    assert place(gdb) == here


def test_the_trace_of_packets_goes_on_after_going_back(gdb_program: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    words = ["-kernel", str(HERE / "counter-el.elf"), "-serial", "null", "-d", "rsp", "-D", str(trace), "--gdb-program"]
    steps = [word for step in ("stepi", "reverse-stepi", "stepi 2") for word in ("--ex", step)]
    command = [sys.executable, "-m", "rdbg", "debug", *words, gdb_program, *steps, "--batch"]
    subprocess.run(command, check=False, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    said = trace.read_text()
    assert said.index("<- bs") < said.rindex("<- vCont;c")
