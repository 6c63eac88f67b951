"""Watched pages that are accessed all the time: the last access is found whether seen one by one or by its block."""

from __future__ import annotations

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import Access, RunRequest, StopKind, Watch
from tests.emu.guests import CODE, LOOP, NOP, addiu, beq, i_type, lui, lw, machine_with, r_type, sw

DATA = 0x80200000
BESIDE = DATA + 0x800  # code on the page of the data
BASE, COUNT, MOVING, PATCHED, PATCH = 16, 17, 18, 19, 20
TURNS = 500
HEAD = 7  # instructions before the loop
FIRST = 4  # and at the start of each turn

values = st.integers(8, 13)
offsets = st.integers(0, 63)
BYTE_WISE = (0x20, 0x22, 0x24, 0x26, 0x28, 0x2A, 0x2E)  # lb lwl lbu lwr sb swl swr
HALF_WISE = (0x21, 0x25, 0x29)  # lh lhu sh


def a_global(store: bool, rt: int, offset: int) -> list[int]:
    """An access with its address made on the spot."""
    return [lui(14, DATA >> 16), sw(rt, offset, 14) if store else lw(rt, offset, 14)]


def a_frame(rt: int, offset: int) -> list[int]:
    """A push and a pop: the base moves and comes back."""
    return [addiu(BASE, BASE, -32), sw(rt, 32 + offset, BASE), addiu(BASE, BASE, 32)]


def indexed(rt: int, offset: int) -> list[int]:
    """An address that the registers on entry do not tell."""
    return [
        r_type(0x21, BASE, 0, 15),
        lw(14, 0, BASE),
        r_type(0x24, 14, 0, 14),
        r_type(0x21, 15, 14, 15),
        sw(rt, offset, 15),
    ]


#: Puts another instruction at the start of the turn, where a no-op stands, every eighth time.
A_PATCH = [i_type(0x0C, COUNT, 14, 7), r_type(0x21, PATCH, 0, 15), r_type(0x0B, 0, 14, 15), sw(15, 0, PATCHED)]

pieces = st.one_of(
    st.builds(lambda rt, n: [lw(rt, 4 * n, BASE)], values, st.integers(0, 15)),
    st.builds(lambda rt, n: [sw(rt, 4 * n, BASE)], values, st.integers(0, 15)),
    st.builds(lambda op, rt, n: [i_type(op, BASE, rt, n)], st.sampled_from(BYTE_WISE), values, offsets),
    st.builds(lambda op, rt, n: [i_type(op, BASE, rt, 2 * n)], st.sampled_from(HALF_WISE), values, st.integers(0, 31)),
    st.builds(a_global, st.booleans(), values, st.integers(0, 15).map(lambda n: 4 * n)),
    st.builds(a_frame, values, st.integers(0, 15).map(lambda n: 4 * n)),
    st.builds(indexed, values, st.integers(0, 15).map(lambda n: 4 * n)),
    st.builds(lambda rt: [sw(rt, 0, MOVING), addiu(MOVING, MOVING, 4)], values),
    st.builds(
        lambda rt, n: [i_type(0x30, BASE, rt, 4 * n), i_type(0x38, BASE, rt, 4 * n)], values, st.integers(0, 15)
    ),  # ll sc
    st.just([beq(0, 0, 1), NOP]),  # another block
    st.builds(lambda rt, n: [beq(0, 0, 1), sw(rt, 4 * n, BASE)], values, st.integers(0, 15)),  # in a slot
    st.builds(lambda rs, rt: [addiu(rt, rs, 1)], values, values),
)
watches = st.builds(
    Watch, st.integers(0, 70).map(lambda n: DATA + n), st.sampled_from([1, 2, 3, 4, 7, 8]), st.sampled_from(Access)
)


def load(body: list[int], rest: list[int], big_endian: bool, at: int = CODE) -> Machine:
    """A guest whose loop runs ``body``, and after it ``rest``, once."""
    patch = sw(9, 36, BASE)
    start = [lui(BASE, DATA >> 16), addiu(COUNT, 0, TURNS), r_type(0x21, BASE, 0, MOVING)]
    start += [lui(PATCH, patch >> 16), i_type(0x0D, PATCH, PATCH, patch & 0xFFFF)]
    start += [lui(PATCHED, at >> 16), i_type(0x0D, PATCHED, PATCHED, (at & 0xFFFF) + 4 * HEAD)]
    turn = [NOP, addiu(9, 9, 1), beq(0, 0, 1), NOP, *body, addiu(COUNT, COUNT, -1)]
    back = i_type(0x05, COUNT, 0, -len(turn) - 1)  # bnez
    return machine_with([*start, *turn, back, NOP, *rest, LOOP, NOP], big_endian=big_endian, at=at)


