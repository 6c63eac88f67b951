"""Peripherals that a user writes in Python: what they can do, at every position; what is refused; and what fails."""

from __future__ import annotations

import copy
import random
import shutil
from pathlib import Path

import msgpack
import pytest

from rdbg.emu.boards.python_toml import python_role
from rdbg.emu.device import DeviceFailure
from rdbg.emu.endpoint import serial_port
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import MachineState, RunRequest
from rdbg.emu.peripherals.guarded_source import LoadedSource
from rdbg.emu.spec import Image, MachineSpec
from rdbg.errors import RdbgError
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.navigation.pace import Pace
from rdbg.navigation.stops import StopConditions, never
from rdbg.timeline import Timeline
from tests.cli.command import rdbg, rdbg_here
from tests.emu.bench_system import BenchMachine
from tests.emu.boards.test_bare import BASE, KERNEL, spec
from tests.emu.images import elf
from tests.gdb.driver import Gdb
from tests.processes import served
from tests.timeline.test_digest_property import Lived, forward, visit

EXAMPLE = Path(__file__).parents[2] / "examples" / "board"
ELF = EXAMPLE / "thermostat.elf"
OPTIONS = ["-M", f"bare,file={EXAMPLE / 'board.toml'}", "-kernel", str(ELF)]
AT = 0x1F00_0000
DEVICE = f'[[device]]\npython = "d.py:Device"\nbase = {AT:#x}\n'
HEAD = "from rdbg.peripheral import ByteBuffer, Countdown, NoAnswer, Numbers, Peripheral, Switch, Word\n"
QUIET = "    def read(self, offset, size):\n        return 0\n    def write(self, offset, size, value):\n        pass\n"


def source(text: str) -> Image:
    return Image(python_role("d.py"), "d.py", (HEAD + text).encode())


def bench(text: str, board: str = DEVICE) -> BenchMachine:
    return BenchMachine(spec(BASE + board, KERNEL, source(text)))


def example_spec() -> MachineSpec:
    images = [Image("kernel", str(ELF), ELF.read_bytes())]
    images.append(Image("board", "board.toml", (EXAMPLE / "board.toml").read_bytes()))
    images += [Image(python_role(name), name, (EXAMPLE / name).read_bytes()) for name in ("console.py", "sensor.py")]
    return MachineSpec("bare", "24Kf", False, 8 << 20, 4, tuple(images))


def lived_example(length: int = 1_500_000) -> Lived:
    """The example, typed at at odd moments."""
    machine = Machine(example_spec())
    queue = LiveQueue(machine.input_room)
    history = History.live_run(queue)
    timeline = Timeline(machine, history, sleep=False, pace=Pace(spacing=20_000, slice=5_000))
    output = bytearray()
    timeline.output.lead_to(lambda icount, endpoint, data: output.extend(data))
    dice = random.Random(3)

    def enough() -> bool:
        if dice.random() < 0.1:
            queue.send(serial_port(0), dice.choice((b"+", b"-", b"++-" * 9)))
        return timeline.position >= length

    timeline.run(StopConditions(), enough)
    timeline.close()
    wanted = sorted({0, timeline.end, *(dice.randrange(timeline.end) for _ in range(80))})
    return Lived(example_spec(), timeline, output, forward(example_spec(), copy.copy(history), wanted))


def test_the_digest_does_not_depend_on_the_way_with_peripherals_in_python() -> None:
    lived = lived_example()
    assert lived.truth.output == bytes(lived.output) and lived.output.count(b"\n") > 20
    visit(lived, random.Random(9), 80)


