"""What was found out of the words that each stretch stores to changes no answer: searches with it and without come to
the same places, in guests that store in every way there is. The stretches are short, and begin and end anywhere.

``python -m tests.timeline.test_word_filters`` tries more of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import pytest

import rdbg.navigation.steady_conditions
import rdbg.navigation.survey
from rdbg.analysis.where_condition import parse_where
from rdbg.checkpoints.accesses import Accesses
from rdbg.checkpoints.cleared import Cleared
from rdbg.checkpoints.stored_words import WordFilters
from rdbg.emu.expression import Expression
from rdbg.emu.machine_api import Access, Watch
from rdbg.history.history import History
from rdbg.navigation.pace import Pace
from rdbg.navigation.stops import StopConditions, StopReason, never
from rdbg.navigation.unread_registers import Evaluate, reads_that_make_it_false
from rdbg.timeline import Timeline
from tests.emu.dma_device import dma_machine
from tests.timeline.generated_guest import CODE, DATA, MAPPED, UNCACHED, generated_guest
from tests.timeline.guest_after_guest import try_guests
from tests.timeline.test_writers import LOST, spec
from tests.timeline.test_writers import MAPPED as MOVED
from tests.timeline.test_writers import guest as writing_guest


@pytest.fixture(autouse=True)
def every_page_is_hot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rdbg.navigation.survey, "_QUICK_SECONDS", 0.0)


class Asked:
    """Asks a run the same with what its surveys have found out, and without.

    Args:
        timeline: the run.
        dice: draws questions.
        words: addresses whose words are asked about.
    """

    def __init__(self, timeline: Timeline, dice: random.Random, words: Callable[[], int]) -> None:
        self.timeline = timeline
        self.ruled_out = self.hits = self.steady = self.held = 0
        self._dice = dice
        self._words = words

    def survey(self) -> None:
        """Look at all of the past."""
        here = self.timeline.position
        survey = self.timeline.survey
        for piece in survey.pieces():
            survey.learn(survey.look(piece))
        self.timeline.goto(here)

    def ask(self, times: int) -> None:
        """Ask about random words, from random places."""
        d = self._dice
        for _ in range(times):
            address, length = self._words(), d.choice([1, 2, 4, 4, 8, 64])
            watch = Watch(address & -min(length, 4), length, d.choice([Access.WRITE] * 4 + [Access.ACCESS]))
            conditions = StopConditions(watches=(watch,))
            place = d.randrange(self.timeline.end + 1)
            backward = self.timeline.live or d.random() < 0.7  # forward, a live run goes on beyond what there is
            count = d.randrange(1, 4)
            self.same(partial(self._moves, place, conditions, backward, count))
            if d.random() < 0.3:
                self.same(partial(self._writes, place, watch))
            self.same(partial(self._stops, place, self._conditional(), backward, count))

    def _conditional(self) -> StopConditions:
        """Two breakpoints where code runs, whose conditions ask for a word, alone or beside a register. The words are
        what they are somewhere, so some hold."""
        d, machine = self._dice, self.timeline.machine
        conditions = {}
        for _ in range(2):
            self.timeline.goto(d.randrange(self.timeline.end + 1))
            address, at = self._words() & ~3, machine.pc
            held = int.from_bytes(machine.read_memory(address, 4), "big" if machine.big_endian else "little")
            word = f"word({address:#x})"
            wanted = d.choice([held, held, held ^ 1 << d.randrange(32), 0])
            text = d.choice(
                [
                    f"{word} == {wanted}",
                    f"{word} != {wanted}",
                    f"a0 & 1 == 1 && {word} == {wanted}",
                    f"{word} == {wanted} || {word} + 1 == {wanted}",
                    f"word({word}) == {wanted}",
                    f"{word} == {wanted} && sp != 0",
                ]
            )
            conditions[at] = (parse_where(text, machine.architecture),)
        return StopConditions(frozenset(conditions), conditions=conditions)

    def same(self, question: Callable[[], object]) -> None:
        """Compare the answers."""
        index = self.timeline._keeper.index
        known = index.words
        answers = []
        reads = rdbg.navigation.steady_conditions.reads_that_make_it_false
        for words, looks in ((known, self._counted), (WordFilters(), None)):
            index.words, index.cleared, index.accesses = words, Cleared(), Accesses()
            rdbg.navigation.steady_conditions.reads_that_make_it_false = looks or (lambda *_: None)
            try:
                answers.append(question())
            finally:
                rdbg.navigation.steady_conditions.reads_that_make_it_false = reads
        index.words = known
        assert answers[0] == answers[1]

    def _moves(self, place: int, conditions: StopConditions, backward: bool, count: int) -> object:
        timeline, stops = self.timeline, []
        timeline.goto(place)
        index, here = timeline._keeper.index, timeline.position
        (watch,) = timeline._resolved(conditions).watches
        self.ruled_out += index.words.begins(watch, here) < here
        for _ in range(count):
            stop = timeline.reverse_run(conditions, never) if backward else timeline.run(conditions, never)
            stops.append((stop.reason, stop.position, stop.watch, timeline.machine.digest()))
            self.hits += stop.watch is not None
            if not backward and timeline.position < timeline.end:
                timeline.step()
        return stops

    def _counted(self, expression: Expression, evaluate: Evaluate) -> frozenset[tuple[int, int]] | None:
        reads = reads_that_make_it_false(expression, evaluate)
        self.steady += reads is not None
        return reads

    def _stops(self, place: int, conditions: StopConditions, backward: bool, count: int) -> object:
        timeline, stops = self.timeline, []
        timeline.goto(place)
        for _ in range(count):
            stop = timeline.reverse_run(conditions, never) if backward else timeline.run(conditions, never)
            stops.append((stop.reason, stop.position, timeline.machine.digest()))
            self.held += stop.reason is StopReason.BREAKPOINT
            if not backward and timeline.position < timeline.end:
                timeline.step()
        return stops

    def _writes(self, place: int, watch: Watch) -> object:
        self.timeline.goto(place)
        return self.timeline.past.last_writes(watch.address, watch.length, 3)


def _has_come(timeline: Timeline, position: int) -> bool:
    return timeline.position >= position


def _live(timeline: Timeline, dice: random.Random, length: int) -> None:
    """Run on, with writes by the debugger now and then."""
    end = timeline.position + length
    while timeline.position < end:
        target = timeline.position + dice.choice([1, 10, 100, 500])
        timeline.run(StopConditions(), partial(_has_come, timeline, target))
        if dice.random() < 0.2:
            timeline.live_end.write_memory(DATA + 4 * dice.randrange(64), bytes(dice.randrange(256) for _ in range(4)))


def try_changing_guest(seed: int, often: bool) -> Asked:
    """One that changes itself, through every mapping, and stores by swl, swr, sc and the FPU, in slots and across
    exceptions; the debugger writes, too."""
    dice = random.Random(seed)
    pace = Pace(spacing=dice.choice([300, 2000]), slice=dice.choice([20, 100, 300]), rung=50)
    machine = generated_guest(seed, bool(seed & 1), often)
    timeline = Timeline(machine, History.live_run(), sleep=False, pace=pace, max_checkpoints=dice.choice([10, 1000]))
    _live(timeline, dice, 3000)

    def word() -> int:
        if dice.random() < 0.5:
            return DATA + dice.randrange(64 * 4)
        return dice.choice([CODE, MAPPED, UNCACHED]) + dice.randrange(3 * 4096)

    asked = Asked(timeline, dice, word)
    asked.survey()
    assert len(timeline._keeper.index.words) > 2
    asked.ask(5)
    timeline.close()
    asked.ask(15)
    # Another future of some moment: what was found out of the first one's holds up to there.
    timeline.goto(dice.randrange(timeline.end // 2, timeline.end))
    timeline.branch("other")
    timeline.live_end.write_memory(DATA + 4 * dice.randrange(64), b"\x01\x02\x03\x04")
    _live(timeline, dice, 500)
    asked.ask(10)
    asked.survey()
    asked.ask(10)
    return asked


def try_writing_guest(seed: int) -> Asked:
    """One whose devices write: by DMA at once and later, a flash chip, resets; and a mapping that goes elsewhere."""
    dice = random.Random(seed)
    pace = Pace(spacing=dice.choice([300, 2000]), slice=dice.choice([20, 100, 300]), rung=50)
    history = History.live_run()
    timeline = Timeline(dma_machine(spec(writing_guest(dice)), history), history, sleep=False, pace=pace)
    _live(timeline, dice, 4000)

    def word() -> int:
        return dice.choice([0x80000000 | LOST, 0xA0000000 | LOST, MOVED, MOVED + 0x1000]) + dice.randrange(256)

    asked = Asked(timeline, dice, word)
    asked.survey()
    asked.ask(20)
    _live(timeline, dice, 500)
    asked.ask(10)
    timeline.close()
    asked.ask(10)
    return asked


@pytest.mark.parametrize(("seed", "often"), [(0, False), (1, True), (2, True), (3, False)])
def test_filters_change_no_answer_of_guests_that_change_themselves(seed: int, often: bool) -> None:
    asked = try_changing_guest(seed, often)
    assert asked.ruled_out > 5 and asked.hits > 5 and asked.steady > 5 and asked.held > 5


@pytest.mark.parametrize("seed", range(2))
def test_filters_change_no_answer_of_guests_whose_devices_write(seed: int) -> None:
    asked = try_writing_guest(seed)
    assert asked.ruled_out > 5 and asked.hits > 5 and asked.steady > 5 and asked.held > 5


def try_any_guest(seed: int) -> None:
    """Devices write to each third one; the others change themselves."""
    if seed % 3:
        try_changing_guest(seed, seed % 3 == 2)
    else:
        try_writing_guest(seed)


if __name__ == "__main__":
    rdbg.navigation.survey._QUICK_SECONDS = 0.0
    try_guests(__doc__ or "", try_any_guest)
