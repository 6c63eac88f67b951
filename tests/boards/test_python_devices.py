"""Peripherals that a user writes in Python: what they can do, at every position, in recordings and in GDB."""

from __future__ import annotations

import copy
import random
import shutil
from pathlib import Path

import msgpack
import pytest

from rdbg.emu.boards.python_toml import python_role
from rdbg.emu.endpoint import serial_port
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import MachineState, RunRequest
from rdbg.emu.spec import Image, MachineSpec
from rdbg.errors import RdbgError
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.navigation.pace import Pace
from rdbg.navigation.stops import StopConditions
from rdbg.timeline import Timeline
from tests.boards.python_boards import AT, DEVICE, ELF, EXAMPLE, QUIET, bench, failing_spec, source
from tests.cli.command import rdbg, rdbg_here
from tests.emu.boards.test_bare import BASE, KERNEL, spec
from tests.gdb.driver import Gdb
from tests.processes import served
from tests.timeline.test_digest_property import Lived, forward, visit

OPTIONS = ["-M", f"bare,file={EXAMPLE / 'board.toml'}", "-kernel", str(ELF)]


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
