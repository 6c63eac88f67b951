"""A run's inputs enter at the same places however often it is gone over, live, from memory and from the journal."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdbg.emu.endpoint import Endpoint, EndpointKind, serial_port
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.output_mark import OutputMark
from rdbg.errors import RdbgError
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.journal.output_marks import Digests
from rdbg.journal.reader import JournalReader
from rdbg.journal.records import EndOfRun, EndReason
from rdbg.journal.writer import JournalWriter

from .samples import header

WINDOW_EVERY = 3  # positions that are windows


def expected(history: History, icount: int) -> bytes | None:
    """The state's digest that a replay has to come to."""
    found = history.known.expected_digests(icount)
    return None if found is None else found.state


class Walker:
    """The least machine that takes inputs: its state is what has entered, and where."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.position = 0
        self.state: tuple[InputEvent, ...] = ()

    def run(self, until: int) -> None:
        """As a timeline runs a machine: to ``until``, applying the debugger's writes on the way."""
        while True:
            poke = self.history.next_poke()
            self._run_machine(until if poke is None else min(until, poke))
            pokes = self.history.take_pokes(self.position)
            self.state += tuple(pokes)
            if not pokes and self.position >= until:
                break
        self.history.advance(self.position, idle=False)

    def wait(self) -> None:
        """The CPU idles here, and takes what comes."""
        self.history.advance(self.position, idle=True)
        self._window()

    def poke(self, data: bytes) -> None:
        """The debugger writes here."""
        event = InputEvent(self.position, InputKind.POKE_MEMORY, value=7, data=data)
        self.history.append(event)
        self.state += (event,)

    def restore(self, position: int, state: tuple[InputEvent, ...]) -> None:
        """Go to a state seen before."""
        self.position, self.state = position, state
        self.history.seek(position)

    def _run_machine(self, until: int) -> None:
        self._window_again()
        while self.position < until:
            self.position += 1
            if self.position % WINDOW_EVERY == 0:
                self._window()

    def _window_again(self) -> None:
        # An idle CPU looks for inputs again where it stands.
        self._window()

    def _window(self) -> None:
        wanted = (self.history.next_icount(), self.history.waiting_from())
        if any(at is not None and at <= self.position for at in wanted):
            self.state += tuple(self.history.take(self.position))


def digest(state: tuple[InputEvent, ...]) -> bytes:
    return hash(state).to_bytes(8, "little", signed=True) * 2


steps = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.integers(1, 12)),
        st.tuples(st.just("send"), st.binary(min_size=1, max_size=3)),
        st.tuples(st.just("wait"), st.just(0)),
        st.tuples(st.just("poke"), st.binary(min_size=1, max_size=3)),
        st.tuples(st.just("back"), st.floats(0, 1)),
        st.tuples(st.just("digest"), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(steps, st.integers(1, 2))
def test_every_pass_gives_the_same(made: list[tuple[str, int | bytes | float]], room: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "j"))
        queue = LiveQueue(lambda port: room)
        writer = JournalWriter(path, header())
        writer.publish()
        history = History.recording(writer, queue)
        walker = Walker(history)
        seen: dict[int, tuple[InputEvent, ...]] = {0: ()}
        for what, value in made:
            if what == "run" and isinstance(value, int):
                walker.run(walker.position + value)
            elif what == "send" and isinstance(value, bytes):
                queue.send(serial_port(0), value)
            elif what == "wait" and walker.position == history.end and walker.position % WINDOW_EVERY == 0:
                walker.wait()
            elif what == "poke" and isinstance(value, bytes):
                walker.run(max(history.end, walker.position))
                walker.poke(value)
            elif what == "digest" and walker.position == history.end:
                history.note_digest(walker.position, Digests(digest(walker.state), OutputMark()))
            elif what == "back" and isinstance(value, float):
                target = sorted(seen)[int(value * (len(seen) - 1))]
                if history.entered_at(target) == sum(e.icount == target for e in seen[target]):
                    walker.restore(target, seen[target])
            here = walker.position
            known = seen.get(here)
            # A state may be known from before an input that has entered at its position since, while the CPU was idle.
            if known is None or here == history.end or history.entered_at(here) != sum(e.icount == here for e in known):
                seen[here] = walker.state
            else:
                assert walker.state == known
            assert walker.position <= history.end
        walker.run(max(history.end, walker.position))
        final = walker.state
        history.close(EndOfRun(history.end, EndReason.STOPPED))
        assert not history.live

        replay = History.replay(JournalReader(path))
        assert replay.notice is None
        assert (replay.end, replay.finished) == (history.end, EndOfRun(history.end, EndReason.STOPPED))
        for source in (history, replay):
            again = Walker(source)
            source.seek(-1)
            while again.position < source.end:
                stop = source.known.next_digest(again.position)
                again.run(source.end if stop is None else min(stop, source.end))
                expected = source.known.expected_digests(again.position)
                assert expected is None or expected.state == digest(again.state)
            again.run(source.end)
            assert again.state == final


