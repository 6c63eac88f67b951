"""Instructions by the calls that led to them, and calls as stretches, beside a slow program that steps."""

from __future__ import annotations

import pickle
import random
from itertools import pairwise

import numpy as np
import pytest

from rdbg.analysis.block_counts import CountBlocks, together
from rdbg.analysis.call_paths import CallPaths, CountPaths
from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.analysis.stack_spans import stack_spans
from rdbg.emu.counts import Node
from rdbg.emu.machine_api import RunRequest
from rdbg.history.history import History
from rdbg.navigation.pace import Pace
from rdbg.timeline import Timeline
from tests.analysis.calling_guest import calling_guest
from tests.analysis.stack_oracle import Oracle, look
from tests.timeline.positions import VECTORS, Trial

Path = tuple[tuple[str, int, int], ...]
WORDS = {Node.CALL: "call", Node.EXCEPTION: "exception", Node.INTERRUPT: "interrupt"}


def paths_of(timeline: Timeline, *pieces: Piece) -> CallPaths:
    run = ReplayedRun(timeline)
    parts = [part for piece in pieces for part in CountPaths().of_piece(run, piece, False)]
    return CallPaths.of(pickle.loads(pickle.dumps(parts)), pieces[0].start)


def seen(found: CallPaths) -> Oracle:
    """What was counted, as the oracle has it."""
    paths: list[Path] = [()]
    for parent, site, target, kind in found.nodes[1:].tolist():
        paths.append((*paths[parent], (WORDS[Node(kind)], site, target)))
    oracle = Oracle()
    blocks = found.blocks
    for node, pc, ran, times in zip(found.node, blocks.pcs, blocks.ran, blocks.times, strict=True):
        for at in range(int(ran)):
            oracle.instructions[paths[int(node)], int(pc) + 4 * at] += int(times)
    for path, calls in zip(paths, found.calls.tolist(), strict=True):
        if calls:
            oracle.calls[path] += calls
    return oracle


def assert_equal(found: Oracle, expected: Oracle) -> None:
    assert found.instructions == expected.instructions
    assert found.calls == expected.calls


def calling(seed: int, length: int = 4000) -> Timeline:
    """A run of a guest that calls."""
    timeline = Timeline(calling_guest(seed), History.live_run(), pace=Pace(spacing=500), sleep=False)
    while timeline.position < length - 1:  # it may lie inside a step
        timeline.past.advance(RunRequest(until=length, slice=1000))
    timeline.close()
    return timeline


@pytest.mark.parametrize("seed", range(5))
def test_calls_returns_tasks_and_longjmps_are_those_that_single_steps_see(seed: int) -> None:
    timeline = calling(seed)
    whole = Piece(timeline.start, timeline.end)
    expected = look(timeline, whole.start, whole.end, VECTORS)
    assert_equal(seen(paths_of(timeline, whole)), expected)
    dice = random.Random(seed)
    for cuts in (1, 7, 60):
        borders = [whole.start, *sorted(dice.sample(range(whole.start + 1, whole.end), cuts)), whole.end]
        pieces = [Piece(low, high) for low, high in pairwise(borders)]
        assert_equal(seen(paths_of(timeline, *pieces)), expected)


@pytest.mark.parametrize("seed", range(3))
def test_spans_of_calls_cover_each_position_and_are_as_deep_as_the_paths(seed: int) -> None:
    timeline = calling(seed)
    stretch = Piece(timeline.start + 700, timeline.start + 1700)
    spans = stack_spans(ReplayedRun(timeline), stretch)
    assert all(stretch.start <= span.start < span.end <= stretch.end and span.depth >= 0 for span in spans)
    for position in range(stretch.start, stretch.end, 7):
        depths = sorted(span.depth for span in spans if span.start <= position < span.end)
        assert depths == list(range(depths[0], depths[0] + len(depths))), "a bar lies on the one below it, and no other"
    calls = [span for span in spans if span.kind is Node.CALL]
    assert calls and {span.function for span in calls} <= set(calls_of(paths_of(timeline, stretch)))


def calls_of(found: CallPaths) -> list[int]:
    return [target for _, _, target, kind in found.nodes.tolist() if kind == Node.CALL]


@pytest.mark.parametrize(("seed", "often"), [(0, False), (1, True)])
def test_paths_are_those_that_single_steps_see(seed: int, often: bool) -> None:
    timeline = Trial(seed, length=1200, often=often).timeline
    expected = look(timeline, timeline.start, timeline.end, VECTORS)
    assert_equal(seen(paths_of(timeline, Piece(timeline.start, timeline.end))), expected)


@pytest.mark.parametrize("seed", range(2))
def test_paths_are_the_same_wherever_the_run_is_cut(seed: int) -> None:
    trial = Trial(seed, length=1200, often=True)
    timeline = trial.timeline
    whole = paths_of(timeline, Piece(timeline.start, timeline.end))
    for cuts in (1, 5, 40):
        places = sorted(trial.dice.sample(range(timeline.start + 1, timeline.end), cuts))
        borders = [timeline.start, *places, timeline.end]
        pieces = [Piece(low, high) for low, high in zip(borders[:-1], borders[1:], strict=True)]
        assert_equal(seen(paths_of(timeline, *pieces)), seen(whole))
    flat = together(CountBlocks().of_piece(ReplayedRun(timeline), Piece(timeline.start, timeline.end), False))
    for one, other in zip(whole.flat().by_address(4), flat.by_address(4), strict=True):
        assert np.array_equal(one, other)