def test_all_that_the_machine_offers() -> None:
    text = """
class Device(Peripheral):
    size = 0x40
    got = ByteBuffer(8)
    row = Numbers(4, 0, 9, 3)
    on = Switch(True)
    ticks = Word(5)
    tick = Countdown()
    def read(self, offset, size):
        if offset == 0: return self.ticks
        if offset == 4: return self.random(32)
        if offset == 8: return self.now_ns & 0xffffffff
        if offset == 12: return self.row[1]
        if offset == 16: return int.from_bytes(self.dma_read(0x1000, 4), "little")
        if offset == 20: return int(self.parameters["speed"]) + len(self.got)
        raise NoAnswer
    def write(self, offset, size, value):
        if offset == 0: self.tick.start(value)
        elif offset == 4: self.dma_write(0x2000, value.to_bytes(4, "little"), "word")
        elif offset == 8: self.send(bytes([value]))
        elif offset == 12: self.row[1] = value
        elif offset == 16: self.end_run(value)
        elif offset == 20: self.request_reset()
        elif offset == 24: self.irq(bool(value), 1)
        else: self.log("odd")
    def on_tick(self):
        self.ticks += 1
        self.irq(True)
    def receive(self, data): self.got += data
    def receive_room(self): return 8 - len(self.got)
"""
    board = DEVICE + 'irq = [2, 4]\nport = 3\nseed = 1\nparameters = {speed = 40, name = "x", fast = true}\n'
    machine = bench(text, board)
    system = machine.system
    assert machine.read(AT, 4) == 5
    machine.write(AT, 4, 1000)
    system.advance(999)
    assert machine.read(AT, 4) == 5 and not system.cpu_lines[2]
    system.advance(1)
    assert machine.read(AT, 4) == 6 and system.cpu_lines[2] and machine.read(AT + 8, 4) == 1000
    numbers = [machine.read(AT + 4, 4) for _ in range(3)]
    machine.write(AT + 4, 4, 0x11223344)
    assert machine.read(0x2000, 4) == 0x11223344 and system.dma_writers == ["device0 DMA, word"]
    machine.write(0x1000, 4, 77)
    assert machine.read(AT + 16, 4) == 77
    machine.write(AT + 8, 4, 65)
    assert system.sent == [(serial_port(3), b"A")]
    machine.board.endpoints[serial_port(3)].receive(b"abc")  # type: ignore[union-attr]
    assert machine.board.endpoints[serial_port(3)].receive_room() == 5  # type: ignore[union-attr]
    assert machine.read(AT + 20, 4) == 43
    machine.write(AT + 12, 4, 8)
    assert machine.read(AT + 12, 4) == 8
    machine.write(AT + 24, 4, 1)
    assert system.cpu_lines[4]
    machine.write(AT + 16, 4, 9)
    machine.write(AT + 20, 4, 0)
    machine.write(AT + 28, 4, 0)
    assert system.shutdowns == [9] and system.resets == 1 and system.lines[-1] == "device0: odd"
    with pytest.raises(Exception, match="bus error: load of 4 bytes at physical 0x1f00003c"):
        machine.read(AT + 0x3C, 4)
    machine.reset()
    assert not system.cpu_lines[2] and machine.read(AT, 4) == 5 and machine.read(AT + 12, 4) == 3
    assert [machine.read(AT + 4, 4) for _ in range(3)] == numbers and len(set(numbers)) == 3


def test_an_interrupt_controller_in_python() -> None:
    text = """
class Device(Peripheral):
    size = 8
    pending = Word()
    mask = Word()
    def read(self, offset, size): return self.pending if offset == 0 else self.mask
    def write(self, offset, size, value):
        self.mask = value
        self.irq(bool(self.pending & self.mask))
    def interrupt_input(self, line, level):
        self.pending = self.pending & ~(1 << line) | level << line
        self.irq(bool(self.pending & self.mask))
"""
    board = DEVICE + 'irq = 0\n[[timer]]\nname = "t"\nbase = 0x1f001000\nirq = "device0.5"\n'
    machine = bench(text, board)
    machine.write(0x1F001004, 4, 10)
    machine.write(0x1F001008, 4, 3)
    machine.system.advance(20_000)
    assert machine.read(AT, 4) == 1 << 5 and not machine.system.cpu_lines[0]
    machine.write(AT + 4, 4, 1 << 5)
    assert machine.system.cpu_lines[0]
    machine.write(0x1F00100C, 4, 1)
    assert machine.read(AT, 4) == 0 and not machine.system.cpu_lines[0]


@pytest.mark.parametrize(
    "text",
    [
        "from dataclasses import dataclass\n@dataclass(frozen=True)\n"
        "class Step:\n    at: tuple\n    name: str = 'x'\nSTEPS = [Step((1, 2)), Step((2,))]",
        "from collections import namedtuple\nStep = namedtuple('Step', 'at', defaults=[3])\n"
        "STEPS = {1: Step(), 2: [3]}",
        "from typing import NamedTuple\nclass Step(NamedTuple):\n    at: int = 3\nSTEPS = (Step(), Step(4))",
        "from enum import Enum, IntFlag\n"
        "class Color(Enum):\n    RED = (1, 2)\nclass Bits(IntFlag):\n    A = 1\nX = Color.RED",
        "import struct\nfrom abc import ABC, abstractmethod\nLAYOUT = struct.Struct('<I')\nclass Base(ABC):\n"
        "    @abstractmethod\n    def f(self): ...\n    @property\n    def g(self): return 1\n"
        "    @staticmethod\n    def h(x=(1, 2)): return x\n    @classmethod\n    def i(cls): return 2",
        "def kept(f):\n    def g(*values):\n        return f(*values)\n    return g\n"
        "@kept\ndef h(x):\n    return x\nBIG = max",
    ],
)
def test_constants_classes_and_functions_may_stand_beside_a_peripheral(text: str) -> None:
    made = bench(f"{text}\nclass Device(Peripheral):\n    x = Word()\n{QUIET}")
    assert made.read(AT, 4) == 0


