"""Long commands say how far they have come, end when the user wants it, and do not take an end for an answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rdbg.elf.elf_file import read_elf
from rdbg.gdbstub import GdbServer
from rdbg.monitor.command import MonitorContext
from rdbg.monitor.interpreter import run
from rdbg.monitor.progress import Progress
from rdbg.rsp.framing import Packet, encode
from rdbg.symbols.table import SymbolTable
from rdbg.timeline import Timeline
from tests.stub.guests import ELF
from tests.stub.wire import RawClient, run_guest, serve

COMMANDS = ["lastwrite count", "writes count 4 1000"]


@pytest.fixture
def timeline() -> Timeline:
    return run_guest(20_000, finish=True)


def session_of(timeline: Timeline, interrupted: Callable[[], bool]) -> MonitorContext:
    return MonitorContext(timeline, interrupted, lambda: None, SymbolTable(read_elf(ELF.read_bytes())))


def test_a_line_every_two_seconds(timeline: Timeline) -> None:
    seconds, said = [0.0], []
    progress = Progress(timeline, lambda: seconds[0] > 5, said.append, lambda: seconds[0])
    while not progress():
        seconds[0] += 0.005
    assert said == [f"... at icount {timeline.position} of {timeline.end}\n"] * 2


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
