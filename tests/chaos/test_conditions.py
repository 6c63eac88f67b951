"""What makes a run fail, and where its recording stands then."""

from __future__ import annotations

from pathlib import Path

import pytest

from rdbg.chaos.conditions import OutputWatcher, parse_condition
from rdbg.chaos.plan import Plan, symbol_table
from rdbg.chaos.runner import Limits
from rdbg.chaos.watch_expression import parse_watch_expression
from rdbg.emu.endpoint import serial_port
from rdbg.emu.spec import Image, MachineSpec
from rdbg.errors import UsageError
from tests.chaos.guests import RACES, plan, run_plain, run_seed
from tests.emu.guests import LOOP, NOP, WAIT, lui, sw

EXITS = Path(__file__).parents[1] / "exits" / "guest"
SUM = 55  # what that guest ends with
LOST = symbol_table((RACES / "lost_update.elf").read_bytes())


def code_plan(words: list[int], *fail_on: str, limits: Limits | None = None) -> Plan:
    """Runs of a few instructions, the guest's firmware."""
    data = b"".join(word.to_bytes(4, "little") for word in words)
    image = Image("bios", "code", data)
    return Plan(
        MachineSpec("malta", "24Kf", False, 16 << 20, 3, (image,), sleep=False),
        None,
        fail_on,
        limits=limits or Limits(),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a condition"),
        ("exits", "not a condition"),
        ("exit:3", "not a condition"),
        ("output:", "not a condition"),
        ("output:(", "not a regular expression"),
        ("watch:", "not a condition"),
        ("hang:0", "not a time"),
        ("hang:soon", "not a time"),
        ("hang:nan", "not a time"),
        ("hang:-1", "not a time"),
    ],
)
def test_wrong_conditions_are_named(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_condition(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("counter >", "not an expression"),
        ("1 + 1", "reads nothing"),
        ("countr > 1", "did you mean counter"),
        ("counter / 2", "means nothing here"),
        ("counter.real", "means nothing here"),
        ("__import__('os')", "means nothing here"),
        ("'text' == counter", "means nothing here"),
        ("word(counter)", "an address that is itself read"),
        ("word(0x80100002)", "not aligned"),
        ("counter" + " + counter" * 5000, "not an expression|means nothing"),
    ],
)
def test_wrong_expressions_are_named(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_watch_expression(text, LOST)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("counter", 7),
        ("counter == 7 and not interrupts", 1),
        ("word(address(counter)) * 2 - 1", 13),
        ("byte(address(counter) + 0) | 8", 15),
        ("half(address(counter)) << 4", 112),
        ("1 < counter < 7", 0),
        ("-counter + 7 or interrupts", 0),
        ("~counter & 0xf", 8),
    ],
)
def test_expressions_are_computed_where_the_guest_stands(text: str, value: int) -> None:
    guest = plan("lost_update", "exit").runner().guest
    place = LOST.find("counter")
    assert place is not None
    guest.machine.system.write_backing("ram", place.address & 0x1FFFFFFF, (7).to_bytes(4, "little"))
    assert parse_watch_expression(text, LOST).value(guest.machine) == value


def test_a_match_is_found_however_the_output_comes() -> None:
    for size in (1, 3, 100):
        watcher = OutputWatcher((parse_condition("output:LOST [1-9]"),))
        text = b"a line\r\nLOST 0\r\nLOST 12\r\nmore\r\n"
        for at in range(0, len(text), size):
            watcher(at, serial_port(1), text[at : at + size])
        assert watcher.found is not None and watcher.found[1] == (21 // size) * size
        assert watcher.line() == "LOST 12"


def test_ports_do_not_mix() -> None:
    watcher = OutputWatcher((parse_condition("output:LOST"),))
    watcher(1, serial_port(0), b"LO")
    watcher(2, serial_port(1), b"ST")
    assert watcher.found is None


@pytest.mark.parametrize("order", ["el", "eb"])
def test_the_exit_code_of_a_guest_counts(order: str) -> None:
    board = EXITS / f"board-{ {'el': 'little', 'eb': 'big'}[order] }.toml"
    images = (
        Image("board", str(board), board.read_bytes()),
        Image("kernel", "register", (EXITS / f"register-{order}.elf").read_bytes()),
    )
    spec = MachineSpec("bare", "24Kf", order == "eb", 16 << 20, 3, images, sleep=False)
    guest = Plan(spec, None, ("exit",))
    outcome = run_plain(guest, guest.runner()).outcome
    assert (outcome.failed, outcome.what) == ("exit", f"exit: the guest ended with code {SUM}")
    other = Plan(spec, None, ("panic",))
    assert run_plain(other, other.runner()).outcome.failed == ""


def test_a_hang_is_told_by_the_guests_time() -> None:
    guest = code_plan([LOOP, NOP], "hang:0.002")
    outcome = run_plain(guest, guest.runner()).outcome
    assert outcome.failed == "hang" and 0.002 <= outcome.seconds < 0.003
    passing = code_plan([LOOP, NOP], "exit", limits=Limits(seconds=0.002))
    assert run_plain(passing, passing.runner()).outcome.failed == ""


def test_a_guest_that_ends_later_hangs_also_between_two_looks_at_the_time() -> None:
    for seconds, failed in (("0.0001", "hang"), ("0.001", "")):
        guest = plan("rare_update", f"hang:{seconds}")
        outcome = run_plain(guest, guest.runner()).outcome
        assert outcome.failed == failed and 0.0001 < outcome.seconds < 0.001


def test_a_guest_that_sleeps_for_ever_hangs_at_once() -> None:
    guest = code_plan([WAIT, LOOP, NOP], "hang:1000")
    outcome = run_plain(guest, guest.runner()).outcome
    assert outcome.what == "hang: sleeps for ever" and outcome.end < 100


def test_the_hosts_patience_has_an_end() -> None:
    guest = code_plan([LOOP, NOP], "hang:1000", limits=Limits(patience=0.05))
    outcome = run_plain(guest, guest.runner()).outcome
    assert outcome.failed == "hang" and not outcome.repeatable


def test_a_watch_ends_the_run_behind_the_store_that_makes_it_true() -> None:
    code = [lui(4, 0x8020), lui(2, 5), sw(0, 0, 4), sw(2, 0, 4), sw(0, 0, 4), LOOP, NOP]
    guest = code_plan(code, "watch:word(0x80200000) == 5 << 16")
    outcome = run_plain(guest, guest.runner()).outcome
    assert (outcome.failed, outcome.position, outcome.end) == ("watch", 4, 4)


def test_the_failure_in_the_output_is_where_it_was_printed() -> None:
    guest = plan("lost_update", "output:LOST [1-9]")
    runner = guest.runner()
    outcome = run_seed(guest, runner, 1).outcome
    assert outcome.position < outcome.end
    assert outcome.way == "output: LOST N"
