"""A trace of every instruction says what single steps show, and leaves the run as it is without."""

from __future__ import annotations

import random

import pytest

from rdbg.analysis.instruction_trace import InstructionTrace
from rdbg.history.history import History
from rdbg.timeline import Timeline
from tests.analysis.stepped_trace import SteppedTrace
from tests.analysis.traced_rows import traced
from tests.emu.guests import NOP, addiu, beq, i_type, lui, machine_with, r_type
from tests.timeline.positions import Trial

_REGISTERS = (*range(1, 32), 33, 34)


def compare(timeline: Timeline, start: int, end: int) -> int:
    """Compare a stretch with single steps; how many instructions were compared."""
    found = [row for piece in InstructionTrace(timeline).rows(start, end) for row in traced(piece)]
    stood, digest = timeline.position, timeline.machine.digest()
    expected = list(SteppedTrace(timeline, _REGISTERS).rows(start, end))
    assert (timeline.position, timeline.machine.digest()) == (stood, digest)
    for left, right in zip(found, expected, strict=False):
        assert left == right
    assert len(found) == len(expected)
    return len(found)


def compare_stretches(seed: int, often: bool, length: int, times: int) -> int:
    """Random stretches of a generated guest; how many instructions were compared."""
    dice = random.Random(seed)
    trial = Trial(seed, length=length, often=often)
    timeline = trial.timeline
    compared = 0
    for _ in range(times):
        start = dice.randrange(timeline.end)
        compared += compare(timeline, start, min(start + dice.choice([1, 2, 50, length]), timeline.end))
        trial.check("a trace")
    return compared


def _arithmetic(dice: random.Random) -> int:
    """A word that registers and memory depend on, of all kinds that are done without asking Unicorn."""
    rs, rt, rd, shift = dice.randrange(8, 16), dice.randrange(8, 16), dice.randrange(8, 16), dice.randrange(32)
    low, high = sorted((shift, dice.randrange(32)))
    return dice.choice([
        r_type(dice.choice([0x18, 0x19, 0x1A, 0x1B]), rs, rt, 0),
        0x70000000 | rs << 21 | rt << 16 | dice.choice([0, 1, 4, 5]),             # madd and its like
        0x70000000 | rs << 21 | rd << 16 | rd << 11 | dice.choice([0x20, 0x21]),  # clz clo
        0x70000002 | rs << 21 | rt << 16 | rd << 11,                              # mul
        r_type(dice.choice([0x10, 0x12]), 0, 0, rd), r_type(dice.choice([0x11, 0x13]), rs, 0, 0),
        r_type(dice.choice([0x20, 0x22, 0x2A, 0x2B, 0x0A, 0x0B, 4, 6, 7]), rs, rt, rd), i_type(8, rs, rt, shift << 11),
        r_type(dice.choice([0, 2, 3]), 0, rt, rd, shift), r_type(dice.choice(range(0x24, 0x28)), rs, rt, rd),
        r_type(2, 1, rt, rd, shift), r_type(6, rs, rt, rd, 1),                    # rotr rotrv
        0x7C000000 | rs << 21 | rt << 16 | 31 - high << 11 | low << 6,            # ext
        0x7C000004 | rs << 21 | rt << 16 | high << 11 | low << 6,                 # ins
        0x7C000020 | rt << 16 | rd << 11 | dice.choice([2, 0x10, 0x18]) << 6,     # wsbh seb seh
        r_type(dice.choice([0x30, 0x31, 0x32, 0x33, 0x34, 0x36]), rs, rt, 0),     # traps
        i_type(1, rs, dice.choice([8, 9, 10, 11, 12, 14]), shift << 11),
        i_type(dice.choice([0x22, 0x26, 0x2A, 0x2E]), 16, rt, dice.randrange(64)),
        i_type(dice.choice([0x23, 0x2B]), 16, rt, 4 * shift),
    ])  # fmt: skip


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_arithmetic_and_parts_of_words_are_what_the_cpu_makes_of_them(seed: int, big_endian: bool) -> None:
    dice = random.Random(seed)
    values = [word for n in range(8, 16) for word in (lui(n, dice.randrange(1 << 16)), addiu(n, n, dice.randrange(99)))]
    body = [_arithmetic(dice) for _ in range(500)]
    skip = [0x401B7000, addiu(27, 27, 4), 0x409B7000, 0x42000018]  # mfc0 EPC, mtc0, eret
    machine = machine_with([lui(16, 0x8020), *values, *body, beq(0, 0, 0xFFFF), NOP], skip, big_endian)
    timeline = Timeline(machine, History.live_run(), sleep=False)
    while timeline.position < 900:
        timeline.step()
    assert compare(timeline, 0, 900) > 600
    timeline.close()


@pytest.mark.parametrize("often", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_a_trace_of_a_generated_guest_is_what_single_steps_show(seed: int, often: bool) -> None:
    assert compare_stretches(seed, often, length=1000, times=6) > 20
