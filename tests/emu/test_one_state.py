"""One position, one state: branches that are hard to count, their exceptions, code that changes itself, looking."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import Access, RunRequest, StopKind, Watch
from rdbg.rsp.agent_code import decode
from tests.emu.guests import CODE, LOOP, NOP, SKIPPING_HANDLER, addiu, i_type, lui, machine_with, r_type

BC1 = 0x45000000
CU1 = 1 << 29
LIKELY = {
    "beql": i_type(0x14, 8, 0, 1), "bnel": i_type(0x15, 9, 0, 1), "blezl": i_type(0x16, 8, 0, 1),
    "bgtzl": i_type(0x17, 9, 0, 1), "bltzl": i_type(0x01, 8, 0x02, 1), "bgezl": i_type(0x01, 10, 0x03, 1),
    "bltzall": i_type(0x01, 8, 0x12, 1), "bgezall": i_type(0x01, 10, 0x13, 1), "bc1fl": BC1 | 2 << 16 | 1,
    "bc1tl": BC1 | 3 << 16 | 1, "beql always": i_type(0x14, 31, 31, 1), "bnel never": i_type(0x15, 31, 31, 1),
    "bgezl always": i_type(0x01, 0, 0x03, 1), "bltzall never": i_type(0x01, 0, 0x12, 1),
    "bgtzl never": i_type(0x17, 0, 0, 1),
}  # fmt: skip


def states(machine: Machine, length: int) -> dict[int, tuple[int, bytes]]:
    """PC and digest at each position, in single steps."""
    found = {machine.icount: (machine.pc, machine.digest())}
    while machine.icount < length:
        machine.step()
        found[machine.icount] = machine.pc, machine.digest()
    return found


def check_all(make: Callable[[], Machine], length: int) -> None:
    """Every position is the same in one run, in runs from the start, and in single steps."""
    truth = states(make(), length)
    one = make()
    for position in range(1, length):
        expected = max(p for p in truth if p <= position)
        ways = [("on", one)]
        if position % 4 == 3:
            ways.append(("from the start", make()))
        for way, machine in ways:
            machine.run(RunRequest(until=position))
            assert (machine.icount, (machine.pc, machine.digest())) == (expected, truth[expected]), (way, position)


@pytest.mark.parametrize("big_endian", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("before_end", [0, 1, 2], ids=["last word", "slot last", "before"])
@pytest.mark.parametrize("name", LIKELY)
def test_branch_likely_at_the_end_of_a_page(name: str, before_end: int, big_endian: bool) -> None:
    """Its slot may be a block of its own; its target is the instruction behind: nothing tells if it was taken."""
    loop = [addiu(8, 8, 1), LIKELY[name], addiu(11, 11, 1), addiu(12, 12, 1), i_type(0x04, 0, 0, -5), NOP]
    at = CODE + 4096 - 8 - 4 * before_end

    def make() -> Machine:
        # r8 grows from -2: each condition holds in some rounds and not in others
        return machine_with([addiu(8, 0, -3), addiu(9, 0, 1), addiu(10, 0, -1), 0x08000000 | at >> 2 & 0x3FFFFFF, NOP,
                             *[NOP] * ((at - CODE) // 4 - 5), *loop], big_endian=big_endian, status=CU1)  # fmt: skip

    check_all(make, 40)


RAISING = {
    "bc1t": BC1 | 1 << 16 | 2, "bc1f": BC1 | 2, "bc1fl": BC1 | 2 << 16 | 2, "bc1tl": BC1 | 3 << 16 | 2,
    "jr with a reserved hint": r_type(8, 8, 0, 0, 3), "jalr with a reserved hint": r_type(9, 8, 0, 31, 1),
    "jalx": 0x74000000, "bc2t": 0x49010002, "branch in a slot": i_type(0x04, 0, 0, 2),
}  # fmt: skip


@pytest.mark.parametrize("at_end", [False, True], ids=["inside", "last word of a page"])
@pytest.mark.parametrize("name", RAISING)
def test_a_branch_that_raises_an_exception_itself(name: str, at_end: bool) -> None:
    """The position behind the exception can be reached."""
    head = [addiu(9, 0, 1)] + ([i_type(0x04, 0, 0, 1)] if name == "branch in a slot" else [])
    body = [*head, RAISING[name], addiu(10, 10, 1), addiu(11, 11, 1), addiu(12, 12, 1)]
    at = CODE + (4096 - 4 * (len(head) + 1) if at_end else 64)
    handler = [*SKIPPING_HANDLER[:1], addiu(26, 26, 8), *SKIPPING_HANDLER[2:]]  # with a branch before it
    check_all(lambda: machine_with([*body, LOOP, NOP], handler, at=at), 20)


def test_a_reserved_jump_target_is_reached_before_its_exception() -> None:
    """eret to an odd address: the fetch's exception has a position of its own."""
    words = [lui(8, CODE >> 16), addiu(8, 8, 0x101), 0x40887000, 0x42000018]
    check_all(lambda: machine_with(words, SKIPPING_HANDLER), 12)


