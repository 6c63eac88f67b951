"""What a peripheral in Python must not do, and mistakes in its board file: each is named where it is made."""

from __future__ import annotations

import pytest

from rdbg.emu.device import DeviceFailure
from rdbg.emu.endpoint import serial_port
from rdbg.emu.peripherals.guarded_source import LoadedSource
from rdbg.errors import RdbgError
from tests.boards.python_boards import AT, DEVICE, HEAD, QUIET, bench


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


def test_module_constants_cannot_be_changed() -> None:
    text = "T = [1, 2]\nD = {'a': [3]}\nB = bytearray(2)\nclass Device(Peripheral):\n" + QUIET
    made = LoadedSource("d.py", (HEAD + text).encode())
    assert made.names["T"] == (1, 2) and made.names["D"]["a"] == (3,) and made.names["B"] == bytes(2)
    with pytest.raises(TypeError):
        made.names["D"]["b"] = 1


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
