"""A GDB that takes the 64-bit toy for a RISC-V: 64-bit addresses, instructions of 2 and 4 bytes, both directions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gdb.driver import Gdb, Guest
from tests.gdb.serve_toy import PLACES, PROGRAM
from tests.timeline.toy64 import Toy64

SERVE = ("-m", "tests.gdb.serve_toy")
STORE, BEHIND = PLACES[0], PLACES[1]


@pytest.fixture
def gdb(gdb_program: str) -> Iterator[Gdb]:
    with Guest(serve=SERVE) as guest, Gdb(gdb_program) as gdb:
        gdb.run("set osabi none")  # for Linux it steps by decoding instructions, which the toy has not
        gdb.connect(guest.port)
        yield gdb


def value(gdb: Gdb, expression: str) -> int:
    return int(gdb.run(f"output/x {expression}").text, 16)


def test_registers_and_addresses_have_64_bits(gdb: Gdb) -> None:
    assert "riscv:rv64" in gdb.run("show architecture")
    assert value(gdb, "sizeof($pc)") == value(gdb, "sizeof($x10)") == 8
    assert value(gdb, "$pc") in PLACES and value(gdb, "$pc") >> 63
    gdb.run("monitor goto start")
    gdb.forget()
    assert value(gdb, "$pc") == PLACES[0]
    assert f"pc {PLACES[0]:#018x}" in gdb.run("monitor when")


def test_steps_go_over_instructions_of_either_length_and_back(gdb: Gdb) -> None:
    gdb.run("monitor goto start")
    gdb.forget()
    seen = [value(gdb, "$pc")]
    for _ in range(30):
        gdb.run("stepi")
        seen.append(value(gdb, "$pc"))
    assert {later - earlier for earlier, later in zip(seen, seen[1:], strict=False)} >= {2, 4}
    for expected in reversed(seen[:-1]):
        gdb.run("reverse-stepi")
        assert value(gdb, "$pc") == expected


def test_breakpoints_and_watchpoints_in_both_directions(gdb: Gdb) -> None:
    gdb.run(f"break *{BEHIND:#x}")
    gdb.run("reverse-continue")
    assert value(gdb, "$pc") == BEHIND
    last = value(gdb, "$x11")
    assert value(gdb, f"*(unsigned int *) {Toy64.data:#x}") == last & 0xFFFF_FFFF
    gdb.run("delete")
    gdb.run(f"watch *(unsigned int *) {Toy64.data:#x}")
    gdb.run("reverse-continue")  # before the store
    assert value(gdb, "$pc") == STORE
    gdb.run("continue")
    assert value(gdb, "$pc") == BEHIND and value(gdb, "$x11") == last
    gdb.run("delete")
    assert "[Nn]o more" in gdb.run("reverse-continue") or value(gdb, "$pc") == PLACES[0]
    assert f"pc {PLACES[0]:#018x}" in gdb.run("monitor when") and "icount 0," in gdb.run("monitor when")


def test_who_wrote_it_is_told_with_all_digits(gdb: Gdb) -> None:
    told = gdb.run(f"monitor lastwrite {Toy64.data:#x}").text
    assert f"pc {STORE:#018x} wrote {Toy64.data:#018x}" in told and len(PROGRAM) == len(PLACES)