def test_a_dataclass_may_have_annotations_that_are_texts() -> None:
    text = "from __future__ import annotations\nfrom dataclasses import dataclass\n" + HEAD
    text += "@dataclass(frozen=True)\nclass Step:\n    at: int = 7\nX = Step()\n"
    assert LoadedSource("d.py", text.encode()).names["X"].at == 7


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("self.q += bytes(5)", "field 'q' holds at most 4 bytes, not 5"),
        ("self.q.extend(range(5))", "field 'q' holds at most 4 bytes, not 5"),
        ("self.q[0:0] = bytes(5)", "field 'q' holds at most 4 bytes, not 5"),
        ("self.q.append(0); self.q *= 5", "field 'q' holds at most 4 bytes, not 5"),
        ("for n in range(5): self.q.append(n)", "field 'q' holds at most 4 bytes, not 5"),
        ("for n in range(5): self.q.insert(0, n)", "field 'q' holds at most 4 bytes, not 5"),
        ("self.n[1] = 300", "field 'n' holds numbers from 0x0 to 0xff, not 300"),
        ("self.n[1] = 0.5", "field 'n' holds numbers from 0x0 to 0xff, not float"),
        ("self.n[:] = [1, 2]", "field 'n' holds 3 numbers, always"),
        ("self.n.append(1)", "field 'n' holds 3 numbers, always"),
        ("self.n += [1]", "field 'n' holds 3 numbers, always"),
        ("del self.n[0]", "field 'n' holds 3 numbers, always"),
    ],
)
def test_a_change_that_no_state_could_hold_is_refused_where_it_is_made(change: str, words: str) -> None:
    text = "class Device(Peripheral):\n    q = ByteBuffer(4)\n    n = Numbers(3, 0, 255)\n"
    text += f"    def read(self, offset, size):\n        {change}\n        return 0\n"
    with pytest.raises(DeviceFailure, match=f"^d.py:6: ValueError: {words}"):
        bench(text).read(AT, 4)


def test_fields_are_changed_in_place_as_a_bytearray_and_a_list() -> None:
    text = "class Device(Peripheral):\n    q = ByteBuffer(4)\n    n = Numbers(3, -5, 255)\n"
    text += "    def read(self, offset, size):\n        self.q += b'abcd'\n        del self.q[:2]\n"
    text += "        self.q[1:] = b'xyz'\n        self.n[:] = [3, -1, True]\n"
    text += "        self.n.sort()\n        self.n[0] += 2\n"
    text += "        return 0\n"
    device = bench(text)
    device.read(AT, 4)
    state = next(each for each in device.board.devices if each.name == "device0").save()
    assert (state["q"], state["n"]) == (b"cxyz", [1, 1, 3])
    assert [type(number) for number in state["n"]] == [int] * 3


