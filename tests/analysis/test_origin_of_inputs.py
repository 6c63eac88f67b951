"""What came from outside is named where it came in: the byte that was typed, the image that was loaded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rdbg.analysis.origin import OriginSearch, OriginStep, SoughtBytes
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.machine import Machine
from rdbg.emu.spec import Image, MachineSpec
from rdbg.history.history import History
from rdbg.navigation.stops import StopConditions
from rdbg.timeline import Timeline
from tests.cli.command import TANK
from tests.emu.guests import LOOP, NOP, addiu, beq, i_type, lui, machine_with, mfc0

_DATA = 0x80200000
_PORTS = 0xB000
_FIFO = 0x02


def _type(timeline: Timeline, kind: InputKind, data: bytes = b"") -> None:
    event = InputEvent(timeline.position, kind, 0, data=data)
    timeline.machine.apply(event)
    timeline.history.append(event)


def _polling(count: int, fifo: bool) -> list[int]:
    """Sets the FIFO on or off, and stores ``count`` received bytes from the start of the data on."""
    poll = [i_type(0x24, 17, 8, 0x3FD), i_type(0x0C, 8, 8, 1), beq(8, 0, -3), NOP]
    code = [lui(16, _DATA >> 16), lui(17, _PORTS), addiu(9, 0, 1 if fifo else 0), i_type(0x28, 17, 9, 0x3FA)]
    for number in range(count):
        code += [*poll, i_type(0x24, 17, 10, 0x3F8), i_type(0x28, 16, 10, number)]
    return [*code, LOOP, NOP]


def _last(timeline: Timeline, address: int, length: int = 1) -> OriginStep:
    with ReplayedRun(timeline) as run:
        *_, last = OriginSearch(run).steps(SoughtBytes(timeline.position, None, (), address, length))
    assert last.ends
    return last


@pytest.fixture(params=[False, True], ids=["one at a time", "fifo"])
def typed(request: pytest.FixtureRequest) -> Iterator[tuple[Timeline, bool]]:
    fifo = bool(request.param)
    timeline = Timeline(machine_with(_polling(6, fifo)), History.live_run())
    yield timeline, fifo
    timeline.close()


def _run(timeline: Timeline, instructions: int) -> None:
    until = timeline.position + instructions
    timeline.run(StopConditions(), lambda: timeline.position >= until)


def test_a_byte_read_from_a_serial_port_is_the_one_that_was_typed(typed: tuple[Timeline, bool]) -> None:
    timeline, fifo = typed
    _run(timeline, 100)
    inputs = [b"abc", b"ca"] if fifo else [b"a", b"b", b"c", b"c", b"a"]
    for data in inputs:
        _type(timeline, InputKind.SERIAL, data)
        if not fifo:
            _run(timeline, 100)
    _run(timeline, 300)
    _type(timeline, InputKind.SERIAL_BREAK)
    _run(timeline, 300)
    assert timeline.machine.read_memory(_DATA, 6) == b"abcca\0"
    first = next(number for number in range(1, 9) if timeline.history.known.input(number) is not None)
    for at in range(5):
        number = first + ((0, 0, 0, 1, 1)[at] if fifo else at)
        step = _last(timeline, _DATA + at)
        assert step.what.endswith(f": byte {at + 1} typed at serial 0, in input {number}"), step.what
    assert "a break on serial 0" in _last(timeline, _DATA + 5).what


def test_memory_that_nothing_wrote_came_from_the_image() -> None:
    image = Image("kernel", str(TANK), TANK.read_bytes())
    history = History.live_run()
    timeline = Timeline(Machine(MachineSpec("malta", "24Kf", False, 16 << 20, 0, (image,)), history), history)
    _run(timeline, 50)
    step = _last(timeline, 0x80100000)
    assert step.what == f"0x80100000: as the run began, from kernel image '{TANK}'"
    assert _last(timeline, 0x80800000).what == "0x80800000: as the run began"
    timeline.close()


def test_what_the_hardware_set_is_not_laid_to_an_instruction() -> None:
    skip = [mfc0(26, 14), addiu(26, 26, 4), 0x409A7000, 0x42000018]
    timeline = Timeline(machine_with([addiu(15, 0, 5), 0x0000000C, LOOP, NOP], skip), History.live_run())
    _run(timeline, 60)
    number = next(i.number for i in timeline.machine.architecture.registers if i.name == "cause")
    with ReplayedRun(timeline) as run:
        (step,) = OriginSearch(run).steps(SoughtBytes(timeline.position, number))
    assert step.pc is None and step.ends
    _type(timeline, InputKind.RESET)
    _run(timeline, 1)
    with ReplayedRun(timeline) as run:
        steps = list(OriginSearch(run).steps(SoughtBytes(timeline.position, 15)))
    assert [step.name for step in steps] == ["the hardware"]
    timeline.close()
