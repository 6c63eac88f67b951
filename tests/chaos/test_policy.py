"""What interrupts are held back, and what the moments of inputs become."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rdbg.chaos.policy import LONGEST_HOLD, FixedPolicy, SeededPolicy, worthwhile
from rdbg.chaos.script import moved, of_recording, typed
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.way_ahead import AccessAhead, Way
from tests.emu.guests import NOP, addiu, beq, lui, lw, machine_with, sw

#: Adds to a word for ever.
ADDING = [lui(4, 0x8020), lw(2, 0, 4), addiu(2, 2, 1), sw(2, 0, 4), beq(0, 0, -4), NOP]


def access(at: int, word: int, store: bool, stack: bool = False) -> AccessAhead:
    return AccessAhead(at, 0x80100000 + 4 * at, word, store, stack)


def holds(seed: int, count: int = 60) -> list[int]:
    policy = SeededPolicy(seed, machine_with(ADDING))
    return [policy.hold(1000 * number) for number in range(count)]


@given(st.integers(0, (1 << 63) - 1))
def test_a_policy_follows_from_its_seed(seed: int) -> None:
    first = holds(seed)
    assert first == holds(seed)
    assert all(0 <= hold <= LONGEST_HOLD for hold in first)


def test_most_runs_change_little_and_some_a_lot() -> None:
    runs = [holds(seed) for seed in range(200)]
    shares = [sum(map(bool, run)) / len(run) for run in runs]
    lengths = sorted(hold for run in runs for hold in run if hold)
    assert min(shares) < 0.1 < 0.8 < max(shares)
    assert lengths[len(lengths) // 2] < 500 and lengths[-1] > 100_000


def test_the_best_moments_are_between_a_load_and_a_store_of_what_the_handler_has_too() -> None:
    way = Way([access(2, 0x10, False), access(4, 0x10, True), access(6, 0x20, False), access(9, 0x20, True)], 20, 20)
    moments = worthwhile(way, frozenset([0x20]))
    best = max(moments, key=lambda moment: moment.worth)
    assert (best.first, best.last) == (7, 9)
    assert {(moment.first, moment.last) for moment in moments} == {(3, 4), (7, 9)}


def test_a_wait_after_a_load_is_a_moment() -> None:
    way = Way([access(5, 0x10, False)], 12, 12, waits_at=12)
    assert [(moment.first, moment.last) for moment in worthwhile(way, frozenset())] == [(6, 12)]


def test_a_fixed_policy_holds_up_to_the_same_end() -> None:
    policy = FixedPolicy(((100, 50), (400, 1)))
    assert [policy.hold(at) for at in (99, 100, 120, 149, 150, 400, 401)] == [0, 50, 30, 1, 0, 1, 0]


@given(st.integers(0, 1 << 40), st.binary(min_size=1, max_size=40), st.integers(0, 1 << 40))
def test_what_is_typed_keeps_its_order(seed: int, text: bytes, start: int) -> None:
    script = moved(typed(text, start), seed, start)
    assert script == moved(typed(text, start), seed, start)
    assert b"".join(item.event.data for item in script) == text
    places = [item.icount for item in script]
    assert places == sorted(places) and places[0] >= start


def test_what_a_recording_had_is_moved_with_its_waits() -> None:
    events = [
        InputEvent(5, InputKind.SERIAL, data=b"early"),
        InputEvent(20, InputKind.WAKE, value=1000),
        InputEvent(20, InputKind.SERIAL, data=b"a"),
        InputEvent(25, InputKind.HOLD, value=7),
        InputEvent(30, InputKind.WAKE, value=9000),
        InputEvent(30, InputKind.SERIAL_BREAK),
        InputEvent(31, InputKind.POKE_MEMORY, value=1, data=b"x"),
        InputEvent(40, InputKind.PACKET, data=bytes(60)),
        InputEvent(40, InputKind.LINK),
    ]
    script = of_recording(events, 10)
    assert [(item.icount, item.wake_ns) for item in script] == [(20, 1000), (30, 9000), (40, None), (40, None)]
    for seed in range(50):
        wakes = [item.wake_ns or 0 for item in moved(script, seed, 10)]
        assert 1000 <= wakes[0] <= wakes[1]