def test_a_peripheral_cannot_remember_anything_in_its_parameters() -> None:
    text = "class Device(Peripheral):\n    def read(self, offset, size):\n"
    text += "        self.parameters['n'] = 1\n        return 0\n"
    made = bench(text, DEVICE + "[device.parameters]\nn = 0\n")
    with pytest.raises(
        DeviceFailure, match="d.py:4: TypeError: 'mappingproxy' object does not support item assignment"
    ):
        made.read(AT, 4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import time", "d.py:2: module time cannot be used: virtual time is self.now_ns"),
        ("import os.path", "d.py:2: module os.path cannot be used: a peripheral sees the machine alone"),
        ("from random import random", r"module random cannot be used: self.random\(bits\)"),
        ("from . import other", "another file cannot be used"),
        (
            "from rdbg.peripheral import Uart",
            "rdbg.peripheral.Uart cannot be used: rdbg.peripheral has ALWAYS",
        ),
        ("from rdbg.emu.machine import Machine", "module rdbg.emu.machine cannot be used"),
        ("from dataclasses import sys", "dataclasses.sys cannot be used"),
        ("X = open('f')", "d.py:2: open cannot be used"),
        ("X = eval('1')", "eval cannot be used"),
        ("def f():\n    return id(f)", "d.py:3: id cannot be used: it differs from run to run"),
        ("X = {1, 2}", "a set cannot be used: its order differs"),
        ("X = ().__class__", ".__class__ cannot be used"),
        ("X = __builtins__", "__builtins__ cannot be used"),
        ("def f(x):\n    return x.f_globals", ".f_globals cannot be used"),
        ("class A:\n    n = 0\n    def f(self):\n        A.n = 1", "A.n as a variable cannot be used"),
        ("x = 0\ndef f():\n    global x", "global cannot be used"),
        ("def f(x=[]):\n    pass", "a default that can change cannot be used"),
        ("async def f():\n    pass", "async cannot be used"),
        ("try:\n    pass\nexcept:\n    pass", "except without a class cannot be used"),
        ("import itertools\nX = itertools.count()", "X is a generator, which checkpoints would not hold"),
        ("X = iter((1, 2))", "X is a tuple_iterator, which checkpoints would not hold"),
        ("X = [1, 2].pop", "X is bound to a list, which checkpoints would not hold"),
        ("class N(int):\n    pass\nX = N(1)", "X is a N, which checkpoints would not hold"),
        ("def f(x=[0] * 4):\n    pass", "a default of f is a list, which checkpoints would not hold"),
        ("X = [0]\ndef f(*, x=X):\n    pass", "a default of f is a list, which checkpoints would not hold"),
        ("F = lambda x=[]: x", "a default of <lambda> is a list, which checkpoints would not hold"),
        (
            "def make():\n    box = [0]\n    def f():\n        box[0] += 1\n    return f\nX = make()",
            "'box', which make.<locals>.f keeps, is a list",
        ),
        ("def make():\n    n = 0\n    def f():\n        nonlocal n", "d.py:5: nonlocal cannot be used"),
        (
            "from collections import deque\nclass Device(Peripheral):\n    queue = deque()",
            "'queue' of Device is a deque, which checkpoints would not hold: declare a field",
        ),
        ("class Device(Peripheral):\n    x = ([],)", "'x' of Device is a list, which checkpoints would not hold"),
        ("class A:\n    class B:\n        x = {}", "'x' of A.B is a dict, which checkpoints would not hold"),
        ("class A:\n    pass\nclass Device(Peripheral):\n    x = A()", "'x' of Device is a A, which checkpoints"),
        (
            "from enum import Enum\nclass A(Enum):\n    X = [0]\nclass Device(Peripheral):\n    x = A.X",
            "'X' of A has a list, which checkpoints would not hold",
        ),
        (
            "import struct\nX = struct.iter_unpack('<I', b'')",
            "X is a unpack_iterator, which checkpoints would not hold",
        ),
        (
            "from typing import NewType\nX = NewType('X', int)\nX.n = 1",
            "d.py:4: AttributeError: attributes of X cannot",
        ),
        ("class A:\n    n = 0\nB = A\nB.n = 1", "d.py:5: AttributeError: attributes of A cannot change"),
        ("def f():\n    pass\ng = f\ng.n = 1", "d.py:5: AttributeError: attributes of f cannot change"),
        ("X = {1: 2}.keys() | {3: 4}.keys()", "a set of a dict's keys or items cannot be used: its order differs"),
        ("from operator import attrgetter", "operator.attrgetter cannot be used"),
        ("import itertools\nX = sum(itertools.count())", r"d.py:3: RuntimeError: it goes on and on: 5,000,000 turns"),
        ("X = all(True for _ in iter(int, 1))", r"d.py:2: RuntimeError: it goes on and on: 5,000,000 turns"),
        ("X = 1 / 0", "d.py:2: ZeroDivisionError: division by zero \\(loading it\\)"),
        ("def f(:", "d.py:2: invalid syntax"),
        ("X = " + "(" * 300, "d.py:2: too many nested parentheses"),
        ("while True:\n    pass", r"d.py:3: RuntimeError: it goes on and on: 5,000,000 turns"),
        ("class Device:\n    pass", "has no class 'Device' derived from Peripheral: derive one"),
        ("class Other(Peripheral):\n    pass", "has no class 'Device' derived from Peripheral: it has Other"),
        ("class Device(Peripheral):\n    x = []", "'x' of Device is a list that checkpoints would not hold"),
        ("class Device(Peripheral):\n    def __init__(self):\n        pass", "must not define __init__"),
        ("class Device(Peripheral):\n    t = Countdown()", "calls on_t, which is not defined"),
        ("class Device(Peripheral):\n    w = Word(1 << 32)", "holds numbers from 0x0 to 0xffffffff, not 4294967296"),
        ("class Device(Peripheral):\n    size = 0\n" + QUIET, "size of Device must be"),
        ("class Device(Peripheral):\n    def reset(self):\n        self.y = 1", "Device has no field 'y': declare it"),
    ],
)
def test_what_a_peripheral_must_not_do_is_named_with_its_line(text: str, words: str) -> None:
    with pytest.raises(RdbgError, match=words) as info:
        bench(text + "\n")
    assert str(info.value).startswith("d.py") and "\n" not in str(info.value)


