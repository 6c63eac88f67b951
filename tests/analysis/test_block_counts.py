"""Instructions that ran, counted: each one, in guests that branch, fault and are interrupted wherever that is hard."""

from __future__ import annotations

from collections import Counter

import pytest

from rdbg.analysis.block_counts import BlockCounts, CountBlocks, together
from rdbg.analysis.in_one_process import InOneProcess
from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.timeline import QuestionInterrupted, Timeline
from tests.timeline.positions import Trial


def counted(timeline: Timeline, *pieces: Piece) -> BlockCounts:
    pool = InOneProcess(lambda: ReplayedRun(timeline))
    return together(pool.answers(CountBlocks(), pieces, False))


def by_address(counts: BlockCounts) -> Counter[int]:
    addresses, times = counts.by_address(4)
    return Counter(dict(zip(addresses.tolist(), times.tolist(), strict=True)))


def stepped(timeline: Timeline) -> list[tuple[int, int, int]]:
    """(icount, address, instructions) of each step: none for an interrupt."""
    timeline.goto(timeline.start)
    found = []
    while timeline.position < timeline.end:
        icount, pc = timeline.position, timeline.machine.pc
        timeline.step()
        found.append((icount, pc, timeline.position - icount))
    return found


@pytest.mark.parametrize("often", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_each_instruction_is_counted_as_often_as_single_steps_meet_it(seed: int, often: bool) -> None:
    timeline = Trial(seed, length=1200, often=often).timeline
    expected: Counter[int] = Counter()
    for _, pc, length in stepped(timeline):
        for at in range(length):
            expected[pc + 4 * at] += 1
    counts = counted(timeline, Piece(timeline.start, timeline.end))
    assert counts.instructions == timeline.end - timeline.start
    assert by_address(counts) == expected


@pytest.mark.parametrize("seed", range(4))
def test_counts_of_pieces_add_up_wherever_they_are_cut(seed: int) -> None:
    trial = Trial(seed, length=1200, often=True)
    timeline = trial.timeline
    whole = counted(timeline, Piece(timeline.start, timeline.end))
    cuts = sorted(trial.dice.sample(range(timeline.start + 1, timeline.end), 30))
    borders = [timeline.start, *cuts, timeline.end]
    pieces = [Piece(low, high) for low, high in zip(borders[:-1], borders[1:], strict=True)]
    for piece in pieces:
        assert counted(timeline, piece).instructions == piece.end - piece.start
    assert by_address(counted(timeline, *pieces)) == by_address(whole)


def test_what_is_cut_short_says_how_far_it_came_and_has_all_up_to_there() -> None:
    timeline = Trial(1, length=1200).timeline
    looks = 0

    def interrupted() -> bool:
        nonlocal looks
        looks += 1
        return looks > 3

    parts = []
    with pytest.raises(QuestionInterrupted):
        for part in CountBlocks().of_piece(ReplayedRun(timeline, interrupted), Piece(100, timeline.end), False):
            parts.append(part)
    (part,) = parts
    assert 100 <= part.end < timeline.end and part.instructions == part.end - 100
