"""Notes that wait: they come back in order, and as they were, in little memory."""

from __future__ import annotations

import tracemalloc

import numpy as np

from rdbg.analysis.probing import Notes
from rdbg.analysis.waiting_notes import FOREVER, WaitingNotes
from rdbg.emu.probes import NOTE, OPEN, RETURNED


def notes_of_a_loop(count: int) -> Notes:
    """One in each turn; the first returns behind all others."""
    notes = np.zeros(count, NOTE)
    notes["icount"] = np.arange(count) * 22 + (1 << 33)
    notes["end"] = notes["icount"] + 9
    notes["end"][0] = notes["end"][-1] + 1
    notes["values"][:, 0] = np.arange(count)[::-1]
    notes["ended"] = RETURNED
    return notes


def test_they_come_back_in_order_whatever_order_they_came_in() -> None:
    dice = np.random.default_rng(7)
    notes = notes_of_a_loop(120_000)
    notes["values"] = dice.integers(0, 1 << 32, (len(notes), 8), np.uint32)
    notes["ended"][::7] = OPEN
    came = notes[np.argsort(np.arange(len(notes)) + dice.integers(0, 30_000, len(notes)), kind="stable")]
    waiting = WaitingNotes()
    found: list[Notes] = []
    at = 0
    while at < len(came):
        size = int(dice.integers(1, 20_000))
        waiting.add(came[at : at + size])
        at += size
        if dice.random() < 0.4:
            limit = int(notes["icount"][max(min(at, len(came)) - 30_000, 0)])  # all before it have come
            found += [part.copy() for part in waiting.before(limit)]
            assert waiting.since >= limit
    found += waiting.before(FOREVER)
    assert waiting.since == FOREVER
    assert np.concatenate(found).tobytes() == notes.tobytes()


def test_those_of_one_icount_come_back_as_they_came() -> None:
    notes = np.zeros(60_000, NOTE)
    notes["icount"] = np.arange(len(notes)) // 20_000
    notes["pc"] = np.arange(len(notes))
    waiting = WaitingNotes()
    for first in range(20_000):
        if first % 5000 == 0:
            for at in (first, first + 20_000, first + 40_000):
                waiting.add(notes[at : at + 5000])
    assert np.concatenate(list(waiting.before(FOREVER))).tobytes() == notes.tobytes()


def test_a_million_that_wait_take_little_memory() -> None:
    """They take 80 bytes each where they are not packed."""
    waiting = WaitingNotes()
    notes = notes_of_a_loop(1_000_000)
    tracemalloc.start()
    try:
        for at in range(1, len(notes), 10_000):
            waiting.add(notes[at : at + 10_000].copy())
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 8 << 20
    waiting.add(notes[:1])
    count = 0
    for part in waiting.before(FOREVER):
        assert part.tobytes() == notes[count : count + len(part)].tobytes()
        count += len(part)
    assert count == len(notes)