@pytest.mark.parametrize(
    ("board", "words"),
    [
        ('[[device]]\npython = "d"\nbase = 0\n', r"device\[0\].python must be a file and a class in it"),
        (DEVICE + 'irq = "x.1"\n', "names 'x', which is no \\[\\[device\\]\\]"),
        (DEVICE + 'irq = "device0.1"\n', "names itself"),
        (DEVICE + "irq = [1, 9]\n", r"device\[0\].irq must be 0x0 to 0x5"),
        (DEVICE + "parameters = {a = 1.5}\n", r"device\[0\].parameters.a must be a number, a text"),
        (DEVICE + "port = 0\n[[uart]]\nbase = 0x1f100000\n", "two uarts or devices have port 0"),
        (DEVICE + "[[uart]]\nbase = 0x1f000800\n", "overlap"),  # the size is the class's
        (DEVICE.replace("d.py", "e.py"), "the source 'e.py' of device 'device0' is missing"),
    ],
)
def test_mistakes_in_the_board_file_are_named(board: str, words: str) -> None:
    with pytest.raises(RdbgError, match=words) as info:
        bench("class Device(Peripheral):\n" + QUIET, board)
    assert "\n" not in str(info.value)


LOAD, STORE = "    def read(self, offset, size):\n", "    def write(self, offset, size, value):\n"
#: What fails where: the store that sets it going, and the line.
FAILURES: dict[str, tuple[str, str]] = {
    "a store": (f"{STORE}        self.x = value // 0\n", "d.py:7: ZeroDivisionError"),
    "a load": (f"{LOAD}        return -1\n", "d.py: read gave -0x1 for 4 bytes"),
    "a loop": (f"{LOAD}        while True:\n            pass\n", "RuntimeError: it goes on"),
    "a timer": (
        f"{STORE}        self.later.start(3000)\n    def on_later(self):\n        raise ValueError('late')\n",
        "d.py:9: ValueError: late",
    ),
    "dma": (
        f"{LOAD}        return len(self.dma_read(0x50000000, 4))\n",
        "d.py:7: NoAnswer: bus error: load of 4 bytes at physical 0x50000000",
    ),
    "a field": (f"{STORE}        self.x = -1\n", "d.py:7: ValueError: field 'x' holds"),
}


def failing_spec(method: str) -> MachineSpec:
    """A guest that counts for a while, stores to the device, loads from it, and counts on."""
    text = "class Device(Peripheral):\n    x = Word()\n    later = Countdown()\n    def on_later(self): pass\n" + method
    if "def read" not in method:
        text += "    def read(self, offset, size):\n        return self.x\n"
    if "def write" not in method:
        text += "    def write(self, offset, size, value):\n        self.x = value & 0xff\n"
    words = [0x3C08BF00, 0x24090064]  # lui t0,0xbf00; li t1,100
    words += [0x2529FFFF, 0x1520FFFE, 0x00000000]  # addiu t1,-1; bnez t1; nop
    words += [0x240A0007, 0xAD0A0000, 0x8D0B0000]  # li t2,7; sw t2,0(t0); lw t3,0(t0)
    words += [0x256B0001, 0x1000FFFE, 0x00000000]  # addiu t3,1; b; nop
    program = b"".join(word.to_bytes(4, "little") for word in words)
    kernel = Image("kernel", "k", elf(0x8000_1000, program))
    return spec(BASE + DEVICE, kernel, source(text))


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("exact", [False, True])
def test_a_failure_stops_the_run_before_it_and_nothing_is_lost(name: str, exact: bool) -> None:
    method, words = FAILURES[name]
    machine = Machine(failing_spec(method))
    history = History.live_run()
    timeline = Timeline(machine, history, sleep=False)
    with pytest.raises(DeviceFailure) as info:
        if exact:
            while timeline.position < 5_000:
                timeline.step()
        timeline.run(StopConditions(), lambda: timeline.position > 5_000)
    assert words in str(info.value) and "device 'device0'" in str(info.value) and "\n" not in str(info.value)
    stands = timeline.position
    assert stands in (info.value.icount, info.value.icount - 1) and 300 < stands < 1_000  # or in a delay slot
    if name != "a timer":
        load = name in ("a load", "a loop", "dma")
        assert machine.pc == (0x8000101C if load else 0x80001018)
    plain = Machine(failing_spec(method))
    plain.run(RunRequest(until=stands))
    digest = machine.digest()
    assert digest == plain.digest()
    for _ in range(5):
        timeline.reverse_step()
    with pytest.raises(DeviceFailure, match=words.partition(":")[0]):
        timeline.run(StopConditions(), never)
    assert timeline.position == stands and machine.digest() == digest
    timeline.goto(10)
    timeline.goto(stands)
    assert machine.digest() == digest


