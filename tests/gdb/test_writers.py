"""Who wrote this: by whatever address, by a device, by the debugger; and watchpoints that see other addresses too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gdb.answers import START_WORDS, says
from tests.gdb.driver import Gdb, debugged

WORD, FLASH, UART = 0x80200040, 0xBE080000, 0xB80003F8
RUN = 2000


@pytest.fixture
def gdb(gdb_program: str, order: str) -> Iterator[Gdb]:
    with debugged(gdb_program, "aliases", order, RUN) as gdb:
        yield gdb


def asked(gdb: Gdb, question: str) -> list[str]:
    return [line for line in gdb.run(f"monitor {question}").text.splitlines() if line.startswith("icount")]


def at(gdb: Gdb, label: str) -> str:
    return f"pc {gdb.value(f'&{label}'):#010x}"


def in_order(value: int, order: str, size: int = 4) -> str:
    return value.to_bytes(size, {"el": "little", "eb": "big"}[order]).hex(" ")


def test_every_address_of_a_word_names_the_same_writers(gdb: Gdb, order: str) -> None:
    byte, tlb, kseg1, kseg0 = (at(gdb, label) for label in ("by_byte", "by_tlb", "by_kseg1", "by_kseg0"))
    for address in (WORD, WORD | 0x20000000, 0x00400040, 0x00401040):
        lines = asked(gdb, f"writes {address:#x} 4 10")
        assert len(lines) == 4
        assert byte in lines[0] and f"wrote {address + 2:#010x}: 00 -> 66" in lines[0]
        assert tlb in lines[1] and f"{in_order(4, order)} -> {in_order(5, order)}" in lines[1]
        assert kseg1 in lines[2] and f"{in_order(3, order)} -> {in_order(4, order)}" in lines[2]
        assert kseg0 in lines[3] and f"{in_order(0, order)} -> {in_order(3, order)}" in lines[3]
        ways = (0x00400042, 0x00401040, 0xA0200040, 0x80200040)
        for line, way, asked_for in zip(lines, ways, (address + 2, *[address] * 3), strict=True):
            assert (f"(through {way:#010x})" in line) == (way != asked_for)
        # One by one, each says why it is an older one.
        assert asked(gdb, f"lastwrite {address:#x}") == lines[:1]
        again = gdb.run(f"monitor lastwrite {address:#x}").text
        assert lines[1] in again and f"the one at icount {lines[0].split()[1].rstrip(',')})" in again
        gdb.run("monitor lastwrite $sp")  # another question: the next one is asked anew


def test_a_watchpoint_stops_at_writes_by_other_addresses_in_both_directions(gdb: Gdb, order: str) -> None:
    value = 5 | (0x66 << (16 if order == "el" else 8))
    places = [("by_byte", value, 5), ("by_tlb", 5, 4), ("by_kseg1", 4, 3), ("by_kseg0", 3, 0)]
    gdb.run(f"watch *(unsigned int*){WORD:#x}")
    for label, after, before in places:
        answer = gdb.run("reverse-continue")
        assert f"Old value = {after}" in answer and f"New value = {before}" in answer
        assert gdb.value("$pc") == gdb.value(f"&{label}")
    assert says(gdb.run("reverse-continue"), START_WORDS)
    for label, after, before in reversed(places):
        answer = gdb.run("continue")
        assert f"Old value = {before}" in answer and f"New value = {after}" in answer
        assert gdb.value("$pc") == gdb.value(f"&{label}") + 4


def test_flash_was_written_by_the_store_that_made_the_chip_do_it(gdb: Gdb, order: str) -> None:
    erased, programmed = asked(gdb, f"writes {FLASH:#x} 4")
    assert at(gdb, "erased") in erased and f"{in_order(0x12345678, order)} -> ff ff ff ff" in erased
    assert at(gdb, "programmed") in programmed and f"00 00 00 00 -> {in_order(0x12345678, order)}" in programmed
    assert ": device flash wrote" in erased
    (block,) = asked(gdb, f"lastwrite {FLASH + 0x200:#x} 0x100")
    assert at(gdb, "erased") in block and "ff ff... (256 bytes)" in block


def test_a_device_register_shows_the_byte_stored(gdb: Gdb) -> None:
    for address in (UART, UART & ~0x20000000):
        (line,) = asked(gdb, f"lastwrite {address:#x} 1")
        assert at(gdb, "sent") in line and f"wrote {address:#010x}: 41 (a device register)" in line


def test_the_debuggers_writes_are_named_and_found_again(gdb: Gdb, order: str) -> None:
    gdb.run(f"set var *(int*){WORD | 0x20000000:#x} = 77")
    place = int(gdb.run("monitor when").text.split()[1].rstrip(","))
    line = f"icount {place}: the debugger wrote {WORD:#010x}: "
    (last,) = asked(gdb, f"lastwrite {WORD:#x}")
    assert last.startswith(line) and last.endswith(f"-> {in_order(77, order)}")
    gdb.run("stepi")
    gdb.run(f"set var *(char*){WORD + 1:#x} = 5")
    gdb.run("stepi")
    gdb.run("stepi")
    first = asked(gdb, f"writes {WORD:#x}")
    assert "05" in first[0] and first[1] == last and at(gdb, "by_byte") in first[2] and len(first) == 6
    gdb.run("monitor goto start")
    gdb.run(f"monitor goto {place}")
    assert asked(gdb, f"writes {WORD:#x}") == first[1:]
    gdb.run(f"monitor goto {place - 1}")
    assert asked(gdb, f"writes {WORD:#x}") == first[2:]
    gdb.run("monitor goto end")
    assert asked(gdb, f"writes {WORD:#x}") == first


def test_a_branch_has_the_writers_of_the_past_that_it_shares_and_its_own(gdb: Gdb, order: str) -> None:
    main = asked(gdb, f"writes {WORD:#x}")
    gdb.run("monitor goto " + main[1].split()[1].rstrip(","))
    gdb.forget()
    gdb.run("monitor branch other")
    gdb.run(f"set var *(int*){WORD:#x} = 9")
    gdb.run("tbreak done")
    gdb.run("continue")
    own = asked(gdb, f"writes {WORD:#x}")
    assert own[1].replace(in_order(9, order), in_order(4, order)) == main[1]
    assert "the debugger wrote" in own[2] and own[3:] == main[2:]
    gdb.run("monitor switch main")
    assert asked(gdb, f"writes {WORD:#x}") == main[2:]
    gdb.run("monitor goto end")
    assert asked(gdb, f"writes {WORD:#x}") == main
    gdb.run("monitor switch other")
    assert asked(gdb, f"writes {WORD:#x}") == own


def test_load_and_restore_are_the_debuggers_writes(gdb: Gdb, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(bytes(range(64)))
    gdb.run(f"restore {tmp_path}/data binary {WORD - 32:#x}")
    (line,) = asked(gdb, f"lastwrite {WORD:#x} 32")
    assert re.search(r"the debugger wrote 0x80200040: .* -> 20 21 .*2f\.\.\. \(32 bytes\)$", line)
