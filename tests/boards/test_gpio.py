"""Pins of a board: levels, edges, what leaves and what comes in; through GDB, and at any position of a recording."""

from __future__ import annotations

import copy
import random
from pathlib import Path

import pytest

from rdbg.emu.boards import build_board
from rdbg.emu.endpoint import Endpoint, EndpointKind
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.machine import Machine
from rdbg.emu.spec import Image, MachineSpec
from rdbg.errors import RdbgError
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.navigation.pace import Pace
from rdbg.navigation.stops import StopConditions
from rdbg.timeline import Timeline
from tests.cli.command import rdbg
from tests.emu.bench_system import BenchMachine, BenchSystem
from tests.emu.boards.test_bare import BASE, KERNEL, spec
from tests.gdb.driver import Gdb
from tests.processes import served
from tests.timeline.test_digest_property import Lived, forward, visit

GUEST = Path(__file__).parent / "guest"
ELF, BOARD = GUEST / "lamps-el.elf", GUEST / "lamps.toml"
OPTIONS = ["-M", f"bare,file={BOARD}", "-kernel", str(ELF), "-serial", "null"]
AT = 0x1F01_0000
PINS = f'[[gpio]]\nbase = {AT:#x}\nirq = 1\npins = ["a", "", "b"]\nhigh = ["b"]\n'
INPUT, OUTPUT, DIRECTION, SET, CLEAR, TOGGLE, RISING, FALLING, PENDING, ENABLE = range(0, 0x28, 4)


def lamps_spec() -> MachineSpec:
    images = (Image("kernel", str(ELF), ELF.read_bytes()), Image("board", str(BOARD), BOARD.read_bytes()))
    return MachineSpec("bare", "24Kf", False, 8 << 20, 5, images)


def test_levels_and_what_leaves() -> None:
    machine = BenchMachine(spec(BASE + PINS))
    assert machine.read(AT + INPUT, 4) == 0b100
    machine.write(AT + OUTPUT, 4, 0b111)
    assert machine.read(AT + OUTPUT, 4) == 0b101 and machine.system.sent == []
    machine.write(AT + DIRECTION, 4, 0b001)
    machine.write(AT + TOGGLE, 4, 0b001)
    machine.write(AT + CLEAR, 4, 0b001)
    machine.write(AT + SET, 4, 0b001)
    machine.write(AT + DIRECTION, 4, 0)
    endpoint = Endpoint(EndpointKind.GPIO, 0)
    assert machine.system.sent == [(endpoint, text) for text in (b"a=1\n", b"a=0\n", b"a=1\n", b"a=in\n")]


def test_edges_interrupt() -> None:
    machine = BenchMachine(spec(BASE + PINS))
    gpio = machine.board.endpoints[Endpoint(EndpointKind.GPIO, 0)]
    machine.write(AT + RISING, 4, 0b001)
    machine.write(AT + FALLING, 4, 0b100)
    machine.write(AT + ENABLE, 4, 0b101)
    for bit, level, pending in ((0, True, 0b001), (0, False, 0b001), (2, False, 0b101), (2, True, 0b101)):
        gpio.set_pin(bit, level)  # type: ignore[union-attr]
        assert machine.read(AT + PENDING, 4) == pending and machine.system.cpu_lines[1]
    machine.write(AT + PENDING, 4, 0b001)
    assert machine.system.cpu_lines[1]
    machine.write(AT + PENDING, 4, 0b100)
    assert not machine.system.cpu_lines[1]
    for bit in (1, 3, 31, 1 << 40):  # no such pin
        gpio.set_pin(bit, True)  # type: ignore[union-attr]
    assert machine.read(AT + INPUT, 4) == 0b100


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"gpio\[0\].pins is missing"),
        ('pins = ["a", "a"]', "has 'a' twice"),
        ('pins = ["a b"]', "names of letters, digits"),
        ("pins = [1]", "texts of at most"),
        (f"pins = {['x'] * 33}", "at most 32"),
        ('pins = ["a"]\nhigh = ["b"]', "high names 'b', which is not in pins"),
        ('pins = ["a"]\n[[gpio]]\nbase = 0x1f020000\npins = ["a"]', "both have a pin 'a'"),
        ('pins = ["a"]\n[[gpio]]\nbase = 0x1f010020\npins = ["b"]', "overlap"),
    ],
)
def test_mistakes_are_named(text: str, words: str) -> None:
    with pytest.raises(RdbgError, match=words) as info:
        build_board(spec(BASE + f"[[gpio]]\nbase = {AT:#x}\n{text}\n", KERNEL), BenchSystem())
    assert "'b.toml'" in str(info.value) and "\n" not in str(info.value)