def test_a_failure_at_what_came_in_is_recorded_with_it(tmp_path: Path) -> None:
    (tmp_path / "board.toml").write_text(BASE + DEVICE + "port = 0\n")
    text = "class Device(Peripheral):\n    q = ByteBuffer(4)\n"
    text += "    def receive_room(self):\n        return 16\n    def receive(self, data):\n        self.q += data\n"
    (tmp_path / "d.py").write_text(HEAD + text + QUIET)
    (tmp_path / "spin.elf").write_bytes(KERNEL.data)
    options = ["-M", f"bare,file={tmp_path / 'board.toml'}", "-kernel", tmp_path / "spin.elf", "-nographic"]
    line = "d.py:7: ValueError: field 'q' holds at most 4 bytes, not 8 (device 'device0', receive)"
    for command in (["record", "-o", tmp_path / "F", "--", *options], ["replay", tmp_path / "F"]):
        done = rdbg(*command, typed=b"abcdefgh")
        said = done.stderr.decode()
        assert done.returncode == 1 and line in said and "Traceback" not in said


def test_a_failure_where_nothing_enters_ends_a_recording_in_order(tmp_path: Path) -> None:
    (tmp_path / "board.toml").write_text(BASE + DEVICE + "port = 0\n")
    text = "class Device(Peripheral):\n    def receive_room(self):\n        return 1 // 0\n"
    (tmp_path / "d.py").write_text(HEAD + text + QUIET)
    (tmp_path / "spin.elf").write_bytes(KERNEL.data)
    options = ["-M", f"bare,file={tmp_path / 'board.toml'}", "-kernel", tmp_path / "spin.elf", "-nographic"]
    done = rdbg("record", "-o", tmp_path / "F", "--", *options, typed=b"a")
    said = done.stderr.decode()
    assert done.returncode == 1 and "d.py:4: ZeroDivisionError" in said and "Traceback" not in said
    info = rdbg("info", tmp_path / "F")
    assert info.returncode == 0 and b"stopped by the user" in info.stdout


def test_a_peripheral_may_answer_with_a_bus_error() -> None:
    machine = Machine(failing_spec("    def read(self, offset, size):\n        raise NoAnswer\n"))
    while machine.pc != 0xBFC00380:
        assert machine.icount < 2_000
        machine.step()
    cause, epc = (machine.read_register(machine.architecture.number_of(name)) for name in ("cause", "epc"))
    assert cause >> 2 & 0x1F == 7 and epc == 0x8000101C  # bus error of the load


def test_looking_at_registers_leaves_nothing_behind() -> None:
    text = """
class Device(Peripheral):
    n = Word()
    def read(self, offset, size):
        self.n += 1
        self.send(b"x")
        self.dma_write(0x3000, b"zzzz")
        self.end_run(3)
        self.request_reset()
        return self.n
    def write(self, offset, size, value): pass
"""
    machine = Machine(spec(BASE + DEVICE + "port = 0\n", KERNEL, source(text)))
    sent: list[bytes] = []
    machine.set_output(lambda icount, endpoint, data: sent.append(data))
    before = machine.digest()
    assert machine.read_memory(0xBF000000, 8) == (1).to_bytes(4, "little") + (2).to_bytes(4, "little")
    assert machine.digest() == before and sent == [] and machine.read_memory(0x80003000, 4) == bytes(4)
    assert machine.run(RunRequest(until=5)).exit_code == 0 and machine.icount == 5


def test_a_saved_state_that_cannot_be_is_refused() -> None:
    text = (
        "class Device(Peripheral):\n    w = Word()\n    b = ByteBuffer(4)\n    r = Numbers(2)\n    s = Switch()\n"
        + QUIET
    )
    machine = Machine(spec(BASE + DEVICE, KERNEL, source(text)))
    good = machine.save_state()
    parts = msgpack.unpackb(good.devices)
    state = parts["devices"]["device0"][1]
    bad = ({"w": -1}, {"w": True}, {"w": 1 << 32}, {"b": b"12345"}, {"b": 1}, {"r": [1]}, {"r": [1, True]}, {"s": 1},
           {"s": None}, {".random": -1}, {"r": [0, 1 << 32]})  # fmt: skip
    for change in bad:
        parts["devices"]["device0"][1] = {**state, **change}
        with pytest.raises(RdbgError, match="device0"):
            machine.load_state(MachineState(good.icount, good.cpu, msgpack.packb(parts)))
    assert machine.save_state() == good


