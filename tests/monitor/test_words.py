"""What users write after ``monitor``: quotes, names, addresses; whatever is wrong gets one line."""

from __future__ import annotations

import re

import pytest

from rdbg.elf.elf_file import read_elf
from rdbg.monitor.command import MonitorContext
from rdbg.monitor.interpreter import commands, run
from rdbg.symbols.table import SymbolTable
from rdbg.timeline import Timeline
from tests.stub.guests import ELF
from tests.stub.wire import run_guest


@pytest.fixture(scope="module")
def timeline() -> Timeline:
    return run_guest(6000, finish=True)


@pytest.fixture
def session(timeline: Timeline) -> MonitorContext:
    timeline.goto(timeline.end)
    return MonitorContext(timeline, lambda: False, lambda: None, SymbolTable(read_elf(ELF.read_bytes())))


def number(session: MonitorContext, name: str) -> int:
    place = session.symbols.find(name)
    assert place is not None
    return place.address


@pytest.mark.parametrize(
    "line",
    [
        "when now",
        "back x",
        "forward x",
        "quit now",
        "branches x",
        "info replay x",
        "help when x",
        "goto start x",
        "lastexec work 4",
        "delvm a b",
    ],
)
def test_a_word_too_many_is_named(session: MonitorContext, line: str) -> None:
    text = run(session, line)
    assert text.count("\n") == 1 and "usage: " in text
    assert f"'{line.split()[2 if len(line.split()) > 2 else 1]}' is too much" in text or "lastexec" in line


@pytest.mark.parametrize("line", ["goto 49", "goto 50", "goto 1001", "goto -1", "goto +7", "goto end"])
def test_virtual_time_is_that_of_the_position(session: MonitorContext, line: str) -> None:
    """It was that of a position up to hundreds of instructions before."""
    run(session, line)
    shown = re.search(r"virtual time (\S+) s", run(session, "when"))
    assert shown and float(shown[1]) == session.timeline.position / 1e9, "a nanosecond each: run_guest has shift 0"


@pytest.mark.parametrize("line", ["savevm", 'savevm ""', "loadvm", 'goto ""', 'bookmark ""', 'branch ""', "switch"])
def test_a_missing_name_is_asked_for(session: MonitorContext, line: str) -> None:
    text = run(session, line)
    assert text.count("\n") == 1 and "usage: " in text


def test_quotes_hold_a_name_together(session: MonitorContext) -> None:
    assert "snapshot 'my name' saved" in run(session, 'savevm "my name"')
    assert "my name" in run(session, "info snapshots")
    assert "quote what has blanks" in run(session, "loadvm my name")
    assert "snapshot 'my name' loaded" in run(session, 'loadvm "my name"')
    assert "deleted" in run(session, 'delvm "my name"')
    assert 'a quote is not closed in: "my\n' in run(session, 'savevm "my')


def test_goto_knows_a_name_with_blanks_without_quotes_too(session: MonitorContext) -> None:
    run(session, "goto 100")
    run(session, 'bookmark "first try"')
    run(session, 'savevm "second try"')
    for name in ("first try", "second try"):
        run(session, "goto start")
        assert "at icount 100," in run(session, f"goto {name}")
    assert "'try' is too much" in run(session, "goto third try")


def test_start_and_end_are_the_ends_whatever_is_called_so(session: MonitorContext) -> None:
    timeline = session.timeline
    run(session, "goto 100")
    run(session, "savevm start")
    run(session, "bookmark end")
    assert f"at icount {timeline.start}," in run(session, "goto start")
    assert f"at icount {timeline.end}," in run(session, "goto end")
    assert "at icount 100," in run(session, "loadvm start")
    run(session, "delvm start")
    run(session, "delbookmark end")


def test_symbols_and_sums_are_addresses(session: MonitorContext) -> None:
    address = number(session, "last")
    expected = run(session, f"writes {address:#x} 4 2")
    assert f"wrote {address:#010x}: " in expected
    for text in ("last", "&last", f"{address:x}", f"{address}", "last+0", "last-4+4", "last-0x4+0x4"):
        assert run(session, f"writes {text} 4 2") == expected, text
    assert f"{address + 2:#010x} (length 1)" in run(session, "lastwrite last+0x10002-0x10000 1") or (
        f"wrote {address + 2:#010x}" in run(session, "lastwrite last+2 1")
    )
    assert run(session, "lastexec work") == run(session, f"lastexec {number(session, 'work'):#x}")


def test_a_symbol_brings_its_length(session: MonitorContext) -> None:
    place = session.symbols.find("work")
    assert place is not None and place.size > 4
    assert f"{place.address:#010x} (length {place.size})" in run(session, "lastwrite work")
    assert f"{place.address:#010x} (length 4)" in run(session, "lastwrite work+0")


def test_registers_are_addresses(session: MonitorContext) -> None:
    stack = session.timeline.machine.read_register(29)
    for text in ("$sp", "$r29", "$sp+0"):
        assert f"{stack:#010x}" in run(session, f"lastwrite {text} 4")
    assert f"{stack - 8 & 0xFFFFFFFF:#010x}" in run(session, "lastwrite $sp-8 4")
    assert run(session, "lastwrite $nothing").startswith("there is no register '$nothing'")


@pytest.mark.parametrize(
    "text", ["&tank.limit", "tank", "*last", "last.x", "last[2]", "0xfffffffffffffffff", "+", "la st", "-", "1e9x", "é"]
)
def test_what_is_no_address_gets_the_cure(session: MonitorContext, text: str) -> None:
    answer = run(session, f'lastwrite "{text}"')
    assert answer.count("\n") == 1
    assert "$REGISTER" in answer and "'print &...'" in answer


def test_a_near_name_is_offered(session: MonitorContext) -> None:
    assert "did you mean last?" in run(session, "lastwrite las")


def test_an_image_without_readable_symbols_has_none() -> None:
    data = ELF.read_bytes()
    assert SymbolTable(read_elf(data)).find("work") is not None
    for damaged in (b"", data[:40], data[:200], data[:-2000], b"\x7fELF" + b"\xff" * 300):
        assert SymbolTable(read_elf(damaged)).find("no such name") is None


def test_the_list_of_commands_fits_a_terminal(session: MonitorContext) -> None:
    listed = run(session, "help")
    assert max(map(len, (listed + run(session, "help info")).splitlines())) <= 100
    for command in commands().values():
        assert " ".join(command.usage.split()) in " ".join(listed.split())


def test_what_a_board_does_not_have_is_said(session: MonitorContext) -> None:
    assert run(session, "info gpio") == "this board has no pins\n"
