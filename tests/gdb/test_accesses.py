"""``monitor accesses`` beside GDB's own watchpoints on the same guests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gdb.driver import GUESTS, Gdb, Guest, debugged
from tests.gdb.test_dma import BUFFER, CHANGES
from tests.gdb.test_stops import SCRATCH, WATCHED, at, stops

UNALIGNED = "*(int *) ((char *) &area + 21)"
#: What of the table each command of GDB is for.
KINDS = {"rwatch": ["--read"], "awatch": []}
WORD, MAPPED = 0x80200040, (0x00400040, 0x00401040)


def asked(gdb: Gdb, question: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gdb.run(f"monitor {question} --json").text.splitlines() if line[:1] == "{"]


@pytest.fixture
def gdb(gdb_program: str, order: str) -> Iterator[Gdb]:
    with debugged(gdb_program, "stops", order, 2000, "--finish") as gdb:
        yield gdb


def place(gdb: Gdb, expression: str) -> str:
    """A range as the table is asked about it."""
    return f"{gdb.value(f'(unsigned) &{expression}'):#x}+{gdb.value(f'sizeof({expression})')}"


def test_rows_are_where_watchpoints_stop(gdb: Gdb) -> None:
    for expression in (*WATCHED.values(), UNALIGNED, SCRATCH):
        for kind, options in KINDS.items():
            stood = gdb.registers()
            rows = asked(gdb, f"accesses {place(gdb, expression)} {' '.join(options)}")
            assert gdb.registers() == stood and len(rows) >= 20
            gdb.run("monitor goto start")
            gdb.forget()
            gdb.run(f"{kind} {expression}")
            assert [pc for _, pc in stops(gdb, "continue", 16)] == [row["pc"] + 4 for row in rows[:16]]
            gdb.run("delete")
            gdb.run("monitor goto end")
            gdb.forget()


def test_values_are_those_that_were_stored_and_loaded(gdb: Gdb) -> None:
    (store, load) = at(gdb, "store_half", "load_half")
    rows = asked(gdb, f"accesses {place(gdb, WATCHED['half'])}")
    first = rows[0]["before"]
    assert first == 0
    expected = []
    for turn in range(1, 21):
        expected += [(store, "write", 2, turn, turn - 1), (load, "read", 2, turn, None)]
    assert [(r["pc"], r["access"], r["size"], r["value"], r["before"]) for r in rows] == expected
    assert {row["by"] for row in rows} == {"cpu"}
    half = asked(gdb, f'accesses {place(gdb, WATCHED["half"])} --write --where "value == 7 && before != 7"')
    assert [row["value"] for row in half] == [7]
    count = gdb.run(f"monitor accesses {place(gdb, WATCHED['half'])} --count").text.strip()
    assert int(count) == len(rows) == 40


def test_each_address_of_a_word_shows_who_used_it(gdb_program: str, order: str) -> None:
    with debugged(gdb_program, "aliases", order, 2000) as gdb:
        labels = at(gdb, "by_kseg0", "by_kseg1", "by_tlb", "by_byte")
        assert [row["pc"] for row in asked(gdb, f"accesses {WORD:#x}+4")] == labels
        by_address = {address: [row["pc"] for row in asked(gdb, f"accesses {address:#x}+4")] for address in MAPPED}
        assert by_address == {MAPPED[0]: [labels[3]], MAPPED[1]: [labels[2]]}
        programmed = asked(gdb, "accesses 0xbe080000+4")
        assert (gdb.value("&programmed"), 0x12345678) in [(row["pc"], row["value"]) for row in programmed]
        assert any(row["by"] == "device flash" for row in programmed)


def test_what_a_device_does_by_dma_is_named(gdb_program: str) -> None:
    elf = GUESTS / "dma-el.elf"
    with (
        Guest("kernel", str(elf), "--run", "600", serve=("-m", "tests.gdb.serve_dma_guest")) as guest,
        Gdb(gdb_program, elf) as gdb,
    ):
        gdb.connect(guest.port)
        rows = asked(gdb, f"accesses {BUFFER:#x}+4")
        read = rows.pop()
        assert (read["access"], read["value"], read["by"], read["pc"]) == (
            "read", 0x34, "copier DMA", gdb.value("&taken")
        )  # fmt: skip
        changes = [(row["before"], row["value"], row["by"]) for row in rows]
        assert changes == [(0, 0x11, "copier DMA"), (0x11, 0x22, "copier DMA"), (0x22, 0x33, "copier DMA"),
                           (0x33, 0x34, "copier DMA, again")]  # fmt: skip
        assert changes[-1][1] == CHANGES[-1][1]
        assert [row["pc"] for row in rows] == [gdb.value("&at_once"), None, None, None]
        gdb.run(f"set var *(unsigned int *) {BUFFER:#x} = 0x55")
        written = asked(gdb, f"accesses {BUFFER:#x}+4 --newest-first --limit 1")
        assert [(row["before"], row["value"], row["by"]) for row in written] == [(0x34, 0x55, "the debugger")]


def test_bad_input_is_one_line(gdb_program: str) -> None:
    with debugged(gdb_program, "stops", "el", 100) as gdb:
        for words, complaint in (
            ("", "usage: accesses A..B"),
            ("0x80200010..0x80200000", "is no range"),
            ("0x80200010", "how many bytes"),
            ("0x80200010+0", "at least 1"),
            ("0xfffffff0+32", "no further than the address space"),
            ("no_such_thing", "no_such_thing"),
            ('0x80200010+4 --where "valu == 1"', "valu"),
        ):
            answer = gdb.run(f"monitor accesses {words}".rstrip()).text
            assert complaint in answer and answer.count("\n") == 1, answer