def test_module_constants_cannot_be_changed() -> None:
    text = "T = [1, 2]\nD = {'a': [3]}\nB = bytearray(2)\nclass Device(Peripheral):\n" + QUIET
    made = LoadedSource("d.py", (HEAD + text).encode())
    assert made.names["T"] == (1, 2) and made.names["D"]["a"] == (3,) and made.names["B"] == bytes(2)
    with pytest.raises(TypeError):
        made.names["D"]["b"] = 1


# --- recordings, and GDB ------------------------------------------------------------------------


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The example's files where they can be changed."""
    for name in ("board.toml", "console.py", "sensor.py", "thermostat.elf"):
        shutil.copy(EXAMPLE / name, tmp_path / name)
    return tmp_path


def test_a_recording_carries_its_peripherals(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tmp_path / "rec"
    options = ["-M", f"bare,file={copied / 'board.toml'}", "-kernel", copied / "thermostat.elf", "-serial", "null"]
    assert rdbg("record", "-o", made, "--", *options).returncode == 0
    told = rdbg_here("info", made)
    # What memory there is its file says.
    assert b"\nmachine     bare, 24Kf, little endian, shift 3 (8 ns per instruction)\n" in told.stdout
    assert told.returncode == 0 and b"RAM" not in told.stdout and b"sensor.py" in told.stdout
    assert b"digest agrees" in rdbg("replay", made).stderr
    (copied / "sensor.py").write_text((copied / "sensor.py").read_text() + "# changed\n")
    refused = rdbg_here("replay", made)
    assert refused.returncode == 1 and refused.stderr.count(b"\n") == 1
    assert b"sensor.py, which differs here" in refused.stderr and b"RDBG_RECORDED_PYTHON=1" in refused.stderr
    named = rdbg_here("run", *options, "-icount", f"shift=3,rr=replay,rrfile={made}")
    assert named.returncode == 1 and b"sensor.py: not the python sensor.py image that" in named.stderr
    for name in ("board.toml", "console.py", "sensor.py", "thermostat.elf"):
        (copied / name).unlink()
    assert b"console.py, which differs here or is not here" in rdbg_here("replay", made).stderr
    monkeypatch.setenv("RDBG_RECORDED_PYTHON", "1")
    allowed = rdbg("replay", made)
    assert allowed.returncode == 0 and b"digest agrees" in allowed.stderr
    monkeypatch.delenv("RDBG_RECORDED_PYTHON")
    shown = rdbg_here("board", "sources", made)
    assert shown.returncode == 0 and b"class Sensor(Peripheral):" in shown.stdout


def test_a_failure_ends_a_recording_that_can_be_replayed(copied: Path, tmp_path: Path) -> None:
    text = (copied / "sensor.py").read_text()
    (copied / "sensor.py").write_text(text.replace("noise = ", "noise = 1 // (5 - self.count) * 0 + "))
    line = next(
        number for number, each in enumerate((copied / "sensor.py").read_text().splitlines(), 1) if "1 //" in each
    )
    made = tmp_path / "rec"
    options = ["-M", f"bare,file={copied / 'board.toml'}", "-kernel", copied / "thermostat.elf", "-serial", "stdio"]
    failed = rdbg("record", "-o", made, "--", *options)
    words = f"sensor.py:{line}: ZeroDivisionError: integer division or modulo by zero (device 'sensor', on_sample)"
    assert failed.returncode == 1 and words.encode() in failed.stderr and b"Traceback" not in failed.stderr
    assert failed.stdout.count(b"\n") >= 5
    replayed = rdbg("replay", made)
    assert replayed.returncode == 0 and b"digest agrees" in replayed.stderr and replayed.stdout == failed.stdout


def test_the_example_in_gdb(gdb_program: str, tmp_path: Path) -> None:
    made = tmp_path / "rec"
    assert rdbg("record", "-o", made, "--", *OPTIONS, "-serial", "null").returncode == 0
    with served(["replay", str(made), "-S"]) as port, Gdb(gdb_program, ELF) as gdb:
        gdb.connect(port)
        gdb.run('monitor goto output "22.457"')
        gdb.run("maintenance flush register-cache")
        assert "print_degrees" in gdb.run("backtrace")
        written = gdb.run(f"monitor writes {gdb.value('(unsigned)&ring[4]'):#x} 4 1")
        assert "sensor DMA, sample 4 wrote" in written
        assert gdb.value("*(int *)0xbf001004") >= 5  # COUNT: looking changes nothing
        gdb.run("watch ring[4]")
        back = gdb.run("reverse-continue")
        assert "is written by sensor DMA, sample 4" in back
        assert gdb.value("*(int *)0xbf001004") == 4
        gdb.run("delete")
        gdb.run('monitor goto output "heater=0"')
        gdb.run("maintenance flush register-cache")
        assert gdb.value("temperature") >= 22000


def test_gdb_is_told_of_a_failure_and_goes_on(gdb_program: str, copied: Path) -> None:
    text = (copied / "console.py").read_text()
    (copied / "console.py").write_text(text.replace("self.send(", "assert value != ord('5'); self.send("))
    options = ["-M", f"bare,file={copied / 'board.toml'}", "-kernel", str(copied / "thermostat.elf"), "-serial", "null"]
    with served(["run", *options, "-S"]) as port, Gdb(gdb_program, ELF) as gdb:
        gdb.connect(port)
        stopped = gdb.run("continue")
        assert "console.py:31: AssertionError (device 'console', store of 0x35, 4 bytes, at offset 0x0)" in stopped
        assert "print" in gdb.run("backtrace") and gdb.value("text[-1]") == ord("5")
        assert "AssertionError" in gdb.run("stepi")
        gdb.run("reverse-stepi")
        gdb.run("break print_degrees")
        assert "print_degrees" in gdb.run("reverse-continue")


def test_imports_that_are_allowed_work() -> None:
    text = """
import struct
import collections.abc
from dataclasses import dataclass
from enum import IntEnum
from math import gcd
from zlib import crc32

class Kind(IntEnum):
    A = 1

@dataclass(frozen=True)
class Pair:
    x: int
    y: int

class Device(Peripheral):
    def read(self, offset, size):
        return Pair(gcd(12, 18), Kind.A).x + struct.unpack("<H", b"\\x01\\x00")[0] + (offset in {4, 8}) + crc32(b"") + 0
    def write(self, offset, size, value): pass
"""
    assert bench(text).read(AT, 4) == 7 and bench(text).read(AT + 4, 4) == 8


LOOKS = {
    "a field": ("self.x += 1", "changes x"),
    "a buffer": ("self.q += b'a'", "changes q"),
    "a random number": ("self.random(8)", "takes a random number"),
    "a timer": ("self.later.start(3000)", "may only look"),
    "a line": ("self.irq(True)", "may only look"),
    "memory": ("self.dma_write(0x2000, b'abcd')", "may only look"),
    "output": ("self.send(b'a')", "may only look"),
}


@pytest.mark.parametrize("name", LOOKS)
@pytest.mark.parametrize("method", ["receive_room(self)", "unchanged_until(self, offset, size)"])
def test_what_is_asked_at_any_time_changes_nothing(name: str, method: str) -> None:
    does, words = LOOKS[name]
    text = "class Device(Peripheral):\n    x = Word()\n    q = ByteBuffer(8)\n    later = Countdown()\n"
    text += f"    def on_later(self): pass\n    def {method}:\n        {does}\n        return 4\n" + QUIET
    machine = bench(text, DEVICE + "port = 0\nirq = 2\n")
    device = machine.board.endpoints[serial_port(0)]
    before = device.save()  # type: ignore[union-attr]
    for _ in range(2):
        with pytest.raises(RdbgError, match=words) as info:
            if method.startswith("receive_room"):
                device.receive_room()  # type: ignore[union-attr]
            else:
                device.stable_until(0, 4)  # type: ignore[union-attr]
        assert "\n" not in str(info.value)
        assert device.save() == before and not machine.system.sent  # type: ignore[union-attr]


@pytest.mark.parametrize("caught", ["RuntimeError", "Exception", "(ValueError, RuntimeError)"])
@pytest.mark.parametrize("again", [False, True])
def test_calls_that_go_too_deep_end_the_run_whatever_catches_them(caught: str, again: bool) -> None:
    text = "def f(n):\n    return f(n + 1)\nclass Device(Peripheral):\n    def read(self, offset, size):\n"
    then = "try:\n                f(0)\n            except Exception:\n                pass" if again else "return 7"
    text += f"        try:\n            f(0)\n        except {caught}:\n            {then}\n"
    text += "        finally:\n            return 5\n"
    machine = bench(text + "    def write(self, offset, size, value):\n        pass\n")
    with pytest.raises(RdbgError, match="calls within calls go too deep") as info:
        machine.read(AT, 4)
    assert "\n" not in str(info.value) and "d.py" in str(info.value)