STORES = {"sw": (0x2B, 0), "sh": (0x29, 2), "sb": (0x28, 3), "swl": (0x2A, 0), "swr": (0x2E, 3), "sc": (0x38, 0)}
BASES = {"kseg0": 0x8010, "kseg1": 0xA010}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("ahead", [1, 3])
def test_a_store_ahead_holds_for_the_next_instruction(name: str, base: str, ahead: int) -> None:
    """In each of many rounds, also when the page is fetched from and written all the time; run fast, in single steps,
    in pieces, with breakpoints, and watched."""
    op, byte = STORES[name]
    link = [i_type(0x30, 16, 13, 0)] if name == "sc" else []
    where = 4 * (7 + len(link) + ahead)
    new = addiu(11, 11, 0)
    words = [
        lui(16, BASES[base]), addiu(8, 0, 30),
        lui(24, new >> 16), i_type(0x0D, 24, 24, new & 0xFFFF), r_type(0x21, 24, 8, 24), *link,  # 2
        NOP, i_type(op, 16, 24, where + byte), *[addiu(12, 12, 1)] * (ahead - 1), NOP,
        addiu(8, 8, -1), i_type(0x05, 8, 0, -(7 + len(link) + ahead)), NOP, LOOP, NOP,
    ]  # fmt: skip
    words[where // 4] = new
    if name == "sc":
        words[5] = i_type(0x30, 16, 13, where)
    length = 28 * (8 + len(link) + ahead)

    def make() -> Machine:
        return machine_with(words, big_endian=True)

    truth = make()
    while truth.icount < length:
        truth.step()
    assert truth.read_register(11) > 30  # what was stored has run
    for request in (
        RunRequest(),
        RunRequest(breakpoints=frozenset({CODE + where, CODE + where + 4}), last_hit=True),
        RunRequest(watches=(Watch(0x80200000, 4, Access.WRITE),), last_hit=True),
        RunRequest(watches=(Watch(CODE + 0x800, 4, Access.ACCESS),), last_hit=True),
    ):
        machine = make()
        stop = machine.run(RunRequest(**{**request.__dict__, "until": truth.icount}))
        if stop.kind is StopKind.AMBIGUOUS:  # a store through the window of a watch: it is to be run in single steps
            machine = make()
            while machine.icount < truth.icount:
                request = RunRequest(until=truth.icount, watches=request.watches, exact=True)
                if machine.run(request).kind is StopKind.WATCHPOINT:
                    machine.step()
        assert (machine.icount, machine.digest()) == (truth.icount, truth.digest()), request
    pieces = make()
    while pieces.icount < truth.icount:
        pieces.run(RunRequest(until=min(truth.icount, pieces.icount + 3 + pieces.icount % 5)))
    assert pieces.digest() == truth.digest()


def test_looking_changes_nothing() -> None:
    """Neither a debugger that reads every register, nor a condition on one."""
    words = [lui(16, 0x8020), i_type(0x30, 16, 9, 64), addiu(9, 9, 1), addiu(10, 0, 5), i_type(0x38, 16, 9, 64), LOOP]
    for number in [0, *(info.number for info in machine_with(words).architecture.registers_of())]:
        machine, quiet = machine_with(words), machine_with(words)
        for one in (machine, quiet):
            one.run(RunRequest(until=3))
        machine.read_register(number)
        condition = decode(bytes([0x26, number >> 8, number & 0xFF, 0x0E, 0x22, 0, 0x0F, 0x27]))
        stops = frozenset({CODE + 12})
        machine.run(RunRequest(until=4, breakpoints=stops, conditions={CODE + 12: (condition,)}, last_hit=True))
        quiet.run(RunRequest(until=4))
        assert machine.save_state() == quiet.save_state(), number


def test_exceptions_whose_place_is_not_plain_are_told_once() -> None:
    """A block in which several instructions could have raised one ends a run once; from then on PC is noted there."""
    words = [lui(8, 0x7FFF), addiu(9, 0, 50), r_type(0x20, 8, 8, 10), addiu(9, 9, -1), r_type(0x20, 8, 8, 11),
             i_type(0x05, 9, 0, -4), NOP, LOOP, NOP]  # fmt: skip
    truth = states(machine_with(words, SKIPPING_HANDLER), 500)
    machine = machine_with(words, SKIPPING_HANDLER)
    stop = machine.run(RunRequest(until=500))
    assert (stop.kind, stop.position) == (StopKind.AMBIGUOUS, 0)
    again = machine_with(words, SKIPPING_HANDLER)
    machine.load_state(again.save_state())
    ends = []
    while machine.icount < 500:
        stop = machine.run(RunRequest(until=500))
        ends.append(stop.kind)
        if stop.kind is StopKind.AMBIGUOUS:
            machine.load_state(again.save_state())
            assert len(ends) < 5
    assert (machine.pc, machine.digest()) == truth[500]
