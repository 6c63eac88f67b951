"""Copies of the process that look at the past while nobody asks anything: they change no answer, end when they are told
to, and what they find out is there in the next session."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

import rdbg.navigation.survey
from rdbg.cli.qemu_options import parse_line
from rdbg.emu.machine_api import Access, Watch
from rdbg.host.progress import Progress
from rdbg.session.session import Session
from rdbg.session.surroundings import Surroundings
from rdbg.timeline import StopConditions, StopReason, Timeline
from rdbg.workers import idle_looks
from rdbg.workers.idle_looks import IdleLooks
from rdbg.workers.run_copies import RunCopies
from tests.stub.guests import ELF
from tests.workers.runs import SYMBOLS, no_process_is_left, written_run
from tests.workers.test_shared_searches import when_count_is

COUNT = SYMBOLS.find("count")
assert COUNT is not None
BESIDE = StopConditions(watches=(Watch(COUNT.address + 8, 4, Access.WRITE),))  # on the page of what is written
WRITTEN = StopConditions(watches=(Watch(COUNT.address, 4, Access.WRITE),))


@pytest.fixture(autouse=True)
def every_page_is_hot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rdbg.navigation.survey, "_QUICK_SECONDS", 0.0)
    monkeypatch.setattr(rdbg.navigation.survey, "_PIECE_SECONDS", 0.0002)


class Standing:
    """A run that stands still, by a clock of its own."""

    def __init__(self, timeline: Timeline) -> None:
        self.now = 0.0
        self.made = 0
        copies = RunCopies(timeline, 2, lambda: None)

        def counted(size: int, work: Callable[..., Any]) -> Any:
            self.made += 1
            return copies.copies(size, work)

        self.looks = IdleLooks(timeline, counted, 1, lambda: self.now)

    def until_all_is_known(self) -> None:
        self.looks.stand()
        self.now += idle_looks.PATIENCE
        deadline = time.monotonic() + 60
        self.looks.stand()
        while self.looks.at_work:
            assert time.monotonic() < deadline
            time.sleep(0.01)
            self.looks.stand()


def test_what_is_found_out_leaves_nothing_to_replay_and_moves_nothing() -> None:
    timeline = written_run()
    digest, place = timeline.machine.digest(), timeline.position
    standing = Standing(timeline)
    standing.until_all_is_known()
    assert standing.made == 1 and no_process_is_left()
    assert (timeline.position, timeline.machine.digest()) == (place, digest)
    words = timeline._keeper.index.words
    assert words.begins(timeline._resolved(BESIDE).watches[0], place) == timeline.start
    timeline.goto(place - 10_000)
    assert words.begins(timeline._resolved(WRITTEN).watches[0], place) > place - 1000
    stops = [timeline.reverse_run(each, lambda: False) for each in (WRITTEN, WRITTEN, BESIDE)]
    assert [stop.reason for stop in stops] == [StopReason.WATCHPOINT] * 2 + [StopReason.HISTORY_START]
    alone = written_run()
    alone.goto(place - 10_000)
    assert [alone.reverse_run(each, lambda: False) for each in (WRITTEN, WRITTEN, BESIDE)] == stops


def test_nothing_is_looked_at_before_the_run_has_stood_for_a_while_nor_again_after_that() -> None:
    standing = Standing(written_run())
    standing.looks.stand()
    standing.now += idle_looks.PATIENCE / 2
    standing.looks.stand()
    standing.looks.wake()
    standing.now += idle_looks.PATIENCE / 2
    standing.looks.stand()
    assert standing.made == 0
    standing.until_all_is_known()
    standing.now += 100
    standing.looks.stand()
    assert standing.made == 1
    standing.looks.wake()
    standing.until_all_is_known()
    assert standing.made == 1, "all was known"


def test_a_question_ends_it_and_keeps_what_was_found_out() -> None:
    timeline = written_run()
    standing = Standing(timeline)
    standing.looks.stand()
    standing.now += idle_looks.PATIENCE
    standing.looks.stand()
    assert standing.looks.at_work
    deadline = time.monotonic() + 60
    while not len(timeline._keeper.index.words):
        assert time.monotonic() < deadline
        standing.looks.stand()
    known = len(timeline._keeper.index.words)
    standing.looks.wake()
    assert no_process_is_left() and len(timeline._keeper.index.words) >= known
    assert timeline.reverse_run(BESIDE, lambda: False).reason is StopReason.HISTORY_START


@pytest.mark.parametrize("conditions", [when_count_is(4000), when_count_is(1 << 30), WRITTEN, BESIDE])
@pytest.mark.parametrize("forward", [False, True])
def test_what_was_asked_once_is_looked_for_in_all_of_the_run(conditions: StopConditions, forward: bool) -> None:
    """A breakpoint that is met all the time, whose condition holds once or never; accesses, many or none."""

    def answers(timeline: Timeline) -> list[object]:
        stops: list[object] = []
        for place in (40_000, 30_000, 10_000, 25_000):
            timeline.goto(place)
            if forward:
                stops.append(timeline.run(conditions, lambda: False))
            else:
                stops.append(timeline.reverse_run(conditions, lambda: False))
            stops.append(timeline.machine.digest())
        return stops

    timeline, alone = written_run(), written_run()
    timeline.close()
    alone.close()
    timeline.expect(conditions)
    standing = Standing(timeline)
    standing.until_all_is_known()
    (sought,) = timeline.survey._asked
    cleared = timeline._keeper.index.cleared
    if conditions is not WRITTEN:
        assert sum(end - start for start, end in cleared._stretches[sought]) >= timeline.end - 1000
    assert answers(timeline) == answers(alone)


def test_a_run_that_went_on_takes_nothing_in_of_what_was_looked_at_before() -> None:
    timeline = written_run()
    standing = Standing(timeline)
    standing.looks.stand()
    standing.now += idle_looks.PATIENCE
    standing.looks.stand()
    timeline.goto(30_000)
    timeline.branch("other")
    timeline.live_end.write_memory(COUNT.address, b"\7\0\0\0")
    while standing.looks.at_work:
        standing.looks.stand()
    assert not len(timeline._keeper.index.words) and no_process_is_left()


class CountedLooks:
    """Takes the place of looks at the past: how often they went on since somebody was awake."""

    def __init__(self) -> None:
        self.stood = 0

    def stand(self) -> None:
        self.stood += 1

    def wake(self) -> None:
        self.stood = 0


@dataclass(frozen=True)
class Helping:
    """Helpers of a run, of whom nothing but looks is wanted."""

    looks: CountedLooks

    def pool(self, interrupted: Callable[[], bool], progress: Progress) -> Any:
        raise NotImplementedError

    def copies(self, size: int, work: Callable[..., Any]) -> Any:
        raise NotImplementedError

    def crew(self, work: Callable[[int, int], Any]) -> None:
        return None

    def idle_looks(self) -> CountedLooks:
        return self.looks


@pytest.mark.parametrize("reset", [False, True])
def test_they_end_with_the_client_that_would_have_asked(reset: bool) -> None:
    """One that was killed says nothing; its connection ends, or is reset where something was unread."""
    looks = CountedLooks()
    line = parse_line(["-kernel", str(ELF), "-serial", "null", "-gdb", "tcp::0", "-S", "-nodefaults"])
    clients: list[socket.socket] = []
    turns: list[tuple[bool, int]] = []
    looked = iter(range(1000))

    def ended() -> bool:
        server = session.server
        assert server is not None
        if not clients and not turns:
            clients.append(socket.create_connection(server.address, 10))
        elif clients and looks.stood:
            client = clients.pop()
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            turns.append((True, 0))
        elif turns:
            turns.append((server.attached, looks.stood))
        return len(turns) > 10 or next(looked, None) is None

    around = Surroundings(terminal=False, ended=ended, helpers=lambda timeline, reopen: Helping(looks))
    session = Session(line.options, around)
    try:
        session.run()
    finally:
        session.close()
    assert turns[-1] == (False, 0), turns
