"""``monitor info inputs``, ``goto packet N`` and ``goto input N``: what came from outside, and where."""

from __future__ import annotations

import struct

import pytest

from rdbg.emu.endpoint import serial_port
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.monitor.command import MonitorContext
from rdbg.monitor.interpreter import run
from rdbg.monitor.travel_commands import travel
from rdbg.navigation.pace import Pace
from rdbg.navigation.stops import StopConditions
from rdbg.symbols.table import SymbolTable
from rdbg.timeline import Timeline
from tests.emu.dma_device import DMA_BASE, dma_machine
from tests.emu.guests import NOP, addiu, beq, sw
from tests.timeline.test_writers import DMA, TEMP, li, spec

BUFFER = 0x00200000


@pytest.fixture
def session() -> MonitorContext:
    """Packets 1 to 3, a typed byte between the first two, and a write by the debugger at the end."""
    start = [*li(DMA, 0xA0000000 | DMA_BASE), *li(TEMP, BUFFER), sw(TEMP, 0, DMA)]
    code = [*start, addiu(8, 8, 1), beq(0, 0, -2), NOP]
    machine = dma_machine(spec(struct.pack(f"<{len(code)}I", *code)))
    queue = LiveQueue(machine.input_room)
    timeline = Timeline(machine, History.live_run(queue), sleep=False, pace=Pace(slice=100))

    def go_on() -> None:
        end = timeline.position + 300
        while timeline.position < end:
            timeline.run(StopConditions(), lambda: True)

    go_on()
    for data in (b"one", b"two", b"three"):
        queue.send_packet(0, data)
        go_on()
        if data == b"one":
            queue.send(serial_port(0), b"A")
            go_on()
    timeline.live_end.write_memory(0x80000000 | BUFFER + 64, b"poked")
    return MonitorContext(timeline, lambda: False, lambda: None, SymbolTable())


def test_inputs_are_listed_with_their_places_around_here(session: MonitorContext) -> None:
    lines = run(session, "info inputs").splitlines()
    assert lines[0].split() == ["INPUT", "ICOUNT", "what"]
    assert [line.split(maxsplit=2)[2].split(",")[0] for line in lines[1:6]] == [
        "packet 1",
        "serial",
        "packet 2",
        "packet 3",
        "write-memory",
    ]
    assert "network 0: 3 bytes: 6f 6e 65" in lines[1] and 'port 0: "A"' in lines[2]
    assert lines[6].split() == [str(session.timeline.position), "here"] and len(lines) == 7
    second = int(lines[3].split()[1])
    session.timeline.goto(second - 1)
    around = run(session, "info inputs 1").splitlines()[1:]
    assert [line.split()[-1] if "here" in line else line.split()[2].strip(",") for line in around] == [
        "serial",
        "here",
        "packet",
    ]


def test_goto_stands_where_a_packet_or_an_input_has_entered(session: MonitorContext) -> None:
    timeline = session.timeline
    for number, data in ((2, b"two"), (3, b"three"), (1, b"one"), (2, b"two")):
        answer = run(session, f"goto packet {number}")
        assert answer.startswith(f"at icount {timeline.position},")
        assert timeline.machine.read_memory(0x80000000 | BUFFER, len(data)) == data
        assert f": copier DMA, packet {number} wrote" in run(session, f"lastwrite {0x80000000 | BUFFER:#x} 3")
    for line in run(session, "info inputs").splitlines()[1:]:
        if "here" not in line:
            number, icount = line.split()[:2]
            run(session, f"goto input {number}")
            assert timeline.position == int(icount)
    run(session, "goto packet 3")
    entered = timeline.position
    run(session, "goto packet -1")
    assert timeline.position == entered
    run(session, "goto packet previous")
    run(session, "goto packet next")
    assert timeline.position == entered
    end = session.timeline.position
    assert travel(session, "packet 1").position < end  # as rdbg debug --at says it
    travel(session, "end")
    run(session, "goto packet 1")
    run(session, "back")
    assert timeline.position == int(icount)


def test_packets_keep_their_numbers_when_they_enter_again(session: MonitorContext) -> None:
    timeline = session.timeline
    run(session, "goto packet 2")
    timeline.branch("other")
    timeline.run(StopConditions(), lambda: True)
    assert timeline.machine.read_memory(0x80000000 | BUFFER, 3) == b"two"
    with pytest.raises(Exception, match="there is no packet 3: 2 have entered"):
        from rdbg.analysis.input_places import entered

        entered(timeline, "packet", 3)
    run(session, "switch main")
    run(session, "goto start")
    timeline.run(StopConditions(), lambda: timeline.position >= timeline.end)
    assert "copier DMA, packet 3" in run(session, f"lastwrite {0x80000000 | BUFFER:#x}")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("goto packet 4", "there is no packet 4: 3 have entered"),
        ("goto packet 0", "there is no packet 0"),
        ("goto packet x", "number of the packet"),
        ("goto input 99", "there is no input 99"),
        ("goto input -99", "there is no input 99, counted from there, in this run"),
        ("goto packet 1 2", "names no one of several"),
        ("info inputs 0", "ask for 1 to 1000"),
        ("info inputs 1 2", "usage: info inputs [NUMBER]"),
        ("info endpoints 1", "1"),
    ],
)
def test_what_is_wrong_gets_one_line_and_changes_nothing(session: MonitorContext, line: str, says: str) -> None:
    here = session.timeline.position
    answer = run(session, line)
    assert says in answer and len(answer.splitlines()) == 1
    assert session.timeline.position == here


def test_where_nothing_has_come_that_is_said() -> None:
    timeline = Timeline(dma_machine(spec(struct.pack("<2I", beq(0, 0, -1), NOP))), History.live_run())
    context = MonitorContext(timeline, lambda: False, lambda: None, SymbolTable())
    assert run(context, "info inputs") == "Nothing has come from outside.\n"
    assert "there is no packet 1: none has entered" in run(context, "goto packet 1")
    timeline.machine.apply(InputEvent(0, InputKind.RESET))  # of no history: nothing is listed
    assert run(context, "info inputs") == "Nothing has come from outside.\n"
