"""A kernel developer's session: from a panic back to its cause, with stock GDBs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gdb.answers import END_WORDS, START_WORDS, says
from tests.gdb.driver import Gdb
from tests.linux.conftest import LOOP, WRITES, Recording

pytestmark = [pytest.mark.real("linux-image-4kc-malta:mipsel"), pytest.mark.timeout(900)]

UNMAPPED = 0x0000_0010
#: Of each busybox process: where Debian's static binary is linked.
USER_TEXT = (0x0040_0000, 0x0080_0000)


@pytest.fixture
def gdb(gdb_program: str, replaying: int, symbols: Path) -> Iterator[Gdb]:
    with Gdb(gdb_program, symbols) as gdb:
        gdb.run("set heuristic-fence-post 64")
        gdb.connect(replaying)
        goto(gdb, "end")
        yield gdb


def goto(gdb: Gdb, place: str) -> None:
    gdb.run(f"monitor goto {place}", timeout=300)
    gdb.forget()


def position(gdb: Gdb) -> int:
    return int(gdb.run("monitor when").text.split()[1].rstrip(","))


def test_from_the_panic_back_to_the_write_that_asked_for_it(gdb: Gdb) -> None:
    gdb.run("break panic")
    gdb.run("break write_sysrq_trigger")
    answer = gdb.run("reverse-continue", timeout=300)
    assert "Breakpoint 1" in answer and "panic" in answer
    panicked = position(gdb)
    assert "sysrq triggered crash" in gdb.run("x/s $a0")
    answer = gdb.run("reverse-continue", timeout=300)
    assert "Breakpoint 2" in answer and "write_sysrq_trigger" in answer
    assert position(gdb) < panicked
    assert gdb.value("$a1") < 0x8000_0000 and gdb.value("$a2") == len("c\n")
    gdb.run("tbreak __handle_sysrq")
    gdb.run("continue", timeout=300)
    assert gdb.value("$a0") == ord("c")
    gdb.run("continue", timeout=300)
    assert position(gdb) == panicked


def test_to_the_panic_by_its_name_and_to_exceptions_by_number(gdb: Gdb) -> None:
    goto(gdb, "panic")
    panicked = position(gdb)
    goto(gdb, 'output "Kernel panic" -1')
    assert position(gdb) == panicked
    goto(gdb, "exception Sys previous")
    last = position(gdb)
    assert last < panicked and "syscall" in gdb.run("x/i $pc").text
    goto(gdb, "exception sys previous 2")
    assert "syscall" in gdb.run("x/i $pc").text and position(gdb) < last
    goto(gdb, "exception Sys next 2")
    assert position(gdb) == last
    goto(gdb, "interrupt previous")
    taken = position(gdb)
    assert taken < last and gdb.value("$pc") & 0xFFF in (0x180, 0x200)
    goto(gdb, "interrupt previous 2")
    goto(gdb, "interrupt next 2")
    assert position(gdb) == taken
    goto(gdb, "exception Sys 1")
    assert "syscall" in gdb.run("x/i $pc").text
    assert "did not print a kernel's oops" in gdb.run("monitor goto oops").text


def test_to_the_oops_of_another_future(gdb: Gdb) -> None:
    gdb.run("break write_sysrq_trigger")
    gdb.run("reverse-continue", timeout=300)
    gdb.run("delete")
    here = position(gdb)
    gdb.run("monitor branch astray")
    gdb.run("set $pc = 0x1000")
    gdb.run("continue", timeout=300)
    goto(gdb, "oops 1")
    assert here < position(gdb)
    assert "Oops[#1]" in gdb.run("monitor output serial --from -20000 --to +20000").text
    goto(gdb, 'output "Unable to handle kernel" previous')
    assert here < position(gdb)
    gdb.run("monitor switch main")
    gdb.run("monitor delbranch astray")
    assert "did not print a kernel's oops" in gdb.run("monitor goto oops").text


def test_a_system_call_made_thousands_of_times(gdb: Gdb, recording: Recording) -> None:
    assert f"counted to {WRITES}" in recording.answers[LOOP]
    gdb.run("break ksys_write")
    gdb.run("reverse-continue", timeout=300)
    last = position(gdb)
    before = [last]
    for _ in range(5):
        assert "Breakpoint 1" in gdb.run("reverse-continue", timeout=300)
        before.append(position(gdb))
    assert before == sorted(before, reverse=True) and len(set(before)) == 6
    gdb.run("reverse-continue 100", timeout=300)
    gdb.run("ignore 1 99")
    gdb.run("continue", timeout=300)
    assert position(gdb) == before[-1]
    for expected in reversed(before[:-1]):
        gdb.run("continue", timeout=300)
        assert position(gdb) == expected


def test_watching_jiffies_forward_and_back(gdb: Gdb) -> None:
    goto(gdb, "90%")
    gdb.run("watch *(unsigned *) &jiffies")
    places, values = [], []
    for _ in range(3):
        assert "New value" in gdb.run("continue", timeout=300)
        places.append(position(gdb))
        values.append(gdb.value("*(unsigned *) &jiffies"))
    assert values == [values[0], values[0] + 1, values[0] + 2]
    for value, place in zip(reversed(values), reversed(places), strict=True):
        answer = gdb.run("reverse-continue", timeout=300)
        assert "Old value" in answer and "New value" in answer
        assert gdb.value("*(unsigned *) &jiffies") == (value - 1) & 0xFFFF_FFFF
        assert place - 2 <= position(gdb) < place


def test_to_the_start_of_the_kernel(gdb: Gdb) -> None:
    gdb.run("break start_kernel")
    assert "start_kernel" in gdb.run("reverse-continue", timeout=300)
    assert says(gdb.run("reverse-continue", timeout=300), START_WORDS)
    assert gdb.value("$pc") == 0xBFC0_0000


def test_breakpoints_in_user_space(gdb: Gdb) -> None:
    # The shell's own system call: its return address lies in busybox.
    gdb.run("break write_sysrq_trigger")
    gdb.run("reverse-continue", timeout=300)
    gdb.run("delete")
    gdb.run("tbreak *$epc")  # the syscall instruction
    epc = gdb.value("$epc")
    assert USER_TEXT[0] <= epc < USER_TEXT[1]
    gdb.run("reverse-continue", timeout=300)
    assert gdb.value("$pc") == epc
    assert gdb.value("*(unsigned *) $pc") == 0x0000000C
    back = gdb.registers()
    gdb.run("reverse-stepi")
    assert gdb.value("$pc") != epc
    gdb.run("stepi")
    assert gdb.registers() == back


def test_memory_that_is_not_mapped(gdb: Gdb) -> None:
    assert re.search(r"Cannot access memory at address 0x10", str(gdb.run(f"x/x {UNMAPPED}")))
    assert "Cannot access memory" in gdb.run("x/x 0xfffff000").errors


def test_the_recorded_end_is_the_end(gdb: Gdb) -> None:
    end = position(gdb)
    assert says(gdb.run("continue", timeout=300), END_WORDS)
    assert position(gdb) == end
