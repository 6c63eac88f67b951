"""Long commands say how far they have come, end when the user wants it, and do not take an end for an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from rdbg.analysis import last_set
from rdbg.elf.elf_file import read_elf
from rdbg.emu.machine_api import Access, Watch
from rdbg.gdbstub import GdbServer
from rdbg.history.history import History
from rdbg.monitor.command import MonitorContext
from rdbg.monitor.interpreter import commands, run
from rdbg.monitor.line_progress import line_progress
from rdbg.navigation.pace import Pace
from rdbg.rsp.framing import Packet, encode
from rdbg.symbols.table import SymbolTable
from rdbg.timeline import StopConditions, StopReason, Timeline
from tests.stub.guests import COUNTER, ELF
from tests.stub.wire import RawClient, run_guest, serve

COMMANDS = ["lastwrite count", "writes count 4 1000"]


@pytest.fixture
def timeline() -> Timeline:
    return run_guest(20_000, finish=True)


@pytest.fixture
def long_run() -> Timeline:
    """A run that takes many looks at the outside world."""
    history = History.live_run()
    timeline = Timeline(COUNTER.start(history), history, pace=Pace(slice=500, spacing=2000))
    timeline.run(StopConditions(), lambda: timeline.position >= 20_000)
    timeline.close()
    return timeline


def session_of(timeline: Timeline, interrupted: Callable[[], bool]) -> MonitorContext:
    return MonitorContext(timeline, interrupted, lambda: None, SymbolTable(read_elf(ELF.read_bytes())))


def test_a_line_after_half_a_second_and_then_every_two() -> None:
    milliseconds, said = [0], []
    progress = line_progress(said.append, lambda: milliseconds[0] / 1000)
    while milliseconds[0] < 5000:
        progress.advance(milliseconds[0], 8000, "things done")
        milliseconds[0] += 5
    assert said == [
        f"... {done} of 8000 things done ({share}%)\n" for done, share in ((500, 6), (2500, 31), (4500, 56))
    ]


class Told:
    """A Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, int | None, str]] = []

    def advance(self, done: int, total: int | None, what: str) -> None:
        self.heard.append((done, total, what))


def heard_of(timeline: Timeline, work: Callable[[], object]) -> list[tuple[int, int | None, str]]:
    told = Told()
    with timeline.telling(told):
        work()
    assert all(total is not None and 0 <= done <= total for done, total, _ in told.heard)
    assert [done for done, _, _ in told.heard] == sorted(done for done, _, _ in told.heard)
    return told.heard


def test_a_jump_tells_how_far_it_has_come(long_run: Timeline) -> None:
    heard = []
    for place in (3000, 9000, long_run.end):
        long_run.goto(long_run.start)
        heard += heard_of(long_run, lambda place=place: long_run.goto(place))
    assert {what for _, _, what in heard} == {"instructions replayed"}


@pytest.mark.parametrize("search", ["who wrote this", "reverse-continue"])
def test_a_search_tells_how_much_it_has_looked_through(long_run: Timeline, search: str) -> None:
    place = SymbolTable(read_elf(ELF.read_bytes())).find("count")
    assert place is not None
    never = Watch(place.address + 8, 4, Access.WRITE)  # on the page of what is written all the time

    def work() -> None:
        if search == "who wrote this":
            assert long_run.past.last_writes(never.address, never.length) == []
        else:
            stop = long_run.reverse_run(StopConditions(watches=(never,)), lambda: False)
            assert stop.reason is StopReason.HISTORY_START

    assert {what for _, _, what in heard_of(long_run, work)} == {"instructions searched"}


def test_nobody_is_told_when_the_work_is_over(long_run: Timeline) -> None:
    told = Told()
    with long_run.telling(told):
        pass
    long_run.goto(long_run.start)
    long_run.goto(long_run.end)
    assert told.heard == []


@pytest.mark.parametrize("line", COMMANDS)
def test_an_interrupted_command_claims_nothing(timeline: Timeline, line: str) -> None:
    answer = run(session_of(timeline, lambda: True), line)
    assert answer.endswith("interrupted: what was before that was not looked at\n") and "no " not in answer
    assert timeline.position == timeline.end


def test_what_was_found_before_is_told(timeline: Timeline) -> None:
    looks = iter(range(1_000_000))
    answer = run(session_of(timeline, lambda: next(looks) > 100), "writes count 4 1000")
    *found, last = answer.splitlines()
    whole = run(session_of(timeline, lambda: False), "writes count 4 1000").splitlines()
    assert last.startswith("interrupted") and len(found) < len(whole) and found == whole[: len(found)]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_raw_interrupt_ends_a_command(timeline: Timeline, line: str) -> None:
    place = SymbolTable(read_elf(ELF.read_bytes())).find("count")
    assert place is not None
    line = line.replace("count", hex(place.address))
    server: GdbServer = serve(timeline)
    client = RawClient(server)
    client.send(encode(b"qRcmd," + line.encode().hex().encode()) + b"\x03")
    *said, end = [event.data for event in client.receive() if isinstance(event, Packet)]
    assert end == b"OK" and b"interrupted".hex().encode() in b"".join(said)
    assert client.ask(b"bs").startswith(b"T05"), "it has ended the command, and nothing after it"
    server.close()


@pytest.mark.parametrize("line", ["lastset $k1", "lastset $v0 == 0x12345678", "origin $k1"])
def test_what_looks_back_for_registers_tells_how_far_it_has_come(long_run: Timeline, line: str) -> None:
    context = session_of(long_run, lambda: False)
    told = Told()
    commands()[line.split()[0]].function(replace(context, progress=told), line.split()[1:])
    assert {what for _, _, what in told.heard} == {"instructions looked back through"}
    assert [done for done, _, _ in told.heard] == sorted(done for done, _, _ in told.heard)
    assert all(done <= (total or 0) == long_run.end - long_run.start for done, total, _ in told.heard)


@pytest.mark.parametrize("line", ["lastset $k1", "lastset $v0 == 5", "lastset $a0 == 0", "lastset $ra"])
def test_a_trace_is_looked_at_a_part_at_a_time(long_run: Timeline, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody waits, and may have had enough."""
    asked = []
    context = session_of(long_run, lambda: asked.append(1) is not None)
    whole, looks = run(context, line), len(asked)
    monkeypatch.setattr(last_set, "_AT_ONCE", 3)
    asked.clear()
    assert run(context, line) == whole
    assert len(asked) > looks


def test_the_script_asks_for_an_answer_that_its_user_waited_for(long_run: Timeline) -> None:
    client = RawClient(serve(long_run))

    def said(line: str, then: bytes = b"") -> bytes:
        client.send(encode(b"qRcmd," + line.encode().hex().encode()) + then)
        *console, end = [event.data for event in client.receive() if isinstance(event, Packet)]
        assert end == b"OK"
        return b"".join(bytes.fromhex(packet[1:].decode()) for packet in console)

    said("script")
    assert said("script keep lastset $k1") == b"" and said("script kept").startswith(b"icount 35, pc 0xbfc00604: ")
    assert said("script kept") == b""
    assert said("script keep lastset $k1", b"\x03") == b""
    assert said("script kept") == b"interrupted: what was before that was not looked at\n"
