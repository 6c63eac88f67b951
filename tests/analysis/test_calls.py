"""Calls and their returns, against a stack that a slow oracle keeps in single steps."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from rdbg.analysis.asking import ask
from rdbg.analysis.calls import Calls, FunctionCall
from rdbg.analysis.counting import count_rows
from rdbg.analysis.in_one_process import InOneProcess
from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.history.history import History
from rdbg.navigation.pace import Pace
from rdbg.navigation.stops import StopConditions
from rdbg.timeline import Timeline
from tests.emu.guests import CODE, NOP, addiu, i_type, lui, machine_with, r_type

LINK, STACK, ENOUGH = 31, 29, 4000
JR_LINK = r_type(8, LINK, 0, 0)


def jal(word: int) -> int:
    """A call of the function at a word of the code."""
    return 0x0C000000 | (CODE & 0x0FFFFFFF) >> 2 | word


def guest(big_endian: bool) -> tuple[list[int], dict[str, tuple[int, int]]]:
    """A recursive function, one that jumps to it at its end, a loop to its own first instruction, one whose head is a
    label, and one that is left without a return; functions by first and last word."""
    words: list[int] = []
    functions: dict[str, tuple[int, int]] = {}

    def function(name: str, *body: int) -> int:
        start = len(words)
        words.extend(body)
        functions[name] = start, len(words) - 1
        return start

    words += [i_type(0x04, 0, 0, 0), NOP]  # to main, filled in below
    here = len(words)
    recursive = function(
        "recursive",
        addiu(STACK, STACK, -16), i_type(0x2B, STACK, LINK, 8), i_type(0x2B, STACK, 4, 12),
        i_type(0x04, 4, 0, 3), NOP,
        jal(here), addiu(4, 4, -1),
        i_type(0x23, STACK, 4, 12), i_type(0x23, STACK, LINK, 8), addiu(2, 4, 100), JR_LINK, addiu(STACK, STACK, 16),
    )  # fmt: skip
    tail = function("tail", 0x08000000 | (CODE & 0x0FFFFFFF) >> 2 | recursive, addiu(4, 0, 1))
    loops = function("loops", i_type(0x05, 4, 0, -1 & 0xFFFF), addiu(4, 4, -1), JR_LINK, addiu(2, 0, 7))
    head = function("head", addiu(4, 4, -1), i_type(0x05, 4, 0, -2 & 0xFFFF), NOP, JR_LINK, addiu(2, 0, 8))
    functions["head"] = head, head  # a label: it has no size, and the loop's branch is not within it
    main = len(words)
    # main keeps a place in s0 that `leaves` jumps to, past its own return address
    leaves = main + 22
    body = [
        lui(STACK, 0x8020),
        addiu(4, 0, 3), jal(recursive), NOP,
        jal(tail), NOP,
        addiu(4, 0, 5), jal(loops), NOP,
        jal(head), addiu(4, 0, 6),
        addiu(4, 0, 2), jal(recursive), NOP,
        jal(leaves), addiu(4, 0, 9),
        NOP, NOP,
        i_type(0x04, 0, 0, (main + 1) - (main + 18) - 1 & 0xFFFF), NOP,
        NOP, NOP,
    ]  # fmt: skip
    words += body
    assert len(words) == leaves
    function("leaves", addiu(LINK, LINK, 8), JR_LINK, addiu(2, 0, 1))
    words[0] = i_type(0x04, 0, 0, main - 1)
    return words, {name: (CODE + 4 * first, CODE + 4 * last) for name, (first, last) in functions.items()}


@dataclass
class Called:
    icount: int
    a0: int
    link: int
    stack: int
    returned: int | None = None
    value: int | None = None


def called(timeline: Timeline, first: int, last: int) -> list[Called]:
    """The calls of a function, in single steps."""
    timeline.goto(timeline.start)
    machine = timeline.machine
    made: list[Called] = []
    before, jumped = 0, False
    while timeline.position < timeline.end:
        pc = machine.pc
        link, stack = machine.read_register(LINK), machine.read_register(STACK)
        if jumped:
            for call in made:
                if call.returned is None and (call.link, call.stack) == (pc, stack):
                    call.returned, call.value = timeline.position, machine.read_register(2)
        if pc == first and not first <= before <= last or pc == first and link == before + 8:
            made.append(Called(timeline.position, machine.read_register(4), link, stack))
        word = int.from_bytes(machine.read_memory(pc, 4), "big" if machine.big_endian else "little")
        before, jumped = pc, word == JR_LINK
        timeline.step()
    return made


def lived(name: str, big_endian: bool) -> tuple[Timeline, tuple[int, int]]:
    """The run, and the first and last address of a function."""
    words, functions = guest(big_endian)
    machine = machine_with(words, [], big_endian, CODE, 0)
    timeline = Timeline(machine, History.live_run(), sleep=False, pace=Pace(slice=300, spacing=700, rung=100))
    timeline.run(StopConditions(), lambda: timeline.position >= ENOUGH)
    return timeline, functions[name]


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("name", ["recursive", "tail", "loops", "head", "leaves"])
def test_calls_are_those_of_single_steps(name: str, big_endian: bool) -> None:
    timeline, (first, last) = lived(name, big_endian)
    expected = called(timeline, first, last)
    assert len(expected) > 20
    pool = InOneProcess(lambda: ReplayedRun(timeline))
    timeline.goto(timeline.end)
    for newest_first in (False, True):
        rows = list(ask(Calls(first, last), pool, Piece(timeline.start, timeline.end), newest_first))
        found = [Called(row.icount, row.a0, row.return_address, row.stack, row.returned, row.value)
                 for row in rows if isinstance(row, FunctionCall)]  # fmt: skip
        assert found == (expected[::-1] if newest_first else expected)
    assert any(call.returned is not None for call in expected) == (name != "leaves")
    assert sum(count_rows(Calls(first, last), pool, Piece(timeline.start, timeline.end), False)) == len(expected)
    middle = expected[len(expected) // 2].icount
    rows = list(ask(Calls(first, last), pool, Piece(timeline.start, middle)))
    assert [row.icount for row in rows] == [call.icount for call in expected if call.icount < middle]
    assert sum(count_rows(Calls(first, last), pool, Piece(timeline.start, middle), False)) == len(rows)
    assert timeline.position == timeline.end