def test_a_write_into_the_past_is_refused() -> None:
    history = History.live_run()
    history.advance(100)
    history.append(InputEvent(100, InputKind.POKE_REGISTER, 4, 5))
    history.append(InputEvent(100, InputKind.POKE_REGISTER, 5, 5))
    history.advance(200)
    for icount in (50, 199):
        history.seek(icount)
        with pytest.raises(RdbgError, match=f"icount {icount}: it is in the past, and the live end is at icount 200"):
            history.append(InputEvent(icount, InputKind.POKE_REGISTER, 4, 5))
    history.close(EndOfRun(200, EndReason.STOPPED))
    with pytest.raises(RdbgError, match="finished"):
        history.append(InputEvent(200, InputKind.POKE_REGISTER, 4, 5))


def test_live_inputs_wait_for_the_live_end() -> None:
    queue = LiveQueue(lambda port: 16)
    history = History.live_run(queue)
    history.advance(1000)
    queue.send(serial_port(0), b"a")
    history.seek(10)
    assert history.next_icount() is None and history.waiting_from() == 1001
    assert history.take(500) == []
    assert history.take(1200) == [InputEvent(1200, InputKind.SERIAL, data=b"a")]
    assert history.next_icount() is None and history.end == 1200
    history.seek(10)
    assert history.next_icount() == 1200


def test_a_source_gives_as_much_as_there_is_room_for() -> None:
    room = {Endpoint(EndpointKind.ENTROPY, 0): 3}
    queue = LiveQueue(lambda endpoint: room[endpoint])
    queue.feed(Endpoint(EndpointKind.ENTROPY, 0), lambda size: b"r" * size)
    history = History.live_run(queue)
    assert history.waiting_from() is not None
    assert history.take(100) == [InputEvent(100, InputKind.ENTROPY, data=b"rrr")]
    room[Endpoint(EndpointKind.ENTROPY, 0)] = 0
    assert history.waiting_from() is None and history.take(200) == []


def test_an_input_that_cannot_enter_at_its_place_is_a_divergence() -> None:
    queue = LiveQueue(lambda port: 16)
    history = History.live_run(queue)
    queue.send(serial_port(0), b"a")
    history.take(100)
    history.seek(0)
    with pytest.raises(RdbgError, match="diverged: the input recorded at icount 100 cannot enter there"):
        history.take(103)


def test_digests_are_noted_once_and_dropped_by_a_later_input() -> None:
    history = History.live_run()
    history.note_digest(10, Digests(b"a" * 16, OutputMark()))
    history.note_digest(10, Digests(b"b" * 16, OutputMark()))
    history.note_digest(20, Digests(b"c" * 16, OutputMark()))
    history.append(InputEvent(20, InputKind.POKE_MEMORY, value=1, data=b"x"))
    history.note_digest(30, Digests(b"d" * 16, OutputMark()))
    history.note_digest(15, Digests(b"e" * 16, OutputMark()))
    assert [expected(history, at) for at in (10, 15, 20, 30)] == [b"a" * 16, None, None, b"d" * 16]
    assert (history.known.next_digest(0), history.known.next_digest(10), history.known.next_digest(30)) == (
        10,
        30,
        None,
    )
    history.note_digest(30, Digests(b"z" * 16, OutputMark()))
    assert expected(history, 30) == b"d" * 16


def test_leaving_the_past_another_way() -> None:
    history = History.live_run()
    for icount in (10, 20, 30):
        history.append(InputEvent(icount, InputKind.POKE_MEMORY, value=icount, data=b"x"))
    history.rewind(20, 2)
    history.seek(0)
    assert (history.end, history.next_poke()) == (20, 10)
    history.seek(20)
    history.append(InputEvent(25, InputKind.POKE_MEMORY, value=1, data=b"y"))
    history.seek(20)
    assert [e.data for e in history.take_pokes(25)] == [b"y"]


def test_a_recording_keeps_its_past(tmp_path: Path) -> None:
    writer = JournalWriter(str(tmp_path / "j"), header())
    with pytest.raises(RdbgError, match="a recording keeps its one past"):
        History.recording(writer).rewind(0, 0)
    writer.discard()


def test_unknown_kinds_are_refused_before_the_replay(tmp_path: Path) -> None:
    from rdbg.journal.records import Record

    writer = JournalWriter(str(tmp_path / "j"), header())
    writer.publish()
    writer.append(Record(77, 23))
    writer.close(EndOfRun(100, EndReason.STOPPED))
    with pytest.raises(RdbgError, match="unknown kind 23 .* icount 77; replay with rdbg 0.1.0"):
        History.replay(JournalReader(str(tmp_path / "j")))


def test_the_queue_gives_what_the_port_has_room_for() -> None:
    room = 0
    queue = LiveQueue(lambda port: room)
    queue.send(serial_port(1), b"abcdef")
    assert not queue.pending() and queue.take() == [] and queue.waiting(serial_port(1)) == 6
    room = 4
    queue.put(InputEvent(0, InputKind.RESET))
    assert queue.pending()
    assert queue.take() == [InputEvent(0, InputKind.RESET), InputEvent(0, InputKind.SERIAL, 1, data=b"abcd")]
    assert queue.take() == [InputEvent(0, InputKind.SERIAL, 1, data=b"ef")]
    assert not queue.pending()