def test_the_digest_does_not_depend_on_the_way_with_stubs_and_pins() -> None:
    """Presses come at odd moments; odd steps, back and forth, and looking at registers change nothing."""
    machine = Machine(lamps_spec())
    queue = LiveQueue(machine.input_room)
    history = History.live_run(queue)
    timeline = Timeline(machine, history, sleep=False, pace=Pace(spacing=5_000, slice=1_000))
    output = bytearray()
    timeline.output.lead_to(lambda icount, endpoint, data: output.extend(data))
    dice, presses = random.Random(5), 0

    def enough() -> bool:
        nonlocal presses
        if timeline.position > 4_000 + 30_000 * presses and presses < 5:
            queue.put(InputEvent(0, InputKind.PIN, 0, 1 << 1 | int(presses % 2 == 0)))
            presses += 1
        return timeline.position >= 150_000

    timeline.run(StopConditions(), enough)
    timeline.close()
    assert timeline.exit_code == 3 and output.count(b"lamp=1\n") > 10
    wanted = sorted({0, timeline.end, *(dice.randrange(1500) for _ in range(30)),
                     *(dice.randrange(timeline.end) for _ in range(60))})  # fmt: skip
    lived = Lived(lamps_spec(), timeline, output, forward(lamps_spec(), copy.copy(history), wanted))
    assert lived.truth.output == bytes(output)
    visit(lived, dice, 90)


def test_a_user_presses_the_button_and_finds_who_lit_the_lamp(gdb_program: str, tmp_path: Path) -> None:
    made = tmp_path / "rec"
    with served(["record", "-o", str(made), *OPTIONS, "-S"]) as port, Gdb(gdb_program, ELF) as gdb:
        gdb.connect(port)
        assert "button                  input   0" in gdb.run("monitor info gpio").text
        assert "there is no pin 'knob'; there are: lamp, button" in gdb.run("monitor gpio knob 1")
        assert "expected 0 or 1" in gdb.run("monitor gpio button high")
        gdb.run("break blink")
        gdb.run("continue")
        assert gdb.value("*(int*)0x80200000") == 0x30 and gdb.value("*(int*)0x80200004") == 0x20
        assert gdb.value("*(int*)0x80200008") == 0x42
        gdb.run("delete")
        gdb.run("break pressed")
        for press in (1, 2, 3):
            gdb.run("monitor gpio button 1")
            gdb.run("continue")
            assert gdb.value("$s2") == press
            assert "button                  input   1" in gdb.run("monitor info gpio").text
            gdb.run("monitor gpio button 0")
        gdb.run("delete")
        assert "exit code 3" in gdb.run("continue")
    replayed = rdbg("replay", made)
    assert replayed.returncode == 3 and b"digest agrees" in replayed.stderr
    dumped = rdbg("dump", made).stdout.decode()
    assert "gpio 0: pin 1 is high" in dumped and "gpio 0: pin 1 is low" in dumped
    with served(["replay", str(made), "-S"]) as port, Gdb(gdb_program, ELF) as gdb:
        gdb.connect(port)
        gdb.run('monitor goto output "lamp=1" 1')
        gdb.run("maintenance flush register-cache")
        assert gdb.value("$pc") == gdb.value("(unsigned int)&blink") + 4
        assert "lamp                    output  0" in gdb.run("monitor info gpio").text
        gdb.run("stepi")
        assert "lamp                    output  1" in gdb.run("monitor info gpio").text
        assert "a pin's level" in gdb.run("monitor gpio button 1")