def length(body: list[int]) -> int:
    """Instructions up to the end of the loop."""
    return HEAD + TURNS * (FIRST + len(body) + 3)


def run(machine: Machine, until: int, watched: tuple[Watch, ...]) -> int | None:
    """Scan in slices; gives the start of the last accessing block."""
    last = None
    kind = StopKind.PAUSED
    while kind is StopKind.PAUSED:
        kind = machine.run(RunRequest(until=until, slice=900, watches=watched, last_hit=True)).kind
        blocks = machine.watched_blocks.blocks
        last = blocks[-1].start if blocks else last
    if kind is StopKind.AMBIGUOUS:
        reject()  # it is to be run in single steps, which see each access
    assert kind is StopKind.LIMIT
    return last


def last_access(machine: Machine, until: int, watched: tuple[Watch, ...]) -> int | None:
    """One instruction at a time."""
    last = None
    while (stop := machine.run(RunRequest(until=until, watches=watched, exact=True))).kind is StopKind.WATCHPOINT:
        last = machine.icount
        machine.step()
    assert stop.kind is StopKind.LIMIT
    return last


@settings(max_examples=50, deadline=None)
@given(
    st.lists(pieces, min_size=1, max_size=5), st.lists(pieces, max_size=3), st.lists(watches, min_size=1, max_size=3),
    st.booleans(), st.integers(0, 60), st.sampled_from([CODE, BESIDE]), st.booleans()
)  # fmt: skip
def test_the_last_access_is_found(
    body: list[list[int]],
    rest: list[list[int]],
    watched: list[Watch],
    big_endian: bool,
    early: int,
    at: int,
    patched: bool,
) -> None:
    words, tail = sum(body, A_PATCH if patched else []), sum(rest, [])
    until = length(words) + len(tail) - early
    scanned, stepped = (load(words, tail, big_endian, at) for _ in range(2))
    block = run(scanned, until, tuple(watched))
    access = last_access(stepped, until, tuple(watched))
    assert scanned.digest() == stepped.digest()
    if access is None:
        # A block that ends before the limit does may be taken for a hit by what follows in it, never an earlier one.
        assert block is None or block > until - 60
    else:
        assert block is not None and block <= access < block + 60


def test_a_hot_page_is_left_alone() -> None:
    """... as long as its accesses can be told, and no longer."""
    machine = load([lw(8, 4, BASE), sw(8, 0, BASE)], [sw(8, 40, BASE), *indexed(8, 44)], False)
    far = (Watch(DATA + 40, 4, Access.WRITE),)
    end = length([NOP] * 2)
    assert run(machine, end - 1000, far) is None and machine.core.stops.watches_blocks
    hit = run(machine, end + 3, far)
    assert hit is not None and end - 3 <= hit <= end
    beside = (Watch(DATA + 44, 4, Access.WRITE),)
    machine = load([lw(8, 4, BASE), sw(8, 0, BASE)], [beq(0, 0, 1), NOP, *indexed(8, 44)], False)
    assert run(machine, end - 1000, beside) is None and machine.core.stops.watches_blocks
    hit = run(machine, end + 7, beside)
    assert hit is not None and not machine.core.stops.watches_blocks


def test_code_that_changes() -> None:
    """What was learnt of a block holds no longer when its words are others."""
    machine = load([lw(8, 4, BASE), sw(8, 0, BASE)], [], False)
    watched = (Watch(DATA + 40, 4, Access.WRITE),)
    assert run(machine, 3200, watched) is None and machine.core.stops.watches_blocks
    at = CODE + 4 * (HEAD + FIRST + 1)
    page = (at & 0x1FFFFFFF) >> 12
    data = bytearray(machine.read_page(page))
    data[at & 0xFFF : (at & 0xFFF) + 4] = sw(8, 40, BASE).to_bytes(4, "little")
    machine.write_pages([page], bytes(data))
    hit = run(machine, 3600, watched)
    assert hit is not None and hit > 3580


@pytest.mark.parametrize("direct", [False, True])
def test_a_guest_that_changes_watched_code(direct: bool) -> None:
    """The page holds the code that is changed, that which changes it, and the watched word."""
    words = A_PATCH if direct else [*A_PATCH, *indexed(8, 44)]
    machine = load(words, [], False, BESIDE)
    machine_stepped = load(words, [], False, BESIDE)
    watched = (Watch(DATA + 36, 4, Access.WRITE),)
    for turns in (100, 101, 102, 230, 400, 401, 409, 499):
        until = HEAD + turns * (FIRST + len(words) + 3)
        block, access = run(machine, until, watched), last_access(machine_stepped, until, watched)
        assert (block is None) == (access is None)
        assert block is None or access is None or block <= access < block + 60
        assert machine.digest() == machine_stepped.digest()
    assert machine.core.stops.watches_blocks == direct
