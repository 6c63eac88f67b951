"""Each stop condition through a real GDB, alone and with others, back and forward: on the instruction it is for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gdb.driver import Gdb, debugged

ROUNDS = 20
SCRATCH = "*(unsigned char *) 0xb80003ff"  # of the serial port
WATCH_REASONS = {
    "watch": "watchpoint-trigger",
    "rwatch": "read-watchpoint-trigger",
    "awatch": "access-watchpoint-trigger",
}


@pytest.fixture
def gdb(gdb_program: str, order: str) -> Iterator[Gdb]:
    with debugged(gdb_program, "stops", order, 2000, "--finish") as gdb:
        yield gdb


def at(gdb: Gdb, *labels: str) -> list[int]:
    return [gdb.value(f"(unsigned) &{label}") for label in labels]


def to_end(gdb: Gdb) -> None:
    gdb.run("delete")
    gdb.run("monitor goto end")
    gdb.forget()


def stops(gdb: Gdb, command: str, count: int) -> list[tuple[str, int]]:
    """Reason and PC of the next stops."""
    seen = []
    for _ in range(count):
        answer = gdb.run(command)
        seen.append((str(answer.stops[0].get("reason")), gdb.value("$pc")))
    return seen


#: What is watched, by the name of its accesses: an address in the area, and a type.
WATCHED = {
    "byte": "*(char *) ((char *) &area + 1)",
    "half": "*(short *) ((char *) &area + 6)",
    "word": "*(int *) ((char *) &area + 8)",
    "word in eight bytes": "*(long long *) ((char *) &area + 8)",
    "half and word in three bytes": "*(char (*)[3]) ((char *) &area + 6)",
}


@pytest.mark.parametrize("what", WATCHED)
def test_a_watchpoint_of_any_length(gdb: Gdb, what: str) -> None:
    names = [name for name in ("byte", "half", "word") if name in what.split(" in ")[0].split(" and ")]
    if "three" in what and gdb.value("*(unsigned char *) ((char *) &area + 8)") == 0:
        names.remove("word")  # big-endian: the byte of the word that is watched never changes, but is accessed
    for kind, labels in (
        ("watch", [f"store_{name}" for name in names]),
        ("rwatch", [f"load_{name}" for name in (what.split(" in ")[0].split(" and "))]),
    ):
        to_end(gdb)
        places = at(gdb, *labels)
        gdb.run(f"{kind} {WATCHED[what]}")
        back = stops(gdb, "reverse-continue", 2 * len(places))
        assert back == [(WATCH_REASONS[kind], pc) for pc in 2 * places[::-1]]
        forward = stops(gdb, "continue", 2 * len(places))
        assert forward == [(WATCH_REASONS[kind], pc + 4) for pc in 2 * places]


def test_an_access_watchpoint_sees_both(gdb: Gdb) -> None:
    places = at(gdb, "store_half", "load_half")
    gdb.run(f"awatch {WATCHED['half']}")
    back = stops(gdb, "reverse-continue", 4)
    assert back == [(WATCH_REASONS["awatch"], pc) for pc in 2 * places[::-1]]
    forward = stops(gdb, "continue", 4)
    assert forward == [(WATCH_REASONS["awatch"], pc + 4) for pc in 2 * places]


def test_an_unaligned_word_is_written_in_two_parts(gdb: Gdb) -> None:
    unaligned = "*(int *) ((char *) &area + 21)"
    gdb.run(f"watch {unaligned}")
    (right,) = at(gdb, "store_right")  # the other part stores what is there already, which GDB passes over
    for value in (2 * ROUNDS, 2 * ROUNDS - 2):
        answer = gdb.run("reverse-continue")
        assert f"Old value = {value}" in answer and f"New value = {value - 2}" in answer
        assert gdb.value("$pc") == right
    to_end(gdb)
    gdb.run(f"awatch {unaligned}")
    parts = sorted(at(gdb, "store_left", "store_right")) + sorted(at(gdb, "load_left", "load_right"))
    assert [pc for _, pc in stops(gdb, "reverse-continue", 4)] == parts[::-1]
    assert [pc for _, pc in stops(gdb, "continue", 4)] == [pc + 4 for pc in parts]


def test_a_device_register(gdb: Gdb) -> None:
    put, get = at(gdb, "put", "get")
    gdb.run(f"watch {SCRATCH}")
    answer = gdb.run("reverse-continue")
    assert f"Old value = {ROUNDS}" in answer and f"New value = {ROUNDS - 1}" in answer
    assert gdb.value("$pc") == put
    answer = gdb.run("continue")
    assert f"Old value = {ROUNDS - 1}" in answer and f"New value = {ROUNDS}" in answer
    assert gdb.value("$pc") == put + 4
    to_end(gdb)
    gdb.run(f"rwatch {SCRATCH}")
    assert stops(gdb, "reverse-continue", 2) == [(WATCH_REASONS["rwatch"], get)] * 2
    assert stops(gdb, "continue", 2) == [(WATCH_REASONS["rwatch"], get + 4)] * 2
    to_end(gdb)
    gdb.run(f"awatch {SCRATCH}")
    assert [pc for _, pc in stops(gdb, "reverse-continue", 4)] == [get, put, get, put]
    assert [pc for _, pc in stops(gdb, "continue", 4)] == [put + 4, get + 4, put + 4, get + 4]


def test_a_device_register_and_breakpoints(gdb: Gdb) -> None:
    """... of both kinds, on other instructions and beside the access."""
    start, word, put = at(gdb, "round", "store_word", "put")
    gdb.run("break *&round")
    gdb.run("hbreak *&store_word")
    gdb.run(f"watch {SCRATCH}")
    hit = "breakpoint-hit"
    back = stops(gdb, "reverse-continue", 6)
    assert back == 2 * [(WATCH_REASONS["watch"], put), (hit, word), (hit, start)]
    forward = stops(gdb, "continue", 5)
    assert forward == [(hit, word), (WATCH_REASONS["watch"], put + 4), (hit, start), (hit, word),
                       (WATCH_REASONS["watch"], put + 4)]  # fmt: skip
    gdb.run("break *&put")  # on the access itself: GDB tells of both
    (both, pc), after = stops(gdb, "reverse-continue", 2)
    assert hit in both and WATCH_REASONS["watch"] in both and pc == put and after == (hit, word)


@pytest.mark.parametrize("command", ["break", "hbreak"])
def test_a_breakpoint_alone(gdb: Gdb, command: str) -> None:
    (get,) = at(gdb, "get")
    gdb.run(f"{command} *&get")
    for value in range(ROUNDS, ROUNDS - 3, -1):
        assert stops(gdb, "reverse-continue", 1) == [("breakpoint-hit", get)]
        assert gdb.value("$s2") == value
    gdb.run("stepi")
    gdb.run("reverse-stepi")  # onto the breakpoint: it does not hold the search that begins there
    gdb.run("reverse-continue 2")
    assert gdb.value("$s2") == ROUNDS - 4
    for value in range(ROUNDS - 3, ROUNDS + 1):
        assert stops(gdb, "continue", 1) == [("breakpoint-hit", get)]
        assert gdb.value("$s2") == value


def test_a_breakpoint_on_a_slot(gdb: Gdb) -> None:
    branch, slot = at(gdb, "branch", "slot")
    gdb.run(f"break *{slot:#x}")
    for value in (ROUNDS, ROUNDS - 1):
        assert stops(gdb, "reverse-continue", 1) == [("breakpoint-hit", branch)]
        assert gdb.value("$s2") == value
    assert stops(gdb, "continue", 1) == [("breakpoint-hit", branch)] and gdb.value("$s2") == ROUNDS


def test_reading_a_device_changes_nothing(gdb: Gdb) -> None:
    before = gdb.run("x/8xb 0xb80003f8").text
    assert gdb.run("x/8xb 0xb80003f8").text == before and f"0x{ROUNDS:02x}" in before
    gdb.run("break *&get")
    gdb.run("reverse-continue")
    gdb.run("x/64xb 0xb8000000")
    gdb.run("delete")
    gdb.run("monitor goto end")
    gdb.forget()
    assert gdb.run("x/8xb 0xb80003f8").text == before
